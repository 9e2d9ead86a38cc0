"""Writes the tables of `results.json` as CSV or Parquet, and listed scores as files that bob reads."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_type_hints, is_typeddict

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from frbench import files
from frbench.errors import FormatError, InputError
from frbench.files import TAIL
from frbench.inputs.tables import Table, Texts, open_table
from frbench.results import types

TABLE_FORMATS = ("csv", "parquet")
BOB_FORMATS = ("bob4", "bob5")
# In a run directory, unless another one is asked for.
FOLDER = "export"
FORMATS = (*TABLE_FORMATS, *BOB_FORMATS)
Row = dict[str, Any]
Rows = list[Row]


def tables(results: Mapping[str, Any]) -> dict[str, Rows]:
    """Every table of `results`, tidy: one row an observation, one column a variable.

    A list of objects is a table; objects within are spread over columns, `mated_mean`. Values by threshold, by rank and
    lists of objects within a row are tables of their own, `cells_accepted`, which repeat the words that name the row.
    All else is the one row of `run`.
    """
    found: dict[str, Rows] = defaultdict(list)
    _add(found, "run", results, {}, list(results.get("thresholds", [])))
    return {name: rows for name, rows in found.items() if rows}


def write_tables(run: Path, to: str, out: Path) -> list[Path]:
    """The files in `out`, one for each table of the finished run `run`.

    Raises
    ------
    FormatError : `run` is not the directory of a finished run.
    OutputError : a file cannot be written.
    """
    return _written(_table_files(run, to), out)


def write_tail(run: Path, to: str, out: Path) -> Path:
    """The file in `out` with the kept pairs of a run, as bob4 or bob5.

    Raises
    ------
    InputError : the run kept no pairs, or they name no subjects.
    OutputError : the file cannot be written.
    """
    return _written(_tail_file(run, to), out)[0]


def exported(run: Path) -> list[Path]:
    """Files in the run's own folder that are what an export of the finished run `run` writes there, byte for byte."""
    if not (run / FOLDER).is_dir():
        return []
    found = []
    for to in FORMATS:
        with suppress(FormatError, InputError):
            contents = _tail_file(run, to) if to in BOB_FORMATS else _table_files(run, to)
            found += [run / FOLDER / name for name, text in contents.items() if _holds(run / FOLDER / name, text)]
    return found


def _written(contents: Mapping[str, bytes], out: Path) -> list[Path]:
    files.prepare(out)
    for name, content in contents.items():
        files.write(out / name, content)
    return [out / name for name in contents]


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _table_files(run: Path, to: str) -> dict[str, bytes]:
    """A file for each table of a run, by name."""
    found = tables(files.read_json(run / "results.json", schema="frbench.results"))
    return {f"{name}.{to}": _bytes(rows, to) for name, rows in found.items()}


def _tail_file(run: Path, to: str) -> dict[str, bytes]:
    """The file of the kept pairs of a run, by name."""
    if not (run / TAIL).exists():
        raise InputError(f"{run}: holds no {TAIL}, and other pairs have no scores here; count it with --keep-pairs N")
    table = open_table(run / TAIL)
    # The fewest digits of a float32 are another float64 than that float32.
    scores = np.array([np.float32(text) for text in table.column("score")], dtype=np.float64)
    _require_subjects(table)
    claimed, model, real, test = (table.column(n) for n in ("subject_a", "template_a", "subject_b", "template_b"))
    return {f"scores.{to}.txt": "".join(bob_lines(to, claimed, model, real, test, scores.tolist())).encode()}


def bob_lines(
    to: str, claimed_ids: Texts, model_labels: Texts, real_ids: Texts, test_labels: Texts, scores: Sequence[float]
) -> Iterator[str]:
    """Lines of a bob file of 4 or 5 columns; a score has the fewest digits that give the same float64, or is nan.

    Raises
    ------
    InputError : an id has a blank, which separates columns.
    """
    for row in zip(claimed_ids, model_labels, real_ids, test_labels, scores, strict=True):
        *ids, score = row
        if wrong := [name for name in ids if not name or len(name.split()) != 1]:
            raise InputError(f"id {wrong[0]!r} is empty or has a blank, which separates the columns of a bob file")
        chosen = ids if to == "bob5" else [ids[0], *ids[2:]]
        yield f"{' '.join(chosen)} {float(score)!r}\n"


def _add(found: dict[str, Rows], name: str, values: Mapping[str, Any], head: Row, thresholds: list[float]) -> None:
    """Puts `values` into the tables as a row of `name`, named by the words of `head`."""
    row: Row = dict(head)
    inner: list[tuple[str, Any]] = []
    for key, value in _spread(values):
        if _is_table(key, value):
            inner.append((key, value))
        else:
            row |= _columns(key, value)
    found[name].append(row)
    names = {k: v for k, v in row.items() if isinstance(v, str | bool)} | _numbers_that_name(row)
    for key, value in inner:
        own = key if name == "run" else f"{name}_{key}"
        for keys, item in _observations(key, value, thresholds):
            _add(found, own, item, ({} if name == "run" else names) | keys, thresholds)


def _spread(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Entries of an object, those of objects within it under joined names."""
    for key, value in values.items():
        if isinstance(value, Mapping) and key not in BY_RANK:
            yield from _spread(value, f"{prefix}{key}_")
        else:
            yield f"{prefix}{key}", value


def _keys_of(noted: Any) -> frozenset[str]:
    """Keys of `results.json` whose type is, or holds, one with a note beside it."""
    tables = [each for each in vars(types).values() if is_typeddict(each)]
    hints = [hint for table in tables for hint in get_type_hints(table, include_extras=True).items()]
    return frozenset(key for key, hint in hints if noted in (hint, *get_args(hint)))


BY_THRESHOLD, BY_RANK = _keys_of(types.ByThreshold), _keys_of(types.Rank)


def _is_table(key: str, value: Any) -> bool:
    """Whether an entry is a table of its own: a list of objects, or what is counted by threshold or by rank."""
    is_listed = isinstance(value, list) and (key in BY_THRESHOLD or any(isinstance(item, Mapping) for item in value))
    return is_listed or isinstance(value, Mapping)


def _columns(key: str, value: Any) -> Row:
    """A value as columns: a short list has one for each entry, and so have lists within."""
    if not isinstance(value, list):
        return {key: value}
    return {name: cell for i, item in enumerate(value, 1) for name, cell in _columns(f"{key}_{i}", item).items()}


def _numbers_that_name(row: Row) -> Row:
    return {name: row[name] for name in ("threshold", "rank", "batch", "q", "size") if name in row}


def _observations(key: str, value: Any, thresholds: list[float]) -> Iterable[tuple[Row, Row]]:
    """Words that name each observation of an inner table, and the observation."""
    if isinstance(value, Mapping):
        for rank, inner in value.items():
            for keys, item in _observations(key, inner if isinstance(inner, list) else [inner], thresholds):
                yield {"rank": int(rank)} | keys, item
        return
    for i, item in enumerate(value):
        keys = {"threshold": thresholds[i]} if key in BY_THRESHOLD else {}
        yield keys, (item if isinstance(item, Mapping) else {key: item})


def _bytes(rows: Rows, to: str) -> bytes:
    columns = dict.fromkeys(column for row in rows for column in row)
    table = pa.table({column: pa.array([row.get(column) for row in rows]) for column in columns})
    buffer = io.BytesIO()
    if to == "csv":
        pa_csv.write_csv(table, buffer, pa_csv.WriteOptions(quoting_style="needed"))
    else:
        pq.write_table(table, buffer)
    return buffer.getvalue()


def _require_subjects(table: Table) -> None:
    for side in ("subject_a", "subject_b"):
        if (table.column(side) == "").any():
            raise InputError(f"{table.path}: names no subjects, which a bob file does; count it again with --labels")
