"""The client: every call against a real server, and one sentence for whatever goes wrong."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import trustme

from frbench.engines.reference import ReferenceEngine
from frbench.errors import AlreadyOnServer, EngineUnavailable, InputError, NotOnServer, Refused, ServerBusy
from frbench.service.client import Client
from frbench.service.credentials import Credentials, address_of, token_of
from tests.worlds import servers, worlds

UNIT = worlds.unit_rows(np.random.default_rng(5).normal(size=(20, 8)))[0]
IDS = [f"t{i}" for i in range(len(UNIT))]


@pytest.fixture
def client(server: servers.Running) -> Iterator[Client]:
    """A client of the shared server, in which no gallery of a test is left."""
    with Client(server.target, timeout_s=60) as found:
        before = {gallery.name for gallery in found.galleries()}
        yield found
        for gallery in found.galleries():
            if gallery.name not in before:
                found.drop_gallery(gallery.name)


@pytest.mark.parametrize(
    ("target", "host_and_port", "is_encrypted"),
    [
        ("grpc://127.0.0.1:7443", "127.0.0.1:7443", False),
        ("grpc://localhost:1", "localhost:1", False),
        ("grpc://[::1]:7443", "[::1]:7443", False),
        ("grpcs://match.example:443", "match.example:443", True),
    ],
)
def test_a_target_says_where_and_whether_it_is_encrypted(target: str, host_and_port: str, is_encrypted: bool):
    """grpc is plain text, grpcs is TLS."""
    assert address_of(target) == (host_and_port, is_encrypted)


@pytest.mark.parametrize(
    "target",
    ["", "cpu", "127.0.0.1:7443", "grpc://", "grpc://127.0.0.1", "grpc://h:x", "grpc://127.0.0.1:0", "http://h:1",
     "grpc://127.0.0.1:1/x", "grpc://a@127.0.0.1:1", "grpc://127.0.0.1:99999", "grpc://[::1:1"],
)  # fmt: skip
def test_what_is_no_target_is_refused(target: str):
    """The message shows what was expected."""
    with pytest.raises(InputError, match=r"no server; expected grpc://HOST:PORT or grpcs://HOST:PORT"):
        address_of(target)


@pytest.mark.parametrize("host", ["10.0.0.7", "match.example", "localhost.example", "[2001:db8::1]"])
def test_templates_do_not_travel_in_plain_text_to_another_machine(host: str):
    """The message names the encrypted target."""
    with pytest.raises(InputError, match="plain text to another machine; use grpcs://"):
        Client(f"grpc://{host}:7443")


def test_half_of_a_certificate_and_no_token_at_all_are_refused(tmp_path: Path):
    """A certificate needs its key; an empty token is none; a file that is not there is named."""
    with pytest.raises(InputError, match="both or neither"):
        Credentials(certificate=tmp_path / "c.pem")
    with pytest.raises(InputError, match="token is empty"):
        Credentials(token="")
    with pytest.raises(InputError, match=r"nothing\.txt: cannot read the token"):
        token_of(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match=r"ca\.pem: cannot read the authority"):
        Client("grpcs://127.0.0.1:1", credentials=Credentials(ca=tmp_path / "ca.pem"))
    with pytest.raises(InputError, match="plain text, where certificates mean nothing"):
        Client("grpc://127.0.0.1:1", credentials=Credentials(ca=tmp_path / "ca.pem"))


def test_a_token_comes_from_a_file_or_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file is stronger; the end of its line is no part of the token."""
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("FRBENCH_TOKEN", "from-environment")

    assert token_of(tmp_path / "token") == "from-file"
    assert token_of(None) == "from-environment"
    monkeypatch.setenv("FRBENCH_TOKEN", "")
    assert token_of(None) is None


def test_a_gallery_is_made_filled_emptied_and_dropped(client: Client):
    """Numbers of every answer are those of what was done."""
    made = client.create_gallery("life", 8, is_ephemeral=True)
    assert (made.name, made.dimension, made.n_templates, made.is_ephemeral) == ("life", 8, 0, True)

    first, again = client.enrol("life", UNIT, IDS), client.enrol("life", UNIT[:3], IDS[:3])
    assert (first.n_enrolled, first.n_present, first.gallery.n_templates) == (20, 0, 20)
    assert (again.n_enrolled, again.n_present, again.gallery.n_templates) == (0, 3, 20)

    removed = client.remove("life", ["t0", "t1", "nobody"])
    assert (removed.n_removed, removed.n_absent, removed.gallery.n_templates) == (2, 1, 18)
    assert client.gallery("life") == removed.gallery
    assert removed.gallery in client.galleries()

    assert client.drop_gallery("life").n_templates == 18
    with pytest.raises(NotOnServer, match="life"):
        client.gallery("life")


def test_searches_and_comparisons_are_those_of_the_definition(client: Client):
    """Best candidates, counts at thresholds and floors, and scores of pairs, bit for bit."""
    client.create_gallery("exact", 8, is_ephemeral=True)
    client.enrol("exact", UNIT, IDS, is_unit=True)
    oracle = ReferenceEngine().rows(UNIT)
    best, at, _ = oracle.search(oracle, 4)
    scores = oracle.score_pairs(oracle, np.arange(20), np.arange(20)[::-1].copy())

    found = client.search("exact", UNIT, 4, is_unit=True)
    assert np.stack([each.scores for each in found.candidates]).tobytes() == best.tobytes()
    assert [each.rows.tolist() for each in found.candidates] == at.tolist()
    assert found.candidates[3].template_ids == tuple(f"t{row}" for row in at[3])
    assert found.candidates[0].at_or_above is None

    floors = best[:, 2].copy()
    counted = client.search("exact", UNIT, 1, floors=floors, rows_only=True, is_unit=True).candidates
    assert [each.at_or_above for each in counted] == oracle.search(oracle, 1, floors=floors)[2].tolist()
    assert [each.template_ids for each in counted] == [()] * 20

    above = client.search("exact", UNIT[:1], 0, threshold=float(best[0, 3]), is_unit=True).candidates[0]
    assert above.scores.tobytes() == best[0].tobytes()
    assert above.at_or_above == 4

    backwards = list(reversed(range(20)))
    by_id = client.compare(IDS, [IDS[i] for i in backwards], gallery="exact")
    by_row = client.compare(np.arange(20), np.array(backwards), gallery="exact")
    by_template = client.compare(UNIT, UNIT[backwards], is_unit=True)
    assert by_id.tobytes() == by_row.tobytes() == by_template.tobytes() == scores.tobytes()


def test_a_server_says_what_it_is(client: Client):
    """Version, kernel, threads, limits and the scopes of the caller."""
    found = client.info()

    assert found.threads == 1
    assert found.kernel
    assert found.limits.k > 0
    assert "admin" in found.scopes


def test_a_refusal_is_the_sentence_of_the_server(client: Client):
    """What is twice there or not there has classes of its own; everything else names the field."""
    client.create_gallery("twice", 8, is_ephemeral=True)

    with pytest.raises(AlreadyOnServer, match="twice"):
        client.create_gallery("twice", 8)
    with pytest.raises(NotOnServer, match="nothing"):
        client.search("nothing", UNIT, 1)
    with pytest.raises(Refused, match="dimension"):
        client.search("twice", UNIT[:, :3].copy(), 1)
    with pytest.raises(Refused, match="name"):
        client.create_gallery("No Such Name", 8)


def test_a_server_that_is_not_there_is_named():
    """Nobody listens at the port: one sentence says which target, and why."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"grpc://127.0.0.1:{taken.getsockname()[1]}"
        with Client(target) as nobody, pytest.raises(EngineUnavailable, match=f"{target} cannot be reached .*refused"):
            nobody.info()


def test_another_server_than_frbench_is_told_apart():
    """A gRPC server without these calls is no frbench."""
    other = grpc.server(futures.ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    with Client(f"grpc://127.0.0.1:{port}") as stranger, pytest.raises(Refused, match="no `frbench serve`"):
        stranger.info()
    other.stop(None)


def test_a_server_that_does_not_answer_is_not_waited_for_longer_than_was_said():
    """A process that stands still keeps its connections: the deadline ends the call."""
    with servers.running() as still, Client(still.target, timeout_s=0.5) as hasty:
        hasty.info()
        still.freeze()
        with pytest.raises(EngineUnavailable, match=f"{still.target} did not answer in time"):
            hasty.info()


def test_calls_on_a_closed_client_are_refused(server: servers.Running):
    """Whoever closes a client while another thread uses it gets a sentence, not a trace."""
    closed = Client(server.target)
    closed.close()

    with pytest.raises(EngineUnavailable, match="closed"):
        closed.info()


def token(name: str, scopes: str, more: str = "") -> str:
    """An entry of a configuration for the token `secret-NAME`."""
    digest = hashlib.sha256(f"secret-{name}".encode()).hexdigest()
    return f'[[tokens]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = [{scopes}]\n{more}\n'


def test_tokens_open_what_their_scopes_say(tmp_path: Path):
    """None and unknown ones are refused, a search may not enrol, and the server knows the name."""
    text = token("gate", '"search"') + token("clerk", '"enrol"')
    with servers.running(*servers.configured(tmp_path, text)) as locked:

        def of(secret: str | None) -> Client:
            return Client(locked.target, credentials=Credentials(token=secret))

        for secret in (None, "secret-nobody"):
            with of(secret) as stranger, pytest.raises(Refused):
                stranger.info()
        with of("secret-gate") as gate, of("secret-clerk") as clerk:
            assert (gate.info().client, list(gate.info().scopes)) == ("gate", ["search"])
            clerk.create_gallery("g", 8)
            clerk.enrol("g", UNIT, IDS)
            assert len(gate.search("g", UNIT[:1], 3).candidates[0].scores) == 3
            with pytest.raises(Refused, match="enrol"):
                gate.create_gallery("h", 8)


def test_a_client_that_calls_too_often_is_told_when_to_come_back(tmp_path: Path):
    """One call a minute: the second is refused, with the seconds until the next."""
    text = token("slow", '"search"', "rate_per_s = 0.0167\nburst = 1")
    with (
        servers.running(*servers.configured(tmp_path, text)) as limited,
        Client(limited.target, credentials=Credentials(token="secret-slow")) as slow,
    ):
        slow.info()
        with pytest.raises(ServerBusy) as refused:
            slow.info()
        assert 0 < refused.value.retry_s <= 60


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """An authority, with its certificate in ca.pem and one of a server in server.pem and server.key."""
    found = trustme.CA()
    found.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, issued in (
        ("server", found.issue_cert("127.0.0.1")),
        ("sweeper", found.issue_cert(common_name="sweeper")),
    ):
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    return found


@pytest.mark.usefixtures("authority")
def test_an_encrypted_server_is_known_by_its_authority(tmp_path: Path):
    """With the authority the call is answered; without it, or in plain text, the server is not reached."""
    options = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with servers.running(*options) as encrypted:
        target = f"grpcs://{encrypted.ready['address']}"
        with Client(target, credentials=Credentials(ca=tmp_path / "ca.pem")) as trusting:
            assert trusting.info().threads == 1
        with Client(target) as doubting, pytest.raises(EngineUnavailable, match="cannot be reached"):
            doubting.info()
        with Client(encrypted.target) as plain, pytest.raises(EngineUnavailable):
            plain.info()


@pytest.mark.usefixtures("authority")
def test_a_server_that_wants_certificates_knows_callers_by_them(tmp_path: Path):
    """The common name says who calls and what for; without a certificate there is no connection."""
    text = '[[certificates]]\ncommon_name = "sweeper"\nscopes = ["count"]\n'
    options = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    options += ("--client-ca", str(tmp_path / "ca.pem"), *servers.configured(tmp_path, text))
    own = Credentials(ca=tmp_path / "ca.pem", certificate=tmp_path / "sweeper.pem", key=tmp_path / "sweeper.key")
    with servers.running(*options) as mutual:
        target = f"grpcs://{mutual.ready['address']}"
        with Client(target, credentials=own) as known:
            assert (known.info().client, list(known.info().scopes)) == ("sweeper", ["count"])
        with Client(target, credentials=Credentials(ca=own.ca)) as unknown, pytest.raises(EngineUnavailable):
            unknown.info()
