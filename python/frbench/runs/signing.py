"""Signs a run: one statement binds the page, the counts, the results, the manifest and the inputs of a run.

`signature.json` is one line of canonical JSON (sorted keys, no spaces, ASCII): the statement, and an Ed25519 signature
(RFC 8032) of `CONTEXT` and the canonical JSON of the statement alone. Keys are PEM files, as openssl makes and reads.
The statement lists every file of the run directory, so that one that is changed, missing or added is named.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from frbench import files
from frbench.errors import FormatError, InputError, OutputError, Tampered
from frbench.files import SIGNATURE

SCHEMA = "frbench.signature"
VERSION = 1
CONTEXT = b"frbench.signature.v1\n"
PARTS = ("report.html", "results.json", "manifest.json", "tally.safetensors")
ENTRIES = {"schema", "schema_version", "frbench", "plan", "signed", "signer", "public_key", "files", "inputs"}


@dataclass(frozen=True)
class Signed:
    """A run that is as it was signed: its statement, and how many of its files and inputs were looked at."""

    statement: Mapping[str, Any]
    n_files: int
    n_inputs: int

    def to_json(self) -> dict[str, Any]:
        """This as JSON holds it."""
        return {"statement": dict(self.statement), "files_checked": self.n_files, "inputs_checked": self.n_inputs}


def make_keys(path: Path) -> Path:
    """Writes a new private key to `path`, for its owner alone, and the public key to `path`.pub, which is returned.

    Raises
    ------
    OutputError : one of them exists, or cannot be written.
    """
    public = path.with_name(f"{path.name}.pub")
    if taken := next((p for p in (path, public) if p.exists()), None):
        raise OutputError(f"{taken} exists, and a key that was used must not be lost; choose another name")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    files.write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key in `path`.

    Raises
    ------
    InputError : there is no such file, or it holds no Ed25519 private key without a passphrase.
    """
    raw = _read(path)
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError as error:
        raise InputError(f"{path} is locked with a passphrase, expected a key without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path} holds no private key in PEM; make one with `frbench report keygen`") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} holds a key of another kind, expected Ed25519; make one with `frbench report keygen`")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """The public key in `path`.

    Raises
    ------
    InputError : there is no such file, or it holds no Ed25519 public key.
    """
    raw = _read(path)
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path} holds no public key in PEM, expected the .pub file of the signer") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} holds a key of another kind, expected Ed25519: the .pub file of the signer")
    return key


def sign(run: Path, key: Ed25519PrivateKey, *, signer: str, signed: str, frbench: str) -> dict[str, Any]:
    """The statement of all files in the directory `run`, which is written there with its signature.

    Parameters
    ----------
    signer : who signs, in words; "" if nobody says. signed : when, ISO 8601. frbench : version of this program.

    Raises
    ------
    InputError : a part of the run is missing, or lies outside the directory.
    """
    if missing := [name for name in PARTS if not (run / name).is_file()]:
        raise InputError(f"{run} lacks {', '.join(missing)}: only a finished run with its page can be signed")
    manifest = files.read_json(run / "manifest.json", schema="frbench.manifest")
    statement = {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "frbench": frbench,
        "plan": manifest["plan"],
        "signed": signed,
        "signer": signer,
        "public_key": fingerprint(key.public_key()),
        "files": [_described(run, path) for path in _files_of(run)],
        "inputs": [{"path": s["path"], "sha256": s["sha256"]} for s in manifest["inputs"]],
    }
    signature = base64.b64encode(key.sign(CONTEXT + canonical(statement))).decode()
    files.write(run / SIGNATURE, canonical({"statement": statement, "signature": signature}) + b"\n")
    return statement


def verify(run: Path, key: Ed25519PublicKey, *, checks_inputs: bool = False) -> Signed:
    """What was signed, if the directory `run` is still as it was signed with the private key of `key`.

    checks_inputs : whether the inputs that the statement names are read again, from where they lay.

    Raises
    ------
    Tampered : not signed, signed with another key, the statement is damaged, or a file was changed, removed or added;
        the message names it.
    FormatError : a statement of another version.
    """
    statement, signature = _read_statement(run)
    try:
        key.verify(signature, CONTEXT + canonical(statement))
    except InvalidSignature as error:
        raise Tampered(_unverified(run, statement, key)) from error
    _check_files(run, statement["files"])
    if checks_inputs:
        for source in statement["inputs"]:
            _check_input(source)
    return Signed(statement, len(statement["files"]), len(statement["inputs"]) if checks_inputs else 0)


def fingerprint(key: Ed25519PublicKey) -> str:
    """The 32 bytes of a public key in base64."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def canonical(values: Mapping[str, Any]) -> bytes:
    """The one way to write these JSON values: keys sorted, no spaces, ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _read_statement(run: Path) -> tuple[dict[str, Any], bytes]:
    if not run.is_dir():
        raise InputError(f"{run} is not a directory, expected a run that was signed with `frbench report --sign`")
    path = run / SIGNATURE
    if not path.is_file():
        raise Tampered(f"{run} is not signed: it has no {SIGNATURE}")
    raw = _read(path)
    try:
        whole = json.loads(raw)
        statement, signature = whole["statement"], base64.b64decode(whole["signature"], validate=True)
        version, is_canonical = statement["schema_version"], raw == canonical(whole) + b"\n"
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Tampered(f"{path} is damaged: it is not a signed statement") from error
    if version != VERSION:
        raise FormatError(f"{path} has version {version}, expected {VERSION}; use the release that signed it")
    if set(statement) != ENTRIES or set(whole) != {"statement", "signature"} or not is_canonical:
        raise Tampered(f"{path} is damaged: it is not as a signer writes it")
    return statement, signature


def _unverified(run: Path, statement: Mapping[str, Any], key: Ed25519PublicKey) -> str:
    if statement["public_key"] != fingerprint(key):
        return f"{run} was not signed with this key: it names {statement['public_key']!r}, got {fingerprint(key)!r}"
    return f"{run / SIGNATURE} was changed after it was signed: its signature does not fit"


def _check_files(run: Path, signed: Sequence[Mapping[str, Any]]) -> None:
    expected = {each["name"]: each for each in signed}
    found = {_name(run, path): path for path in _files_of(run)}
    if missing := sorted(set(expected) - set(found)):
        raise Tampered(f"{run} is not as it was signed: {', '.join(missing)} is missing")
    if changed := [name for name, each in expected.items() if _described(run, found[name]) != each]:
        raise Tampered(f"{run} is not as it was signed: {', '.join(sorted(changed))} was changed")
    if added := sorted(set(found) - set(expected)):
        raise Tampered(f"{run} is not as it was signed: {', '.join(added)} was added")


def _check_input(source: Mapping[str, Any]) -> None:
    path = Path(source["path"])
    if not path.is_file():
        raise Tampered(f"the input {path} is missing; without --inputs the run is verified alone")
    if _sha256(path) != source["sha256"]:
        raise Tampered(f"the input {path} was changed since it was counted")


def _files_of(run: Path) -> list[Path]:
    """All files of a run but its signature; a link may point outside, and so is none."""
    found = [path for path in sorted(run.rglob("*")) if path.is_symlink() or not path.is_dir()]
    if link := next((path for path in found if path.is_symlink() or not path.is_file()), None):
        raise InputError(f"{link} is a link or no plain file, expected only files in a signed run")
    return [path for path in found if path != run / SIGNATURE]


def _described(run: Path, path: Path) -> dict[str, Any]:
    return {"name": _name(run, path), "bytes": path.stat().st_size, "sha256": _sha256(path)}


def _name(run: Path, path: Path) -> str:
    return path.relative_to(run).as_posix()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
