"""Who may do what, seen from outside: tokens, certificates, scopes, rates, and what is written down of refusals."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import trustme
from click.testing import CliRunner
from google.rpc import error_details_pb2, status_pb2

from frbench.cli import app
from frbench.commands.token import stanza
from frbench.v1 import search_pb2
from tests.service.test_service import (
    COMPARE,
    COUNT,
    CREATE,
    DIMENSION,
    DROP,
    ENROL,
    GET,
    IDS,
    INFO,
    LIST,
    ONE,
    PROBES,
    REMOVE,
    ROWS,
    SEARCH,
    TAIL,
    Caller,
    Code,
    Rpc,
    count_request,
    enrol,
    fill,
    search,
    tail_request,
    templates,
)
from tests.worlds.servers import PROGRAM, WAIT_S, Running, configured, running, until

SCOPES = ("search", "enrol", "count", "admin")
# Beside admin, which suffices for all; for galleries that are kept.
SUFFICE = {
    CREATE: {"enrol"},
    ENROL: {"enrol"},
    REMOVE: {"enrol"},
    GET: set(SCOPES),
    LIST: set(SCOPES),
    DROP: set(),
    SEARCH: {"search"},
    COMPARE: {"search"},
    COUNT: {"count"},
    TAIL: {"count"},
    INFO: set(SCOPES),
}
# Letters that are float32, so that a dump of bytes and a list of numbers would both show them.
MARK = b"Mk7QMk8QMk9QMk6Q" * 2
MARKED = np.frombuffer(MARK, dtype="<f4").reshape(1, DIMENSION)
NUMBERS = iter(itertools.count())


def tokens(*, slow: str = "") -> str:
    """A caller of each scope, whose token is its name with a word before it; and one that may call twice."""
    entries = [stanza(scope, f"secret-{scope}", scopes=(scope,), rate=None, burst=None) for scope in SCOPES]
    return "\n".join([*entries, stanza("slow", "secret-slow", scopes=("search",), rate=0.001, burst=2), slow])


@dataclass(frozen=True)
class Guarded:
    """A server that knows its callers, and its directory."""

    server: Running
    data: Path

    def caller(self, scope: str) -> Caller:
        """The caller who has this scope alone."""
        return Caller(self.server, token=f"secret-{scope}")

    def lines(self) -> list[dict[str, Any]]:
        """Lines of the audit log."""
        return audited(self.data)


def audited(data: Path) -> list[dict[str, Any]]:
    """Lines of the audit log in a directory of data."""
    return [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]


def verify(data: Path) -> str:
    """What `frbench audit-log verify` prints of a log that is whole."""
    answer = CliRunner().invoke(app, ["audit-log", "verify", str(data / "audit.jsonl")])
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that logs as much as it can."""
    folder = tmp_path_factory.mktemp("access")
    data = folder / "data"
    with running(*configured(folder, tokens()), "--data", str(data), "--log", "trace") as server:
        fill(Caller(server, token="secret-admin"), "people", ROWS, IDS)
        yield Guarded(server, data)


def asked(method: Rpc, gallery: str) -> Any:
    """A good request of the method, about a gallery that is kept."""
    rows = ROWS[:1]
    fields: dict[Rpc, Any] = {
        CREATE: {"name": f"{gallery}-{next(NUMBERS)}", "dimension": DIMENSION},
        ENROL: enrol(gallery=gallery, templates=templates(rows), template_ids=IDS[:1]),
        REMOVE: {"gallery": gallery, "template_ids": ["nobody"]},
        GET: {"name": gallery},
        LIST: {},
        DROP: {"name": gallery},
        SEARCH: search(gallery=gallery),
        COMPARE: {"a": search_pb2.Side(templates=ONE), "b": search_pb2.Side(templates=ONE)},
        COUNT: count_request(probes=gallery, gallery=gallery),
        TAIL: tail_request(probes=gallery, gallery=gallery),
        INFO: {},
    }
    said = fields[method]
    return method.request(**said) if isinstance(said, dict) else said


def code_of(call: Caller, method: Rpc, message: Any) -> Code:
    """How a call ends."""
    try:
        call(method, message)
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


@pytest.mark.parametrize("method", SUFFICE, ids=lambda method: method.path.rpartition("/")[2])
def test_a_scope_suffices_for_its_methods_and_for_no_other(guarded: Guarded, method: Rpc):
    """Each scope alone, at a gallery that is kept; admin suffices for all."""
    name = f"scopes-{next(NUMBERS)}"
    fill(guarded.caller("admin"), name, ROWS, IDS)
    found = {scope: code_of(guarded.caller(scope), method, asked(method, name)) for scope in SCOPES}
    expected = {scope: Code.OK if scope in SUFFICE[method] | {"admin"} else Code.PERMISSION_DENIED for scope in SCOPES}

    assert found == expected


@pytest.mark.parametrize("method", SUFFICE, ids=lambda method: method.path.rpartition("/")[2])
@pytest.mark.parametrize("token", [None, "", "guess", "secret-searc", "secret-searchh", "Bearer secret-search"])
def test_nobody_calls_without_a_token_that_is_known(guarded: Guarded, method: Rpc, token: str | None):
    """None, an empty one, and one that is nearly right."""
    code, message = Caller(guarded.server, token=token).error(method, asked(method, "people"))

    assert code == Code.UNAUTHENTICATED
    assert "secret" not in message


def test_health_is_said_to_anybody_and_reflection_to_callers(guarded: Guarded):
    """A probe of an orchestrator has no token; what there is to call is told to those who may call."""
    channel = Caller(guarded.server).channel
    reflection = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    with pytest.raises(grpc.RpcError) as caught:
        list(reflection(iter([b""]), timeout=WAIT_S))

    # Field 1, a varint: SERVING.
    assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=WAIT_S) == b"\x08\x01"
    assert caught.value.code() == Code.UNAUTHENTICATED


def test_a_caller_of_scope_count_has_galleries_that_are_not_kept_and_no_others(guarded: Guarded):
    """It may make, fill, compare rows of, and drop what it lends; it neither changes nor searches what is kept."""
    call = guarded.caller("count")
    name = f"lent-{next(NUMBERS)}"
    rows = search_pb2.Side(rows=np.arange(2, dtype="<u8").tobytes())
    call(CREATE, name=name, dimension=DIMENSION, is_ephemeral=True)

    assert call(ENROL, enrol(gallery=name, templates=templates(ROWS[:2]), template_ids=IDS[:2])).n_enrolled == 2
    assert len(call(COMPARE, gallery=name, a=rows, b=rows).scores) == 2
    assert call.error(COMPARE, gallery=name, a=search_pb2.Side(templates=ONE), b=rows)[0] == Code.PERMISSION_DENIED
    assert call.error(SEARCH, search(gallery=name))[0] == Code.PERMISSION_DENIED
    assert call(DROP, name=name).gallery.n_templates == 2
    assert call.error(DROP, name="people")[0] == Code.PERMISSION_DENIED
    assert call.error(ENROL, enrol())[0] == Code.PERMISSION_DENIED
    assert call(GET, name="people").gallery.n_templates == len(ROWS)


def test_a_rate_is_kept_and_says_when_to_come_back(guarded: Guarded):
    """Two calls at once pass, the third is told when: at most the thousand seconds of its rate. Others are not held."""
    call = guarded.caller("slow")
    call(INFO)
    call(INFO)
    with pytest.raises(grpc.RpcError) as caught:
        call(INFO)
    said = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    details = {each.TypeName(): each for each in status_pb2.Status.FromString(said).details}
    retry = error_details_pb2.RetryInfo()

    assert caught.value.code() == Code.RESOURCE_EXHAUSTED
    assert details["google.rpc.RetryInfo"].Unpack(retry)
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 1000
    assert guarded.caller("search")(INFO).client == "search"


def test_each_refusal_is_in_the_audit_log(guarded: Guarded):
    """With the caller, where it is known, and the method; an unknown method is not spelled out."""
    for token, method, message in (
        ("guess", LIST, asked(LIST, "")),
        ("secret-search", COUNT, count_request()),
        ("secret-search", SEARCH, search(k=0)),
        ("secret-search", SEARCH, search(gallery="nowhere")),
    ):
        Caller(guarded.server, token=token).error(method, message)
    with pytest.raises(grpc.RpcError):
        guarded.caller("search").channel.unary_unary("/evil.Service/Name")(
            b"", timeout=WAIT_S, metadata=(("authorization", "Bearer secret-search"),)
        )
    told = [(line["client"], line["method"].rpartition("/")[2], line["outcome"]) for line in guarded.lines()]

    assert told[-5:] == [
        (None, "ListGalleries", "UNAUTHENTICATED"),
        ("search", "CountTiles", "PERMISSION_DENIED"),
        ("search", "Search", "INVALID_ARGUMENT"),
        ("search", "Search", "NOT_FOUND"),
        ("search", "unknown", "UNIMPLEMENTED"),
    ]
    assert "evil" not in json.dumps(guarded.lines())
    assert f"{len(told):,} lines, whole" in verify(guarded.data)


def test_no_secret_is_written_anywhere(guarded: Guarded):
    """Tokens, ids and components of templates are in no line of the audit log, no line of the log, and no message."""
    call, name, id_ = guarded.caller("admin"), f"marked-{next(NUMBERS)}", "MARKEDID"
    wrong = MARKED.copy()
    wrong[0, 0] = np.nan
    call(CREATE, name=name, dimension=DIMENSION)
    call(ENROL, enrol(gallery=name, templates=templates(MARKED), template_ids=[id_]))
    ids = search_pb2.Side(ids=search_pb2.TemplateIds(template_ids=[id_]))
    absent = search_pb2.Side(ids=search_pb2.TemplateIds(template_ids=[f"{id_}2"]))
    assert call(SEARCH, search(gallery=name, probes=templates(MARKED))).candidates[0].template_ids == [id_]
    call(COMPARE, gallery=name, a=ids, b=search_pb2.Side(templates=templates(MARKED)))
    refused = [
        call.error(ENROL, enrol(gallery=name, templates=ONE, template_ids=[id_])),
        call.error(ENROL, enrol(gallery=name, templates=templates(wrong), template_ids=[f"{id_}3"])),
        call.error(
            ENROL, enrol(gallery=name, templates=templates(np.vstack([MARKED, MARKED])), template_ids=[id_, id_])
        ),
        call.error(ENROL, enrol(gallery=name, templates=templates(MARKED), template_ids=[id_ * 40])),
        call.error(SEARCH, search(gallery=name, probes=templates(wrong))),
        call.error(SEARCH, search(gallery=name, probes=templates(MARKED, is_unit=True))),
        call.error(SEARCH, search(gallery=name, probes=templates(MARKED), k=21_000)),
        call.error(COMPARE, gallery=name, a=ids, b=absent),
        Caller(guarded.server, token="MARKEDTOKEN").error(LIST),
    ]
    call(REMOVE, gallery=name, template_ids=[id_])
    call(CREATE, name="the-last-call", dimension=DIMENSION)
    until(lambda: any("the-last-call" in line for line in guarded.server.errors))
    messages = " ".join(message for _, message in refused)
    written = {"audit": json.dumps(guarded.lines()), "log": "".join(guarded.server.errors), "messages": messages}

    assert all(name in text for text in (written["audit"], written["log"]))
    for where, text in written.items():
        assert [secret for secret in secrets() if secret in text] == [], where


def secrets() -> list[str]:
    """What must not be found, as it would look in text."""
    unit = (MARKED / np.linalg.norm(MARKED.astype(np.float64))).astype(np.float32)
    numbers = [np.format_float_positional(number, trim="-") for row in (MARKED, unit) for number in row.ravel()]
    dumps = [MARK[:4].decode(), MARK.hex()[:16], str(list(MARK[:4]))[1:-1], base64.b64encode(MARK[:12]).decode()]
    # Shorter ones may be a part of a time.
    return ["secret-", "MARKED", *dumps, *(number for number in numbers if len(number) > 8)]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs certificates that are good."""
    return trustme.CA()


def pem(folder: Path, name: str, certificate: trustme.LeafCert) -> tuple[Path, Path]:
    """Files of a certificate and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.cert_chain_pems[0].write_to_path(str(paths[0]))
    certificate.private_key_pem.write_to_path(str(paths[1]))
    return paths


def trusting(authority: trustme.CA, shown: trustme.LeafCert | None = None) -> grpc.ChannelCredentials:
    """Credentials of a client that trusts one authority, and may show a certificate."""
    root = authority.cert_pem.bytes()
    if shown is None:
        return grpc.ssl_channel_credentials(root)
    return grpc.ssl_channel_credentials(root, shown.private_key_pem.bytes(), shown.cert_chain_pems[0].bytes())


def client_certificate(authority: trustme.CA, name: str, **times: datetime.datetime) -> trustme.LeafCert:
    """A certificate of a client of this common name."""
    return authority.issue_cert(f"{name}@frbench.example", common_name=name, **times)


def test_certificates_name_callers_and_failed_handshakes_are_told_of(tmp_path: Path, authority: trustme.CA):
    """Each reason in a phrase; the server goes on, and a token that is shown must be right whatever the certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate, key = pem(tmp_path, "server", authority.issue_cert("127.0.0.1"))
    good, stranger = client_certificate(authority, "sweeper"), client_certificate(authority, "stranger")
    expired = client_certificate(authority, "sweeper", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    forged = client_certificate(trustme.CA(), "sweeper")
    text = tokens(slow='[[certificates]]\ncommon_name = "sweeper"\nscopes = ["count"]\n')
    options = ["--tls-cert", str(certificate), "--tls-key", str(key), "--client-ca", str(tmp_path / "ca.pem")]
    with running(*configured(tmp_path, text), *options, "--data", str(tmp_path / "data")) as server:
        call = Caller(server, tls=trusting(authority, good))
        assert (call(INFO).client, list(call(INFO).scopes)) == ("sweeper", ["count"])
        assert Caller(server, tls=trusting(authority, good), token="secret-search")(INFO).client == "search"
        for credentials, token in ((trusting(authority, good), "guess"), (trusting(authority, stranger), None)):
            assert Caller(server, tls=credentials, token=token).error(INFO)[0] == Code.UNAUTHENTICATED
        for credentials in (
            trusting(authority),
            trusting(authority, expired),
            trusting(authority, forged),
            trusting(trustme.CA(), good),
            None,
        ):
            assert Caller(server, tls=credentials).error(INFO)[0] == Code.UNAVAILABLE
        assert call(INFO).client == "sweeper"
        assert server.stop() == 0

    outcomes = {line["outcome"] for line in audited(tmp_path / "data") if line["method"] == "server/connection"}
    assert outcomes == {
        f"refused connection: {reason}"
        for reason in (
            "no client certificate",
            "certificate expired",
            "certificate of an unknown authority",
            "the client went away in the handshake",
            "not TLS",
        )
    }
    assert "whole" in verify(tmp_path / "data")


def test_tls_spoken_to_a_port_of_plain_text_is_refused(guarded: Guarded, authority: trustme.CA):
    """And the server goes on."""
    assert Caller(guarded.server, tls=trusting(authority), token="secret-search").error(INFO)[0] == Code.UNAVAILABLE
    assert guarded.caller("search")(INFO).client == "search"


def test_a_certificate_that_is_replaced_is_shown_to_the_next_connection(tmp_path: Path, authority: trustme.CA):
    """Without a new start; connections that stand are not ended, and a file that is none changes nothing."""
    other = trustme.CA()
    certificate, key = pem(tmp_path, "server", authority.issue_cert("127.0.0.1"))
    with running("--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        before = Caller(server, tls=trusting(authority))
        before(INFO)
        pem(tmp_path, "server", other.issue_cert("127.0.0.1"))

        assert Caller(server, tls=trusting(other))(INFO).client == "anonymous"
        assert Caller(server, tls=trusting(authority)).error(INFO)[0] == Code.UNAVAILABLE
        assert before(INFO).client == "anonymous"
        certificate.write_text("not a certificate")
        assert Caller(server, tls=trusting(other))(INFO).client == "anonymous"


def test_a_token_of_the_command_is_good_and_a_case_is_asked_for(tmp_path: Path):
    """What `frbench token` prints opens the server, whose searches must say why they are made; the log keeps it."""
    printed = CliRunner().invoke(app, ["token", "desk-4", "--scope", "search", "--scope", "enrol"]).output
    secret, entry = printed.splitlines()[1], printed[printed.index("[[tokens]]") :]
    data = tmp_path / "data"
    text = f"[audit]\nrequires_case_reference = true\n{entry}"
    with running(*configured(tmp_path, text), "--data", str(data)) as server:
        call = Caller(server, token=secret)
        fill(call, "people", ROWS, IDS)
        info = call(INFO)
        side = search_pb2.Side(templates=templates(PROBES))
        without = [call.error(SEARCH, search()), call.error(COMPARE, a=side, b=side)]
        call(SEARCH, search(case_reference="case 7/A"))
        call(COMPARE, a=side, b=side, case_reference="case 8")

    assert (info.client, info.limits.requires_case_reference) == ("desk-4", True)
    assert [code for code, _ in without] == [Code.INVALID_ARGUMENT] * 2
    assert all(message.startswith("case_reference") for _, message in without)
    assert [(line["outcome"], line["case_reference"]) for line in audited(data)[-4:]] == [
        ("INVALID_ARGUMENT", None),
        ("INVALID_ARGUMENT", None),
        ("OK", "case 7/A"),
        ("OK", "case 8"),
    ]
    assert all(line["client"] == "desk-4" for line in audited(data)[1:])


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_what_others_can_reach_needs_tls_and_callers(tmp_path: Path, authority: trustme.CA, is_encrypted: bool):
    """Neither alone is enough: the command ends with 2 and one sentence, before anything is listened on."""
    certificate, key = pem(tmp_path, "server", authority.issue_cert("127.0.0.1"))
    options = (
        ["--tls-cert", str(certificate), "--tls-key", str(key)] if is_encrypted else configured(tmp_path, tokens())
    )
    ended = subprocess.run(
        [*PROGRAM, "--listen", "0.0.0.0:0", *options], capture_output=True, text=True, timeout=WAIT_S, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert "0.0.0.0:0, which others can reach: expected tls and at least one of tokens and certificates" in ended.stderr
