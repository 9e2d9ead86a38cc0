"""Audit log: every change of one is found, and a whole one is not accused."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.errors import InputError, Tampered
from frbench.service.audit_log import ZEROS, verify


def chain(cases: list[str]) -> list[bytes]:
    """Lines of a log of these case references, without newlines."""
    lines: list[bytes] = []
    prev = ZEROS
    for n, case in enumerate(cases):
        line = {"time": f"2026-01-01T00:00:{n % 60:02}.000000Z", "n": n, "case_reference": case, "prev": prev}
        lines.append(json.dumps(line, separators=(",", ":")).encode())
        prev = hashlib.sha256(lines[-1]).hexdigest()
    return lines


def write(path: Path, text: bytes, head: list[bytes] | None = None) -> Path:
    """A log, and its head file after the lines `head`."""
    path.write_bytes(text)
    if head is not None:
        digest = hashlib.sha256(head[-1]).hexdigest()
        path.with_name(f"{path.name}.head").write_text(json.dumps({"lines": len(head), "hash": digest}) + "\n")
    return path


def joined(lines: list[bytes]) -> bytes:
    """Lines as a file holds them."""
    return b"".join(line + b"\n" for line in lines)


@contextmanager
def log(text: bytes, head: list[bytes] | None = None) -> Iterator[Path]:
    """A log in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder) / "audit.jsonl", text, head)


logs = st.lists(st.text(max_size=12), min_size=2, max_size=6).map(chain)


@given(logs, st.data())
def test_a_whole_log_is_whole(lines: list[bytes], data: st.DataObject):
    """With a head of any age, with an anchor of any line, and without either."""
    anchored = data.draw(st.integers(1, len(lines)))
    anchor = data.draw(st.none() | st.sampled_from(lines).map(lambda line: hashlib.sha256(line).hexdigest()))
    with log(joined(lines), lines[:anchored]) as path:
        found = verify(path, anchor=anchor)

    assert (found.lines, found.unanchored) == (len(lines), len(lines) - anchored)
    assert found.head == hashlib.sha256(lines[-1]).hexdigest()
    assert found.first == "2026-01-01T00:00:00.000000Z"


def edited(data: st.DataObject, lines: list[bytes]) -> bytes:
    """One byte is another one."""
    text = bytearray(joined(lines))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    return bytes(text)


def grown(data: st.DataObject, lines: list[bytes]) -> bytes:
    """Bytes stand where none were."""
    text = joined(lines)
    place = data.draw(st.integers(0, len(text)))
    return text[:place] + data.draw(st.binary(min_size=1, max_size=3)) + text[place:]


def cut(data: st.DataObject, lines: list[bytes]) -> bytes:
    """The end is gone, a part of a line or more."""
    text = joined(lines)
    return text[: data.draw(st.integers(0, len(text) - 1))]


def removed(data: st.DataObject, lines: list[bytes]) -> bytes:
    """A line is gone; it may be the last."""
    place = data.draw(st.integers(0, len(lines) - 1))
    return joined(lines[:place] + lines[place + 1 :])


def swapped(data: st.DataObject, lines: list[bytes]) -> bytes:
    """Two lines have changed their places."""
    a, b = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    moved = list(lines)
    moved[a], moved[b] = moved[b], moved[a]
    return joined(moved)


def doubled(data: st.DataObject, lines: list[bytes]) -> bytes:
    """A line stands somewhere a second time."""
    line, place = data.draw(st.sampled_from(lines)), data.draw(st.integers(0, len(lines)))
    return joined([*lines[:place], line, *lines[place:]])


def mended(data: st.DataObject, lines: list[bytes]) -> bytes:
    """A line says something else, and every hash after it was made anew."""
    cases = [json.loads(line)["case_reference"] for line in lines]
    cases[data.draw(st.integers(0, len(cases) - 1))] += "!"
    return joined(chain(cases))


@pytest.mark.parametrize("change", [edited, grown, cut, removed, swapped, doubled, mended])
@given(lines=logs, data=st.data())
def test_a_single_change_is_found(
    change: Callable[[st.DataObject, list[bytes]], bytes], lines: list[bytes], data: st.DataObject
):
    """Wherever it is, when the head file covers the log."""
    changed = change(data, lines)

    with log(changed, lines) as path, pytest.raises(Tampered):
        verify(path)


@given(logs, st.data())
def test_an_anchor_finds_a_log_that_was_made_anew(lines: list[bytes], data: st.DataObject):
    """Log and head file are forged together; the hash that was kept elsewhere is in neither."""
    anchor = hashlib.sha256(lines[-1]).hexdigest()
    forged = mended(data, lines)

    with log(forged, forged.splitlines()) as path:
        assert verify(path).lines == len(lines)
        with pytest.raises(Tampered, match=f"no line has the hash {anchor}"):
            verify(path, anchor=anchor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda lines: [lines[0], lines[1].replace(b'"b"', b'"x"'), lines[2]],
            "line 2 does not hold .* line 1 or it was",
        ),
        (lambda lines: [lines[0], lines[2]], "in the place of line 1 stands line 2; lines were removed"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "in the place of line 1 stands line 0; lines were added"),
        (lambda lines: lines[:2], "2 lines, and the head file knows 3; lines were removed from the end"),
        (lambda lines: [*lines[:2], lines[2].replace(b"{", b"[")], "line 2 was changed: it is no line"),
        (lambda lines: [*lines[:2], lines[2].replace(b'"c"', b'"x"')], "line 2 is not the one that the head file"),
        (lambda lines: [b"x" * 70_000, *lines], "line 0 is too long"),
    ],
)
def test_the_first_line_that_does_not_fit_is_named(
    change: Callable[[list[bytes]], list[bytes]], said: str, tmp_path: Path
):
    """And what may have been done to it."""
    lines = chain(["a", "b", "c"])
    path = write(tmp_path / "audit.jsonl", joined(change(lines)), lines)

    with pytest.raises(Tampered, match=said):
        verify(path)


@pytest.mark.parametrize("text", ["", "{}", '{"lines": true, "hash": "x"}', '{"lines": 1, "hash": 2}', "[" * 100_000])
def test_a_head_file_that_is_none_is_found(text: str, tmp_path: Path):
    """It is not taken for a log without a head."""
    path = write(tmp_path / "audit.jsonl", joined(chain(["a"])))
    (tmp_path / "audit.jsonl.head").write_text(text)

    with pytest.raises(Tampered, match="not a head file"):
        verify(path)


def test_an_empty_log_is_whole(tmp_path: Path):
    """Nothing was removed from it, as far as can be seen."""
    found = verify(write(tmp_path / "audit.jsonl", b""))

    assert (found.lines, found.first, found.head) == (0, None, ZEROS)


@pytest.mark.parametrize("anchor", ["", "12", "g" * 64, "A" * 64])
def test_an_anchor_that_is_no_hash_is_a_mistake(anchor: str, tmp_path: Path):
    """It is not looked for in vain."""
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        verify(tmp_path / "audit.jsonl", anchor=anchor)


def test_a_log_that_is_not_there_is_a_mistake(tmp_path: Path):
    """The message names the file."""
    with pytest.raises(InputError, match=r"none\.jsonl: No such file"):
        verify(tmp_path / "none.jsonl")
