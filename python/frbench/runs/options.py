"""What all runs share: where to, by which groups, at which thresholds, counted by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from frbench.counting.calibrate import Target
from frbench.counting.sweep import Checkpoint, Progress
from frbench.engines import Engine
from frbench.engines.cluster.runners import Runner
from frbench.engines.local import LOCAL, open_local
from frbench.errors import InputError
from frbench.operating_point import OperatingPoint
from frbench.plan import DEFAULT_BLOCKS, Grouping, checked_thresholds, score_axis
from frbench.reading.audits.leakage import Finding, read_subjects, trained
from frbench.service.credentials import ANYBODY, Credentials
from frbench.templates import Templates


class Reported(TypedDict):
    """Keywords of what makes results of a tally."""

    thresholds: list[float]
    groupings: tuple[Grouping, ...]
    points: Sequence[OperatingPoint]


@dataclass(frozen=True)
class Options:
    """What all runs share.

    out : run directory. groupings : label columns of each --group. thresholds : in [-1, 1].
    targets : rates to set thresholds at. population : None for all, or (column, value).
    train_subjects : file of subjects that the matcher was trained on.
    engine : cpu, gpu, reference, or targets of servers with commas between them, which are shown the `credentials`.
    runner : who is handed the tiles; None for this process.
    """

    out: Path
    groupings: tuple[Grouping, ...] = ()
    per_template: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    targets: tuple[Target, ...] = ()
    population: tuple[str, str] | None = None
    axis_step: float = 0.001
    axis_from: float = -1.0
    n_blocks: int = DEFAULT_BLOCKS
    engine: str = "cpu"
    credentials: Credentials = ANYBODY
    runner: Runner | None = None
    isa: str | None = None
    threads: int = 0
    checkpoint_s: float = 2.0
    fresh: bool = False
    with_report: bool = True
    command: tuple[str, ...] = ()
    train_subjects: Path | None = None

    def __post_init__(self) -> None:
        checked_thresholds(self.thresholds)
        if self.threads < 0:
            raise InputError(f"--threads is {self.threads}, expected 0 (all) or more")

    @property
    def columns(self) -> Grouping:
        """Every label column that a grouping uses, once."""
        return tuple(dict.fromkeys(c for grouping in self.groupings for c in grouping))

    @property
    def population_columns(self) -> tuple[str, ...]:
        """Every label column that a grouping or the population uses, once."""
        return tuple(dict.fromkeys((*self.columns, *(self.population[:1] if self.population else ()))))

    def open_engine(self, progress: Progress) -> Engine:
        """The engine that was asked for; `progress` says what is waited for meanwhile."""
        if self.isa is not None and self.engine not in ("cpu", "reference"):
            raise InputError(
                "--isa says what this machine's processors count with; servers are told by `frbench serve --isa`"
            )
        if self.engine in LOCAL and self.runner is not None:
            with progress.wait(self.runner.starting):
                return self.runner.open(self.engine, self.isa, self.threads)
        if self.engine in LOCAL:
            return open_local(self.engine, self.isa, self.threads)
        if self.runner is not None:
            raise InputError(
                "--runner ray hands tiles to workers of its own; name no servers with --engine, or leave it out"
            )
        # grpcio takes a while to load, and most runs call nobody.
        from frbench.engines.remote import RemoteEngine

        return RemoteEngine(self.engine.split(","), credentials=self.credentials, threads=self.threads)

    def trained(self, templates: Templates) -> list[Finding]:
        """Subjects of `templates` that a matcher was trained on, if a list of those was given."""
        path = self.train_subjects
        return [] if path is None else trained(templates, read_subjects(path), str(path))

    def checkpoint(self) -> Checkpoint:
        """Where this run keeps what it has counted."""
        return Checkpoint(self.out, self.checkpoint_s, self.fresh)

    def edges(self, points: Sequence[OperatingPoint]) -> tuple[float, ...]:
        """The axis of the final tally."""
        regular = set(score_axis(self.axis_step, self.thresholds, self.axis_from))
        return tuple(sorted(regular | set(_set_thresholds(points))))

    def all_thresholds(self, points: Sequence[OperatingPoint]) -> list[float]:
        """Thresholds to report, increasing, each once."""
        return sorted(set(self.thresholds) | set(_set_thresholds(points)))

    def reported(self, points: Sequence[OperatingPoint]) -> Reported:
        """What results are asked for: thresholds, groups, and where thresholds came from."""
        return {"thresholds": self.all_thresholds(points), "groupings": self.groupings, "points": points}

    def require(self, templates: Templates) -> None:
        """Refuses templates without the labels that groups and population are made of.

        Raises
        ------
        InputError : a label column is missing, or differs within a subject.
        """
        templates.require_labels(self.population_columns, self.per_template)

    def require_population(self, templates: Templates) -> None:
        """Refuses a population of whom there is no row.

        Raises
        ------
        InputError : the message lists the labels that there are.
        """
        if self.population is None:
            return
        column, value = self.population
        if value not in templates.labels[column]:
            known = ", ".join(sorted(set(templates.labels[column]) - {""}))
            raise InputError(f"--at-population: no row has {column}={value}; the labels are {known}")


def population_of(text: str) -> tuple[str, str] | None:
    """Whom thresholds are set on, (column, label); None for everybody.

    Raises
    ------
    InputError : neither "all" nor COLUMN=LABEL.
    """
    if text == "all":
        return None
    column, equals, value = text.partition("=")
    if not equals or not column or not value:
        raise InputError(f"--at-population is '{text}', expected all or COLUMN=LABEL, such as sex=male")
    return column, value


def _set_thresholds(points: Sequence[OperatingPoint]) -> list[float]:
    return [point.threshold for point in points if point.threshold is not None]
