"""Signing: a run that is as it was signed, and each way in which it is not."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from frbench.errors import FormatError, InputError, OutputError, Tampered
from frbench.runs import signing
from tests.worlds.worlds import FEW

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WHEN = "2026-01-01T00:00:00+00:00"


def run(directory: Path) -> Path:
    """A run directory of one input, signed."""
    directory.mkdir()
    source = directory.parent / "templates.npy"
    source.write_bytes(b"rows")
    manifest = {
        "schema": "frbench.manifest",
        "plan": "ab",
        "inputs": [{"path": str(source), "sha256": signing._sha256(source), "rows": 1}],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    for name in ("report.html", "results.json", "tally.safetensors"):
        (directory / name).write_text(f"what {name} says")
    signing.sign(directory, KEY, signer="an auditor", signed=WHEN, frbench="1.0")
    return directory


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A signed run."""
    return run(tmp_path / "run")


def test_a_signed_run_is_as_it_was_signed(signed: Path):
    """Four files, one input that was not looked at, and what the signer said."""
    found = signing.verify(signed, KEY.public_key())

    assert (4, 0) == (found.n_files, found.n_inputs)
    assert ("an auditor", WHEN, "ab") == tuple(found.statement[name] for name in ("signer", "signed", "plan"))
    assert ["manifest.json", "report.html", "results.json", "tally.safetensors"] == [
        each["name"] for each in found.statement["files"]
    ]


def test_equal_runs_have_equal_statements(tmp_path: Path):
    """Ed25519 needs no randomness, and JSON is written in one way."""
    a, b = (run(tmp_path / name) for name in ("a", "b"))

    assert (a / "signature.json").read_bytes() == (b / "signature.json").read_bytes()


def test_the_signature_is_plain_ed25519_of_what_the_module_says(signed: Path):
    """Another program can check it: the context line, then the statement in canonical JSON."""
    whole = json.loads((signed / "signature.json").read_text())
    text = json.dumps(whole["statement"], sort_keys=True, separators=(",", ":")).encode()
    signature = signing.base64.b64decode(whole["signature"])

    KEY.public_key().verify(signature, b"frbench.signature.v1\n" + text)
    with pytest.raises(InvalidSignature):
        OTHER.public_key().verify(signature, b"frbench.signature.v1\n" + text)


@pytest.mark.parametrize("name", ["manifest.json", "report.html", "results.json", "tally.safetensors"])
def test_a_changed_file_is_named(signed: Path, name: str):
    """One byte is enough, in any of them."""
    (signed / name).write_bytes((signed / name).read_bytes()[:-1] + b"!")

    with pytest.raises(Tampered, match=rf"{name} was changed$") as refusal:
        signing.verify(signed, KEY.public_key())
    assert 1 == refusal.value.exit_code


def test_a_missing_file_is_named(signed: Path):
    """A page that was taken away."""
    (signed / "report.html").unlink()

    with pytest.raises(Tampered, match=r"report\.html is missing$"):
        signing.verify(signed, KEY.public_key())


def test_an_added_file_is_named(signed: Path):
    """Also below the directory."""
    (signed / "more").mkdir()
    (signed / "more" / "page.html").write_text("a better report")

    with pytest.raises(Tampered, match=r"more/page\.html was added$"):
        signing.verify(signed, KEY.public_key())


def test_a_link_is_no_file_of_a_run(signed: Path):
    """What it points to can change behind it."""
    (signed / "link").symlink_to(signed.parent / "templates.npy")

    with pytest.raises(InputError, match="link is a link"):
        signing.verify(signed, KEY.public_key())


def test_a_run_without_a_signature_fails(signed: Path):
    """Taking the signature away is no way around it."""
    (signed / "signature.json").unlink()

    with pytest.raises(Tampered, match="is not signed"):
        signing.verify(signed, KEY.public_key())


def test_another_key_is_refused(signed: Path):
    """The message names the key that signed, and the one that was given."""
    with pytest.raises(Tampered, match="not signed with this key") as refusal:
        signing.verify(signed, OTHER.public_key())
    assert signing.fingerprint(KEY.public_key()) in str(refusal.value)
    assert signing.fingerprint(OTHER.public_key()) in str(refusal.value)


def edited(signed: Path, change: Callable[[dict], None]) -> None:
    """Changes the statement and writes it as a signer would."""
    path = signed / "signature.json"
    whole = json.loads(path.read_text())
    change(whole)
    path.write_bytes(signing.canonical(whole) + b"\n")


def test_a_statement_that_fits_changed_files_fails(signed: Path):
    """Who changes a file and its digest lacks the key."""
    (signed / "report.html").write_text("a better report")
    described = signing._described(signed, signed / "report.html")
    edited(signed, lambda whole: whole["statement"]["files"].__setitem__(1, described))

    with pytest.raises(Tampered, match=r"signature\.json was changed after it was signed"):
        signing.verify(signed, KEY.public_key())


def test_a_signature_by_another_key_under_this_name_fails(signed: Path):
    """The name of the key in the statement proves nothing."""
    signing.sign(signed, OTHER, signer="", signed=WHEN, frbench="1.0")
    edited(signed, lambda whole: whole["statement"].update(public_key=signing.fingerprint(KEY.public_key())))

    with pytest.raises(Tampered, match="its signature does not fit"):
        signing.verify(signed, KEY.public_key())


def test_another_version_is_said(signed: Path):
    """A mistake of the reader, not of the run: exit code 2."""
    edited(signed, lambda whole: whole["statement"].update(schema_version=7))

    with pytest.raises(FormatError, match="has version 7, expected 1") as refusal:
        signing.verify(signed, KEY.public_key())
    assert 2 == refusal.value.exit_code


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"no json", b"\xff\xfe", b'{"statement": 1, "signature": ""}', b"[" * 100_000, b"NaN"],
    ids=["empty", "object", "list", "text", "bytes", "number", "deep", "nan"],
)
def test_what_is_no_statement_is_damaged(signed: Path, raw: bytes):
    """Whatever stands in the file, one sentence says so."""
    (signed / "signature.json").write_bytes(raw)

    with pytest.raises(Tampered, match="is damaged"):
        signing.verify(signed, KEY.public_key())


def test_the_same_statement_written_otherwise_is_damaged(signed: Path):
    """There is one way to write it, so that all readers read the same."""
    path = signed / "signature.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))

    with pytest.raises(Tampered, match="is damaged: it is not as a signer writes it"):
        signing.verify(signed, KEY.public_key())


@FEW
@given(place=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255))
def test_no_byte_of_the_signature_can_change(tmp_path_factory: pytest.TempPathFactory, place: float, flipped: int):
    """Each byte of the statement and of the signature is bound."""
    signed = run(tmp_path_factory.mktemp("any") / "run")
    path = signed / "signature.json"
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= flipped
    path.write_bytes(raw)

    with pytest.raises((Tampered, FormatError)):
        signing.verify(signed, KEY.public_key())


def test_a_changed_or_missing_input_is_named_when_asked_for(signed: Path):
    """Without being asked, the run is verified alone: an auditor may not have the templates."""
    source = signed.parent / "templates.npy"
    assert 1 == signing.verify(signed, KEY.public_key(), checks_inputs=True).n_inputs

    source.write_bytes(b"rowS")
    signing.verify(signed, KEY.public_key())
    with pytest.raises(Tampered, match=r"templates\.npy was changed since it was counted"):
        signing.verify(signed, KEY.public_key(), checks_inputs=True)
    source.unlink()
    with pytest.raises(Tampered, match=r"templates\.npy is missing"):
        signing.verify(signed, KEY.public_key(), checks_inputs=True)


def test_only_a_whole_run_is_signed(signed: Path):
    """The page is a part of it."""
    (signed / "report.html").unlink()

    with pytest.raises(InputError, match=r"lacks report\.html"):
        signing.sign(signed, KEY, signer="", signed=WHEN, frbench="1.0")


def test_keys_are_made_once_and_for_their_owner(tmp_path: Path):
    """The private one is readable by its owner alone, and neither is written over."""
    public = signing.make_keys(tmp_path / "key")
    key = signing.read_private(tmp_path / "key")

    assert signing.fingerprint(signing.read_public(public)) == signing.fingerprint(key.public_key())
    assert 0o600 == stat.S_IMODE((tmp_path / "key").stat().st_mode)
    with pytest.raises(OutputError, match="exists"):
        signing.make_keys(tmp_path / "key")
    (tmp_path / "key").unlink()
    with pytest.raises(OutputError, match=r"key\.pub exists"):
        signing.make_keys(tmp_path / "key")


def test_what_is_no_key_is_refused(tmp_path: Path):
    """No file, no key, the other half, another kind, a locked one."""
    public = signing.make_keys(tmp_path / "key")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    elliptic = generate_private_key(SECP256R1())
    (tmp_path / "ec").write_bytes(elliptic.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    (tmp_path / "locked").write_bytes(KEY.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"x")))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "ec.pub").write_bytes(elliptic.public_key().public_bytes(pem, spki))

    for path, words in ((public, "no private key"), (tmp_path / "none", "cannot read"), (tmp_path / "ec", "another")):
        with pytest.raises(InputError, match=words):
            signing.read_private(path)
    with pytest.raises(InputError, match="locked with a passphrase"):
        signing.read_private(tmp_path / "locked")
    for path, words in ((tmp_path / "key", "no public key"), (tmp_path / "ec.pub", "another kind")):
        with pytest.raises(InputError, match=words):
            signing.read_public(path)
