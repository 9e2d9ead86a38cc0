"""Keeps fused scores in files that outlive a killed program, which then goes on where it was.

Of each pair two numbers are appended, its place (int32) and its score (float64). A journal, written beside and renamed
after both files have reached the disk, says how many of them are whole; what lies behind that is written again.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from frbench import files
from frbench.counting.recorded.kept_spool import KeptSpool, is_abandoned
from frbench.counting.sweep import Checkpoint
from frbench.errors import FormatError
from frbench.inputs.arrays import Floats, Ints32

SCHEMA = "frbench.kept-scores"
COLUMNS = {"places": np.int32, "scores": np.float64}


@dataclass(frozen=True)
class Written:
    """Totals of a score file: pairs, those without a score, and the lowest and highest score; None if there is none."""

    rows: int = 0
    unscored: int = 0
    lowest: float | None = None
    highest: float | None = None

    def plus(self, scores: Floats) -> Written:
        """These totals with more scores, NaN where there is none."""
        known = scores[~np.isnan(scores)]
        ends = [end for end in (self.lowest, self.highest) if end is not None]
        ends += [float(known.min()), float(known.max())] if len(known) else []
        return Written(
            self.rows + len(scores),
            self.unscored + len(scores) - len(known),
            min(ends, default=None),
            max(ends, default=None),
        )

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest score, NaN if there is none."""
        return (math.nan, math.nan) if self.lowest is None or self.highest is None else (self.lowest, self.highest)


class KeptScores:
    """The fused scores of the work with this digest, open until `stack` is closed.

    What an earlier run of it left is taken up; what other work left there, and nobody writes any more, is removed.

    Raises
    ------
    InputError : another process writes them.
    OutputError : they cannot be written.
    """

    def __init__(self, digest: str, checkpoint: Checkpoint, stack: ExitStack) -> None:
        self._journal = checkpoint.path(digest)
        self._paths = [checkpoint.path(f"{digest}.{column}") for column in COLUMNS]
        self.spool = KeptSpool(self._paths, stack, *COLUMNS.values())
        _remove_abandoned(checkpoint.directory, self._paths[0])
        found = checkpoint.read(digest, _read)
        self.written = Written()
        if found is not None and self.spool.cut(found.rows):
            self.written = found
        else:
            self.spool.cut(0)

    def add(self, places: Ints32, scores: Floats) -> None:
        """Appends pairs."""
        self.spool.write(places, scores)
        self.written = self.written.plus(scores)

    def keep(self) -> None:
        """Writes everything that was appended to the disk, so that it outlives the program."""
        self.spool.sync()
        files.write_json(self._journal, {"schema": SCHEMA, **asdict(self.written)})

    def remove(self) -> None:
        """Deletes the files."""
        files.remove([self._journal, *self._paths])


def _read(path: Path) -> Written:
    values = files.read_json(path, schema=SCHEMA)
    try:
        return Written(values["rows"], values["unscored"], values["lowest"], values["highest"])
    except KeyError as error:
        raise FormatError(f"{path} lacks {error}") from error


def _remove_abandoned(directory: Path, own: Path) -> None:
    """Removes scores of other work that no process holds: they are large, and hidden."""
    for places in directory.glob(".*.places.partial"):
        if places != own and is_abandoned(places):
            name = places.name.removesuffix(".places.partial")
            files.remove(directory / f"{name}{end}" for end in (".places.partial", ".scores.partial", ".partial"))
