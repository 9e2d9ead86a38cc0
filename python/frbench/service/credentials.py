"""Says where a server is, who calls it and whom the caller trusts, before anything is called."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from frbench.errors import InputError

PLAIN, TLS = "grpc", "grpcs"
ENVIRONMENT = "FRBENCH_TOKEN"


@dataclass(frozen=True)
class Credentials:
    """Who calls, and whom the caller trusts.

    Parameters
    ----------
    token : shown with every call.
    ca : authorities that sign servers, PEM; None trusts those of the system.
    certificate, key : of the caller, PEM, both or neither.
    """

    token: str | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InputError("a certificate needs its key and a key its certificate; give both or neither")
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise InputError("the token is empty or holds characters that no token has; give the line that was issued")

    @property
    def has_files(self) -> bool:
        """Whether certificates or keys are given, which only TLS can use."""
        return any(path is not None for path in (self.ca, self.certificate, self.key))


ANYBODY = Credentials()


def token_of(file: Path | None) -> str | None:
    """The token in a file, or that of FRBENCH_TOKEN if there is no file; InputError if it cannot be read."""
    token = os.environ.get(ENVIRONMENT) or None
    if file is not None:
        token = content(file, "token").decode(errors="replace")
    return None if token is None else token.strip()


class Address(NamedTuple):
    """Where a server is, and whether it is spoken to through TLS."""

    host_and_port: str
    is_encrypted: bool


def address_of(target: str) -> Address:
    """Host and port of a target, and whether TLS is spoken there.

    Raises
    ------
    InputError : not grpc://HOST:PORT or grpcs://HOST:PORT, or plain text to another machine.
    """
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.scheme not in (PLAIN, TLS) or parts.path or parts.query or parts.username:
        raise InputError(f"'{target}' is no server; expected grpc://HOST:PORT or grpcs://HOST:PORT")
    if parts.scheme == PLAIN and not _is_here(host):
        raise InputError(
            f"{target}: templates do not travel in plain text to another machine; use {TLS}://{parts.netloc}"
        )
    return Address(parts.netloc, parts.scheme == TLS)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def content(path: Path, what: str) -> bytes:
    """The bytes of a file of credentials; `what` it is, for the sentence of an InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the {what} ({error.strerror})") from error
