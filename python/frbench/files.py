"""Reads and writes the files of a run: tallies and candidates with a version in the header, and JSON.

Arrays are safetensors, which any language reads. The entry `frbench` of the header is JSON with the format, its
version, a digest of the arrays and more; it is one entry, because the order of several is not fixed and equal runs
make equal files.

frbench.tally 1: `tiles` int64 (n, 2), `total` uint64 (c, t + 2), `touching` uint64 (b, c, t + 2); header `plan`.
frbench.candidates 1: the arrays of `Candidates`; header `search` and `shards`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from frbench.candidates import ARRAYS, Candidates
from frbench.errors import FormatError, OutputError
from frbench.plan import Plan, digest_of
from frbench.tally import Tally

# Of a signed run; a run that takes its place has none.
SIGNATURE = "signature.json"
# What a run may name: pairs, subjects, searches whose answer depends on the order of insertion.
TAIL = "tail.csv"
SUBJECTS = "subjects.csv"
CHANGED = "changed.csv"
# What its searches returned.
FOUND = "candidates.safetensors"
TALLY = ("frbench.tally", "1")
CANDIDATES = ("frbench.candidates", "1")


def prepare(directory: Path) -> Path:
    """`directory`, made if it was missing and proved to be writable.

    Raises
    ------
    OutputError : it cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {directory}: {_reason(error)}; choose another --out") from error
    return directory


def write(path: Path, content: bytes | str) -> None:
    """Writes beside `path` and renames, so that the file is always whole.

    Raises
    ------
    OutputError : it cannot be written; what was there before is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_dir() or not path.name:
        raise OutputError(f"cannot write {path}: it is a directory, expected a file name")
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def remove(paths: Iterable[Path]) -> None:
    """Removes files that may not be there.

    Raises
    ------
    OutputError : one is there and cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {_reason(error)}") from error


def remove_torn(directory: Path) -> None:
    """Removes what processes that are no more were writing to `directory` when they were killed."""
    for path in directory.glob(".*.partial"):
        pid = path.suffixes[-2][1:] if len(path.suffixes) > 1 else ""
        if pid.isdecimal() and not is_alive(int(pid)):
            remove([path])


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes `values` as JSON, one line an entry at the top level."""
    lines = (f"  {json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in values.items())
    write(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_json(path: Path, *, schema: str | None = None) -> dict[str, Any]:
    """The JSON object in `path`, whose entry `schema` must be the one given.

    Raises
    ------
    FormatError : missing, not a JSON object, or of another schema.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise FormatError(f"{path} is not a file of a frbench run: {why}") from error
    if not isinstance(values, dict) or (schema is not None and values.get("schema") != schema):
        raise FormatError(f"{path} is not a file of a frbench run, expected a JSON object of {schema or 'frbench'}")
    return values


def save_tally(tally: Tally, path: Path) -> None:
    """Writes `tally` to `path`."""
    arrays = {
        "tiles": np.array(sorted(tally.tiles), dtype=np.int64).reshape(-1, 2),
        "total": tally.total,
        "touching": tally.touching,
    }
    _save(path, TALLY, arrays, plan=json.loads(tally.plan.to_json()))


def load_tally(path: Path) -> Tally:
    """The tally in `path`.

    Raises
    ------
    FormatError : missing, damaged, or of another version.
    """
    header, arrays = _load(path, TALLY, entries=("plan",), names=("tiles", "total", "touching"))
    plan = Plan.from_json(json.dumps(header["plan"]))
    empty = Tally.zero(plan)
    if arrays["total"].shape != empty.total.shape or arrays["touching"].shape != empty.touching.shape:
        raise FormatError(f"{path} does not fit its own plan; count it again")
    tiles = frozenset((int(i), int(j)) for i, j in arrays["tiles"])
    return Tally(plan, tiles, arrays["total"], arrays["touching"])


def save_candidates(candidates: Candidates, path: Path) -> None:
    """Writes `candidates` to `path`."""
    _save(path, CANDIDATES, candidates.arrays(), search=candidates.search, shards=sorted(candidates.shards))


def load_candidates(path: Path) -> Candidates:
    """The candidates in `path`.

    Raises
    ------
    FormatError : missing, damaged, or of another version.
    """
    header, arrays = _load(path, CANDIDATES, entries=("search", "shards"), names=ARRAYS)
    shards = frozenset((int(a), int(b)) for a, b in header["shards"])
    return Candidates(search=header["search"], shards=shards, **{name: arrays[name] for name in ARRAYS})


def _save(path: Path, kind: tuple[str, str], arrays: Mapping[str, NDArray[Any]], **entries: Any) -> None:
    header = {"format": kind[0], "version": kind[1], "digest": _digest(arrays), **entries}
    write(path, save(dict(arrays), {"frbench": json.dumps(header, separators=(",", ":"))}))


def _load(
    path: Path, kind: tuple[str, str], *, entries: Sequence[str], names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with safe_open(path, framework="np") as file:
            header = dict(json.loads((file.metadata() or {}).get("frbench", "{}")))
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (OSError, TypeError, ValueError, SafetensorError) as error:
        raise FormatError(f"{path} is missing or damaged: {error}") from error
    (name, known), got, version = kind, header.get("format"), header.get("version")
    if got != name:
        raise FormatError(f"{path} is not a {name} file; its header says {got}")
    if version != known:
        raise FormatError(f"{path} has format version {version}, expected {known}; use the release that wrote it")
    missing = sorted((set(entries) - set(header)) | (set(names) - set(arrays)))
    if missing:
        raise FormatError(f"{path} is damaged: it lacks {', '.join(missing)}")
    if header.get("digest") != _digest(arrays):
        raise FormatError(f"{path} is damaged: its arrays are not those that were written; count it again")
    return header, arrays


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    return digest_of(*(part for name in sorted(arrays) for part in (name, arrays[name])))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
