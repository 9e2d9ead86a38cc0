"""Reads 1:N searches as other programs log them, some thousand rows at a time.

| format | columns | searches | enrolled |
|---|---|---|---|
| frte | searchId candidateRank searchRetCode isAssigned templateId score decision | --searches | --enrolled |
| csv | by name: search, template, score[, rank] | --searches | --enrolled |
| bob4 | claimed_id real_id test_label score | test_label, of real_id | claimed_id |
| bob5 | claimed_id model_label real_id test_label score | test_label, of real_id | model_label, of claimed_id |

Scores order the candidates, whatever rank the file gives them; ties count against the mate. A search without a row,
one with a return code other than 0, and one whose scores are all nan, has failed: it is a miss and has no candidate.
frte and csv hold lists, whose end hides what comes after; bob files hold every comparison of a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frbench.choices import LOG_FORMATS
from frbench.counting.recorded.column_stream import (
    INTEGER,
    NUMBER,
    TEXT,
    Column,
    ColumnStream,
    Dialect,
    first_line,
    header,
)
from frbench.counting.recorded.people import SUBJECT_COLUMN, without_vectors
from frbench.counting.recorded.recorded_file import BOB, Named, RecordedFile
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Floats, Ints
from frbench.inputs.tables import Table, column_of, open_table
from frbench.inputs.texts import first_repeat
from frbench.templates import Templates, table_source

FRTE = ("searchId", "candidateRank", "searchRetCode", "isAssigned", "templateId", "score", "decision")
BOB_COLUMNS = {
    "search": "test_label",
    "search_subject": "real_id",
    "template": "claimed_id",
    "template_subject": "claimed_id",
    "score": "score",
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "frte": {
        "search": "searchId",
        "template": "templateId",
        "score": "score",
        "rank": "candidateRank",
        "code": "searchRetCode",
        "assigned": "isAssigned",
    },
    "csv": {role: role for role in ("search", "template", "score", "rank")},
    "bob4": BOB_COLUMNS,
    "bob5": {**BOB_COLUMNS, "template": "model_label"},
}
KINDS = {"score": NUMBER, "rank": INTEGER, "code": INTEGER, "assigned": INTEGER}
OPTIONAL = ("rank",)


@dataclass(frozen=True, eq=False)
class Listed:
    """Some rows of a log, in the order of the file.

    Parameters
    ----------
    first : number of the first row, from 0.
    search, template : ids.
    score : (n,) similarities, NaN where there is none.
    rank : (n,) as recorded.
    is_failed : (n,) whether the row says that its search failed.
    is_candidate : (n,) whether it names somebody.
    search_subject, template_subject : ids; None if the log does not know them.
    """

    first: int
    search: Named
    template: Named
    score: Floats
    rank: Ints | None
    is_failed: Bools
    is_candidate: Bools
    search_subject: Named | None
    template_subject: Named | None


@dataclass(frozen=True)
class CandidateFile(RecordedFile):
    """A file of recorded candidates; the user may name search, template, score and rank of a csv."""

    def __post_init__(self) -> None:
        if self.format not in LOG_FORMATS:
            raise InputError(f"--format is '{self.format}', expected one of: {', '.join(LOG_FORMATS)}")
        if self.columns and self.format != "csv":
            raise InputError(f"--columns is for format csv; those of {self.format} are fixed")
        if unknown := sorted(set(self.columns or {}) - set(COLUMNS["csv"])):
            raise InputError(f"--columns names {unknown[0]!r}, expected some of {', '.join(COLUMNS['csv'])}")

    @property
    def is_whole(self) -> bool:
        """Whether every comparison of a search is in the file, not the best ones alone."""
        return self.format in BOB

    def stream(self) -> ColumnStream:
        """See `RecordedFile.stream`."""
        dialect = self._dialect()
        names = header(self.path, dialect)
        wanted = {}
        for role, usual in COLUMNS[self.format].items():
            name = (self.columns or {}).get(role, usual)
            if role not in OPTIONAL or role in (self.columns or {}) or name in names:
                wanted[role] = Column(column_of(self.path, names, name), KINDS.get(role, TEXT))
        return ColumnStream(self.path, dialect, wanted, self.threads)

    def __iter__(self) -> Iterator[Listed]:
        """All rows, some after the other.

        Raises
        ------
        InputError : a line is not what the format says; the message names it.
        """
        for rows in self.parts():
            code, assigned = rows.integers("code"), rows.integers("assigned")
            is_failed = np.zeros(len(rows), dtype=bool) if code is None else code != 0
            is_candidate = ~is_failed if assigned is None else ~is_failed & (assigned != 0)
            yield Listed(
                first=rows.first,
                search=rows.ids("search"),
                template=rows.ids("template", needed=is_candidate),
                score=rows.scores(is_distance=self.is_distance),
                rank=rows.integers("rank"),
                is_failed=is_failed,
                is_candidate=is_candidate,
                search_subject=rows.ids("search_subject") if self.is_whole else None,
                template_subject=rows.ids("template_subject") if self.is_whole else None,
            )

    def _dialect(self) -> Dialect:
        if self.format == "csv":
            return Dialect()
        line = first_line(self.path)
        if self.format == "frte":
            if tuple(line.split(" ")) != FRTE:
                raise InputError(f"{self.path}, line 1: {line[:80]!r}, expected {' '.join(FRTE)!r} for --format frte")
            return Dialect(delimiter=" ")
        return self.bob_dialect(line)


@dataclass(frozen=True, eq=False)
class Protocol:
    """Who is enrolled and who searches: templates without vectors."""

    gallery: Templates
    probes: Templates

    @classmethod
    def read(cls, enrolled: Path, searches: Path, subject_column: str = SUBJECT_COLUMN) -> Protocol:
        """The templates of a file with columns template_id, subject_id, and the searches of one with search_id,
        subject_id and labels.

        Raises
        ------
        InputError : a column is missing, or an id is empty or occurs twice; the message names the line.
        """
        return cls(
            _templates(open_table(enrolled), "template_id", subject_column),
            _templates(open_table(searches), "search_id", subject_column),
        )


def _templates(table: Table, id_column: str, subject_column: str) -> Templates:
    ids, subjects = table.column(id_column), table.column(subject_column)
    for name, values in ((id_column, ids), (subject_column, subjects)):
        if (values == "").any():
            raise InputError(f"{table.path}, {table.where(int((values == '').argmax()))}: empty {name}, expected an id")
    if (repeat := first_repeat(ids)) is not None:
        both = " and ".join(map(table.where, repeat))
        raise InputError(f"{table.path}: {id_column} {ids[repeat[1]]!r} occurs twice ({both}), expected each once")
    labels = {name: values for name, values in table.columns.items() if name not in (id_column, subject_column)}
    return without_vectors(ids, subjects, labels, sources=[table_source(table)])
