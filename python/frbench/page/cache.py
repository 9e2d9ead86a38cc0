"""Keeps texts that take long to make and never change, for other processes of the same user.

A file is its SHA-256 in hexadecimal, a line, and then the text. One that is missing, damaged or not the user's alone to
write is made again; where nothing can be kept, nothing is.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from frbench import files
from frbench.errors import OutputError

OTHERS_WRITE = 0o022
OWN = 0o600


def kept(name: str, key: tuple[str, ...], make: Callable[[], str]) -> str:
    """What `make` returns, or returned before in another process.

    name : of the text, for whoever looks into the directory. key : everything that the text depends on.
    """
    directory = _directory()
    if directory is None:
        return make()
    path = directory / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}"
    text = _read(path)
    if text is None:
        text = make()
        _write(path, text)
    return text


def _directory() -> Path | None:
    """Where files of this program are kept; None for a user without a home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # An address that is not absolute is to be ignored: XDG Base Directory Specification 0.8.
    if named.is_absolute():
        return named / "frbench"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "frbench"


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if state.st_uid != os.getuid() or state.st_mode & OTHERS_WRITE:
                return None
            digest, _, text = file.read().partition(b"\n")
            return text.decode() if hashlib.sha256(text).hexdigest().encode() == digest else None
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    encoded = text.encode()
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.remove_torn(path.parent)
        files.write(path, hashlib.sha256(encoded).hexdigest().encode() + b"\n" + encoded)
        path.chmod(OWN)
