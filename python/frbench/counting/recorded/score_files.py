"""Reads 1:1 comparisons as other programs write them, some thousand rows at a time.

| format | columns | mated |
|---|---|---|
| bob2 | label score | label 1; -1 or 0 is not |
| bob4 | claimed_id real_id test_label score | claimed_id equals real_id |
| bob5 | claimed_id model_label real_id test_label score | claimed_id equals real_id |
| bob-csv | probe_subject_id bio_ref_subject_id score, by name | both subjects are one |
| pyeer | score, the last column; mated and non-mated scores in two files | the file |
| csv | by name, see `ROLES`; also Parquet and Arrow | the column `mated`, or both subjects are one |

Scores come back as similarities: distances are negated. A comparison without a score has NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from frbench.choices import SCORE_FORMATS
from frbench.counting.recorded.column_stream import (
    NUMBER,
    TEXT,
    Column,
    ColumnStream,
    Dialect,
    column,
    first_line,
    header,
    is_columnar,
)
from frbench.errors import InputError
from frbench.inputs.tables import Texts, named, texts

ROLES = ("probe_subject", "reference_subject", "probe", "reference", "mated", "score")
BOB = {
    "bob2": ("label", "score"),
    "bob4": ("claimed_id", "real_id", "test_label", "score"),
    "bob5": ("claimed_id", "model_label", "real_id", "test_label", "score"),
}
COLUMN_OF: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bob2": {"mated": ("label",), "score": ("score",)},
    "bob4": {
        "probe_subject": ("real_id",),
        "reference_subject": ("claimed_id",),
        "probe": ("test_label",),
        "reference": ("claimed_id",),
        "score": ("score",),
    },
    "bob5": {
        "probe_subject": ("real_id",),
        "reference_subject": ("claimed_id",),
        "probe": ("test_label",),
        "reference": ("model_label",),
        "score": ("score",),
    },
    "bob-csv": {
        "probe_subject": ("probe_subject_id",),
        "reference_subject": ("bio_ref_subject_id",),
        "probe": ("probe_template_id", "probe_reference_id"),
        "reference": ("bio_ref_template_id", "bio_ref_reference_id"),
        "score": ("score",),
    },
    "csv": {role: (role,) for role in ROLES},
}
FLAGS: Mapping[str, Mapping[str, bool]] = {
    "bob2": {"1": True, "+1": True, "-1": False, "0": False},
    "csv": {"true": True, "1": True, "false": False, "0": False},
}


class Named(NamedTuple):
    """Ids of some rows: the distinct ones, and which of them each row has."""

    ids: Texts
    of_row: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Some recorded comparisons, in the order of the file.

    first : number of the first row, from 0. score : (n,) similarities, NaN where there is none.
    mated : (n,) whether the file says that both are of one subject; None if it leaves that to the subjects.
    probe_subject, reference_subject, probe, reference : (n,) ids; None if the file has none.
    """

    first: int
    score: NDArray[np.float64]
    mated: NDArray[np.bool_] | None
    probe_subject: Named | None
    reference_subject: Named | None
    probe: Named | None
    reference: Named | None

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class ScoreFile:
    """One file of recorded comparisons.

    columns : names that the user gives for `ROLES`, instead of those of the format.
    is_distance : lower scores are more alike. mated : whether all rows are mated, for files of scores alone.
    threads : whether Arrow may use several.
    """

    path: str
    format: str
    columns: Mapping[str, str] | None = None
    is_distance: bool = False
    mated: bool | None = None
    threads: bool = True

    @property
    def is_symmetric(self) -> bool:
        """Whether a probe and a reference are templates alike, so that either order is the same comparison."""
        return self.format == "csv"

    def stream(self) -> ColumnStream:
        """The columns that are wanted, by role.

        Raises
        ------
        InputError : the file lacks a column, or does not fit its format.
        """
        if self.format == "pyeer":
            return self._last_column()
        dialect = self._dialect()
        names = header(self.path, dialect)
        wanted = {}
        for role, candidates in COLUMN_OF[self.format].items():
            given = (self.columns or {}).get(role)
            found = next((name for name in candidates if name in names), None)
            if given is not None:
                found = column(self.path, names, given)
            if found is None and role in self._required():
                raise InputError(
                    f"{self.path}: no column {candidates[0]!r}, only {named(names)}; name it with --columns"
                )
            if found is not None:
                wanted[role] = Column(found, NUMBER if role == "score" else TEXT)
        self._check_sense(wanted)
        return ColumnStream(self.path, dialect, wanted, self.threads)

    def __iter__(self) -> Iterator[Comparisons]:
        """All comparisons, some after the other.

        Raises
        ------
        InputError : a line is not what the format says; the message names it.
        """
        stream, first = self.stream(), 0
        for arrays in stream:
            score = checked_scores(arrays["score"], stream, first, is_distance=self.is_distance)
            mated = self._mated(arrays.get("mated"), stream, first, len(score))
            sides = (named_rows(arrays[role], stream, role, first) if role in arrays else None for role in ROLES[:4])
            yield Comparisons(first, score, mated, *sides)
            first += len(score)

    def where(self, row: int) -> str:
        """File and position of `row`, counted from 0, as a person finds it."""
        return f"{self.path}, {self.stream().where(row)}"

    def _required(self) -> tuple[str, ...]:
        return ("score",) if self.format == "csv" else ("score", "mated", "probe_subject", "reference_subject")

    def _check_sense(self, wanted: Mapping[str, Column]) -> None:
        subjects = {"probe_subject", "reference_subject"} & set(wanted)
        if len(subjects) == 1:
            raise InputError(
                f"{self.path}: {named(sorted(subjects))} alone, expected both subjects; name the other with --columns"
            )
        if not subjects and "mated" not in wanted:
            raise InputError(
                f"{self.path}: nothing says which comparisons are mated; expected a column 'mated', or both "
                "'probe_subject' and 'reference_subject'; name them with --columns"
            )

    def _dialect(self) -> Dialect:
        if self.format in BOB:
            line = first_line(self.path)
            delimiter = "\t" if "\t" in line else " "
            n, expected = len(line.split(delimiter)), len(BOB[self.format])
            if n != expected:
                raise InputError(
                    f"{self.path}, line 1: {n} fields, expected {expected} for --format {self.format}: "
                    f"{' '.join(BOB[self.format])}"
                )
            return Dialect(BOB[self.format], delimiter)
        return Dialect()

    def _last_column(self) -> ColumnStream:
        if is_columnar(self.path):
            raise InputError(f"{self.path}: is no text, expected lines that end with a score for --format pyeer")
        line = first_line(self.path)
        delimiter = next((mark for mark in ("\t", ",", " ") if mark in line), ",")
        names = (*(f"column {i + 1}" for i in range(len(line.split(delimiter)) - 1)), "score")
        wanted = {"score": Column("score", NUMBER)}
        return ColumnStream(self.path, Dialect(names, delimiter), wanted, self.threads)

    def _mated(self, array: pa.Array | None, stream: ColumnStream, first: int, n: int) -> NDArray[np.bool_] | None:
        if array is None:
            return None if self.mated is None else np.full(n, self.mated)
        words = FLAGS[self.format]
        found = _named(array)
        flags = [words.get(word.lower()) for word in found.ids]
        if None in flags:
            row = int((found.of_row == flags.index(None)).argmax())
            expected = "1 or -1" if self.format == "bob2" else "true or false"
            name = stream.wanted["mated"].name
            raise InputError(
                f"{self.path}, {stream.where(first + row)}: {name} is {found.ids[found.of_row[row]]!r}, "
                f"expected {expected}"
            )
        return np.array(flags, dtype=bool)[found.of_row]


@dataclass(frozen=True)
class Recorded:
    """Recorded comparisons: one file, or one of mated and one of non-mated scores."""

    files: tuple[ScoreFile, ...]

    @classmethod
    def open(
        cls,
        path: str,
        format: str,
        *,
        impostors: str | None = None,
        columns: Mapping[str, str] | None = None,
        is_distance: bool = False,
        threads: bool = True,
    ) -> Recorded:
        """The comparisons of `path`.

        Parameters
        ----------
        format : one of `SCORE_FORMATS`. impostors : file of non-mated scores, for pyeer, whose `path` holds mated ones.
        columns : names for `ROLES`, for csv and bob-csv.

        Raises
        ------
        InputError : options that do not fit the format, or a file without the columns that it needs.
        """
        if format not in SCORE_FORMATS:
            raise InputError(f"--format is '{format}', expected one of: {', '.join(SCORE_FORMATS)}")
        if (impostors is not None) != (format == "pyeer"):
            raise InputError(
                "--impostors names the file of non-mated scores of --format pyeer, expected both or neither"
            )
        if columns and format not in ("csv", "bob-csv"):
            raise InputError(f"--columns is for formats csv and bob-csv; those of {format} have fixed places")
        if unknown := sorted(set(columns or {}) - set(ROLES)):
            raise InputError(f"--columns names {unknown[0]!r}, expected some of {', '.join(ROLES)}")
        given = [(path, None)] if impostors is None else [(path, True), (impostors, False)]
        files = tuple(ScoreFile(name, format, columns, is_distance, mated, threads) for name, mated in given)
        for file in files:
            file.stream()
        return cls(files)

    @property
    def estimated_rows(self) -> int:
        """About how many comparisons there are."""
        return sum(file.stream().estimated_rows for file in self.files)

    @property
    def knows_subjects(self) -> bool:
        """Whether the files say who is compared."""
        return all("probe_subject" in file.stream().wanted for file in self.files)

    @property
    def names_templates(self) -> bool:
        """Whether the files name both sides of a comparison, so that one that is repeated can be told."""
        return all({"probe", "reference"} <= set(file.stream().wanted) for file in self.files)


def checked_scores(array: pa.Array, stream: ColumnStream, first: int, *, is_distance: bool) -> NDArray[np.float64]:
    """(n,) similarities of rows from number `first` on, NaN where there is none.

    Raises
    ------
    InputError : a score is infinite; the message names the line.
    """
    score: NDArray[np.float64] = array.to_numpy(zero_copy_only=False)
    is_infinite = np.isinf(score)
    if is_infinite.any():
        row = int(is_infinite.argmax())
        raise InputError(
            f"{stream.path}, {stream.where(first + row)}: score is {score[row]}, expected a finite number, or nan for "
            "a failure"
        )
    return -score if is_distance else score


def named_rows(
    array: pa.Array, stream: ColumnStream, role: str, first: int, *, needed: NDArray[np.bool_] | None = None
) -> Named:
    """The ids of rows from number `first` on.

    needed : (n,) rows that must have one; None for all.

    Raises
    ------
    InputError : one of them has none; the message names the line.
    """
    found = _named(array)
    empty = np.flatnonzero(found.ids == "")
    lacking = np.isin(found.of_row, empty) if len(empty) else np.zeros(0, dtype=bool)
    if needed is not None and len(empty):
        lacking &= needed
    if lacking.any():
        where = stream.where(first + int(lacking.argmax()))
        raise InputError(f"{stream.path}, {where}: empty {stream.wanted[role].name}, expected an id")
    return found


def _named(array: pa.Array) -> Named:
    encoded = pc.dictionary_encode(array)
    return Named(texts(encoded.dictionary.to_pylist()), encoded.indices.to_numpy(zero_copy_only=False))
