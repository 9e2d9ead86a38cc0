"""Counts runs inside a test-suite, each once, and answers what its tests ask of them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from frbench.api import Run, identify, verify
from frbench.choices import Failed
from frbench.errors import InputError, NoBaseline
from frbench.estimate import Estimate
from frbench.finished_run import FinishedRun
from frbench.gates import rates
from frbench.gates.gate import WITHOUT_BASELINE, gate
from frbench.gates.output import by_urgency, to_markdown
from frbench.gates.rules import Doubt, Rules
from frbench.gates.verdicts import Gate
from frbench.gates.words import headline, line


class GateWarning(UserWarning):
    """A row of a gate is inconclusive, and its rule says to warn."""


class GateFailed(AssertionError):
    """A gate does not pass; the message has the rows that keep it from doing so."""


@dataclass(frozen=True)
class Asked:
    """What is counted: a file of templates and how.

    kind : all pairs, or searches of a split in which the first row of each subject is enrolled.
    """

    templates: Path
    labels: Path | None = None
    group: tuple[str, ...] = ()
    at: str = ""
    thresholds: tuple[float, ...] = ()
    kind: Literal["verify", "identify"] = "verify"
    nonmated_subjects: int | None = None
    failed: Failed = "reject"

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others, the state of its files included."""
        stats = [path.stat() for path in (self.templates, self.labels) if path is not None and path.exists()]
        return (self, *((stat.st_mtime_ns, stat.st_size) for stat in stats))


@dataclass(frozen=True)
class Defaults:
    """What a project says once for all of its tests; paths are absolute. summary : a file that Markdown is added to."""

    rules: Path | None = None
    baseline: Path | None = None
    doubt: Doubt | None = None
    summary: Path | None = None


@dataclass
class Counts:
    """The runs that were counted so far; `make_directory` makes a new directory for one more."""

    make_directory: Callable[[str], Path]
    runs: dict[tuple[object, ...], FinishedRun] = field(default_factory=dict)

    def run(self, asked: Asked) -> FinishedRun:
        """The run of some templates, counted if it was not yet."""
        if asked.templates.is_dir():
            return FinishedRun.read(asked.templates)
        if asked.key not in self.runs:
            self.runs[asked.key] = _counted(asked, self.make_directory(asked.templates.stem))
        return self.runs[asked.key]


@dataclass(frozen=True)
class Counted:
    """A run in a test."""

    asked: Asked
    run: FinishedRun
    counts: Counts
    defaults: Defaults
    find: Callable[[str | Path], Path]

    def estimate(self, claim: str) -> Estimate:
        """The rate that a claim names, such as `fnmr[sex=female] at fmr=1e-3`, with its interval, k and n.

        Raises
        ------
        InputError : the run lacks what it names; the message lists what there is.
        """
        return rates.estimate(claim, self.run)

    def gate(
        self,
        rules: str | Path | None = None,
        *,
        baseline: str | Path | Counted | None = None,
        doubt: Doubt | None = None,
    ) -> Gate:
        """The verdict of the rules, if the run passes them.

        Parameters
        ----------
        rules : a TOML file; None takes the project's.
        baseline : a run directory, or templates that are counted as these were; None takes the project's, if any.
        doubt : what an inconclusive row does, instead of what the rules say.

        Raises
        ------
        GateFailed : a row fails, or is inconclusive and its rule does not allow that.
        NoBaseline : a rule is about a change, and there is no baseline.
        """
        path = self.defaults.rules if rules is None else self.find(rules)
        if path is None:
            raise InputError("no rules are given, and the option frbench_rules names none; expected gate('gates.toml')")
        checked = Rules.read(path, doubt=doubt or self.defaults.doubt)
        other = self._baseline(baseline) if checked.are_paired else None
        found = gate(self.run, checked, baseline=other)
        if self.defaults.summary is not None:
            with self.defaults.summary.open("a") as file:
                file.write(to_markdown(found))
        if found.exit_code:
            raise GateFailed(text(found))
        for row in found.rows:
            if row.outcome == "inconclusive" and row.rule.doubt == "warn":
                warnings.warn(GateWarning(f"inconclusive: {line(row).sentence}"), stacklevel=2)
        return found

    def _baseline(self, given: str | Path | Counted | None) -> FinishedRun | None:
        if isinstance(given, Counted):
            return given.run
        path = self.defaults.baseline if given is None else self.find(given)
        if path is None:
            return None
        if not path.exists():
            raise NoBaseline(f"there is no baseline at {path}; {WITHOUT_BASELINE}")
        fields = vars(self.asked) | {"templates": path}
        return self.counts.run(Asked(**fields))


def text(found: Gate) -> str:
    """The rows that keep a gate from passing, as a person reads them below a test."""
    rows = [row for row in by_urgency(found) if row.blocks]
    lines = [headline(found), f"run {found.run}" + (f", baseline {found.baseline}" if found.baseline else "")]
    return "\n".join([*lines, *(f"  {row.outcome}: {line(row).sentence}" for row in rows), f"note: {found.family}"])


def _counted(asked: Asked, out: Path) -> Run:
    shared: dict[str, Any] = {
        "labels": asked.labels,
        "by": asked.group,
        "at": asked.at,
        "thresholds": asked.thresholds,
        "out": out,
        "report": False,
        "command": tuple(sys.argv),
    }
    if asked.kind == "verify":
        return verify(asked.templates, failed=asked.failed, **shared)
    if asked.nonmated_subjects is not None:
        shared["nonmated_subjects"] = asked.nonmated_subjects
    return identify(asked.templates, **shared)


def groups_of(group: str | Sequence[str]) -> tuple[str, ...]:
    """Groupings, of which one may stand alone."""
    return (group,) if isinstance(group, str) else tuple(group)
