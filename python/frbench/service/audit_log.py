"""Verifies that the lines of a server's audit log are all there, as it wrote them.

Each line holds its number and the SHA-256 of the line before. Nothing of the server is used here: what it wrote is
judged by other code. A chain alone does not show that its end was cut off or that its last line was changed: the head
file beside the log does, and a hash that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from frbench.errors import InputError, Tampered

ZEROS = "0" * 64
# No line of the log is longer; what is longer was not written by a server.
LONGEST_LINE = 1 << 16


@dataclass(frozen=True)
class Verified:
    """A log that is whole: lines, times of the first and last line, hash of the last, lines that no head covers."""

    lines: int
    first: str | None
    last: str | None
    head: str
    unanchored: int


def verify(path: Path, *, anchor: str | None = None) -> Verified:
    """Lines, times and hash of the log at `path`, if it is whole.

    Parameters
    ----------
    anchor : hash of one of its lines, 64 hexadecimal digits, that was kept elsewhere; that line must be there.

    Raises
    ------
    Tampered : a line was changed, removed, added or moved, or is torn; the message names the first that does not fit.
    InputError : there is no such file, or the anchor is no hash.
    """
    if anchor is not None and (len(anchor) != 64 or set(anchor) - set("0123456789abcdef")):
        raise InputError(f"--head is {anchor!r}, expected the 64 hexadecimal digits that a verification printed")
    # Read first: a server that runs may add lines after it.
    known, hash_of_last = _head(path)
    lines, before, is_found, first, last = 0, ZEROS, anchor is None, None, None
    try:
        with path.open("rb") as file:
            for n, line in enumerate(_lines(path, file)):
                last = _time(path, n, line, before)
                before = hashlib.sha256(line).hexdigest()
                if n == known - 1 and before != hash_of_last:
                    raise Tampered(
                        f"{path}: line {n} is not the one that the head file knows; it or one before changed"
                    )
                first, is_found, lines = first or last, is_found or before == anchor, n + 1
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected the audit log of a server") from None
    if known > lines:
        raise Tampered(f"{path}: {lines} lines, and the head file knows {known}; lines were removed from the end")
    if not is_found:
        raise Tampered(f"{path}: no line has the hash {anchor}; lines were removed or changed since it was kept")
    return Verified(lines, first, last, before, lines - known)


def _head(path: Path) -> tuple[int, str]:
    """Lines that the head file beside a log knows, and the hash of the last of them; 0 without such a file."""
    beside = path.with_name(f"{path.name}.head")
    try:
        text = beside.read_bytes()
    except FileNotFoundError:
        return 0, ""
    except OSError as error:
        raise InputError(f"{beside}: {error.strerror}") from None
    read = _object(text)
    if read is None or read.keys() != {"lines", "hash"}:
        raise Tampered(f"{beside}: not a head file, expected lines and hash")
    if type(read["lines"]) is not int or type(read["hash"]) is not str:
        raise Tampered(f"{beside}: not a head file, expected a number of lines and a hash")
    return read["lines"], read["hash"]


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Lines without their newlines, one in memory at a time."""
    n = 0
    while line := file.readline(LONGEST_LINE + 1):
        if not line.endswith(b"\n"):
            what = "is too long for an audit log" if len(line) > LONGEST_LINE else "is torn: it has no end"
            raise Tampered(f"{path}: line {n} {what}")
        yield line[:-1]
        n += 1


def _time(path: Path, n: int, line: bytes, before: str) -> str:
    """Time of a line that fits the lines before it."""
    read = _object(line)
    if read is None or not isinstance(read.get("time"), str) or type(read.get("n")) is not int:
        raise Tampered(f"{path}: line {n} was changed: it is no line of an audit log")
    found = read["n"]
    if found != n:
        what = "removed" if found > n else "added"
        raise Tampered(f"{path}: in the place of line {n} stands line {found}; lines were {what} or moved")
    if read.get("prev") != before:
        what = "it was changed" if n == 0 else f"line {n - 1} or it was changed"
        raise Tampered(f"{path}: line {n} does not hold the hash of the line before; {what}")
    return str(read["time"])


def _object(text: bytes) -> dict[str, Any] | None:
    """A JSON object, or nothing."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
