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

import numpy as np

from frbench.choices import SCORE_FORMATS
from frbench.counting.recorded.column_stream import (
    NUMBER,
    TEXT,
    Column,
    ColumnStream,
    Dialect,
    first_line,
    header,
    is_columnar,
)
from frbench.counting.recorded.recorded_file import BOB, Named, RecordedFile, Rows
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Floats
from frbench.inputs.tables import column_of, named

ROLES = ("probe_subject", "reference_subject", "probe", "reference", "mated", "score")
BOB_COLUMNS = {
    "probe_subject": ("real_id",),
    "reference_subject": ("claimed_id",),
    "probe": ("test_label",),
    "reference": ("claimed_id",),
    "score": ("score",),
}
COLUMN_OF: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bob2": {"mated": ("label",), "score": ("score",)},
    "bob4": BOB_COLUMNS,
    "bob5": {**BOB_COLUMNS, "reference": ("model_label",)},
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


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Some recorded comparisons, in the order of the file.

    Parameters
    ----------
    first : number of the first row, from 0.
    score : (n,) similarities, NaN where there is none.
    mated : (n,) whether the file says that both are of one subject; None if it leaves that to the subjects.
    probe_subject, reference_subject, probe, reference : (n,) ids; None if the file has none.
    """

    first: int
    score: Floats
    mated: Bools | None
    probe_subject: Named | None
    reference_subject: Named | None
    probe: Named | None
    reference: Named | None

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class ScoreFile(RecordedFile):
    """One file of recorded comparisons, whose roles are `ROLES`.

    mated : whether all rows are mated, for files of scores alone.
    """

    mated: bool | None = None

    @property
    def is_symmetric(self) -> bool:
        """Whether a probe and a reference are templates alike, so that either order is the same comparison."""
        return self.format == "csv"

    def stream(self) -> ColumnStream:
        """See `RecordedFile.stream`."""
        if self.format == "pyeer":
            return self._last_column()
        dialect = self._dialect()
        names = header(self.path, dialect)
        required = ("score",) if self.format == "csv" else ("score", "mated", "probe_subject", "reference_subject")
        wanted = {}
        for role, candidates in COLUMN_OF[self.format].items():
            given = (self.columns or {}).get(role)
            found = next((name for name in candidates if name in names), None)
            if given is not None:
                found = column_of(self.path, names, given)
            if found is None and role in required:
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
        for rows in self.parts():
            score = rows.scores(is_distance=self.is_distance)
            mated = self._mated(rows)
            sides = (rows.ids(role) if role in rows.arrays else None for role in ROLES[:4])
            yield Comparisons(rows.first, score, mated, *sides)

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
        if self.format not in BOB:
            return Dialect()
        line = first_line(self.path)
        dialect = self.bob_dialect(line)
        n, expected = len(dialect.fields(line)), len(dialect.names)
        if n != expected:
            raise InputError(
                f"{self.path}, line 1: {n} fields, expected {expected} for --format {self.format}: "
                f"{' '.join(dialect.names)}"
            )
        return dialect

    def _last_column(self) -> ColumnStream:
        if is_columnar(self.path):
            raise InputError(f"{self.path}: is no text, expected lines that end with a score for --format pyeer")
        line = first_line(self.path)
        delimiter = next((mark for mark in ("\t", ",", " ") if mark in line), ",")
        names = (*(f"column {i + 1}" for i in range(len(line.split(delimiter)) - 1)), "score")
        wanted = {"score": Column("score", NUMBER)}
        return ColumnStream(self.path, Dialect(names, delimiter), wanted, self.threads)

    def _mated(self, rows: Rows) -> Bools | None:
        if "mated" not in rows.arrays:
            return None if self.mated is None else np.full(len(rows), self.mated)
        found, words = rows.words("mated"), FLAGS[self.format]
        flags = [words.get(word.lower()) for word in found.ids]
        if None in flags:
            row = int((found.of_row == flags.index(None)).argmax())
            expected = "1 or -1" if self.format == "bob2" else "true or false"
            raise rows.mistake(row, f"{rows.stream.wanted['mated'].name} is {found.at(row)!r}, expected {expected}")
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
        format : one of `SCORE_FORMATS`.
        impostors : file of non-mated scores, for pyeer, whose `path` holds mated ones.
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
        files = tuple(ScoreFile(name, format, columns, is_distance, threads, mated) for name, mated in given)
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
