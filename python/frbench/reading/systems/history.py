"""Lines up the figures of many runs, among those whose figures may stand in one line.

Rates stand in one line where the trials are the same: kind, protocol, people, labels. Times stand in one line where
the machine and the work are the same. Other runs are a population of their own, and what differs is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from frbench.errors import FormatError, FrbenchError, InputError
from frbench.finished_run import FinishedRun
from frbench.plan import POPULATION
from frbench.reading.systems.compare import PARTS
from frbench.reading.systems.run_figures import Figure, Name, rates_of
from frbench.reading.systems.time_figures import WORK, times_of

SCHEMA = "frbench.history"
VERSION = 1
TIMED = ("latency", "load")
KINDS = ("verify", "identify", *TIMED)
Order = Literal["time", "version"]
UNKNOWN = "whose trials were counted, which this run does not say"


@dataclass(frozen=True, eq=False)
class Past:
    """One run of the past. name : its directory. key : what must be equal for figures to stand in one line, by name."""

    name: str
    created: str
    frbench: str
    plan: str
    key: Mapping[str, str]
    figures: Mapping[Name, Figure]

    @classmethod
    def of(cls, run: FinishedRun, name: str) -> Past:
        """A run, called `name`.

        Raises
        ------
        FormatError : another kind of run, or its results are not as a run writes them.
        """
        kind = run.results["kind"]
        if kind not in KINDS:
            raise FormatError(f"is a {kind} run, expected one of {', '.join(KINDS)}")
        try:
            created, version = (str(run.manifest.get(entry, "")) for entry in ("created", "frbench"))
            return cls(name, created, version, run.tally.plan.digest, _key(run, name), _figures(run))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FormatError(
                f"its results.json is damaged at {error}, expected that of a run; count it again"
            ) from error


@dataclass(frozen=True, eq=False)
class Line:
    """Runs whose figures may stand in one line, in order. differs : in what they differ from the first such runs."""

    kind: str
    differs: Sequence[str]
    runs: Sequence[Past]

    @property
    def names(self) -> list[Name]:
        """Every figure that any of the runs has, in the order in which they appear."""
        return list(dict.fromkeys(name for run in self.runs for name in run.figures))

    def points(self, name: Name) -> list[tuple[Past, Figure]]:
        """The runs that have a figure, and it."""
        return [(run, run.figures[name]) for run in self.runs if name in run.figures]


@dataclass(frozen=True, eq=False)
class History:
    """All lines below a directory, that with most runs first. left_out : (run, reason)."""

    directory: str
    order: Order
    lines: Sequence[Line]
    left_out: Sequence[tuple[str, str]]

    def to_json(self) -> dict[str, Any]:
        """What `frbench history --json` prints."""
        return {
            "schema": SCHEMA,
            "schema_version": VERSION,
            "directory": self.directory,
            "order": self.order,
            "populations": [_line_json(line) for line in self.lines],
            "left_out": [{"run": name, "reason": reason} for name, reason in self.left_out],
        }


def read(directory: Path, *, order: Order = "time") -> History:
    """The history of all runs that lie below `directory`.

    order : "time" of each run, or "version": by name, numbers in it as numbers.

    Raises
    ------
    InputError : there is no run; the message says why those that look like one are none.
    """
    runs, left_out = [], []
    for path in sorted(directory.rglob("results.json")):
        name = path.parent.relative_to(directory).as_posix()
        name = directory.resolve().name if name == "." else name
        try:
            runs.append(Past.of(FinishedRun.read(path.parent), name))
        except FrbenchError as error:
            left_out.append((name, str(error)))
    if not runs:
        why = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ", expected directories with results.json"
        raise InputError(f"{directory} holds no run{why}")
    return History(str(directory), order, _lines(_ordered(runs, order)), left_out)


def _ordered(runs: Sequence[Past], order: Order) -> list[Past]:
    def by_version(run: Past) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", run.name)
        return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]

    return sorted(runs, key=by_version if order == "version" else lambda run: (run.created, by_version(run)))


def _lines(runs: Sequence[Past]) -> list[Line]:
    by_key: dict[tuple[tuple[str, str], ...], list[Past]] = {}
    for run in runs:
        by_key.setdefault(tuple(sorted(run.key.items())), []).append(run)
    ordered = sorted(by_key.values(), key=len, reverse=True)
    first = ordered[0][0].key
    return [Line(own[0].key["kind of run"], _differences(first, own[0].key), own) for own in ordered]


def _differences(first: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """Names of what differs; where the kind does, everything else does."""
    if first["kind of run"] != own["kind of run"]:
        return ["kind of run"]
    return [name for name in dict.fromkeys([*first, *own]) if first.get(name) != own.get(name)]


def _key(run: FinishedRun, name: str) -> dict[str, str]:
    found = {"kind of run": run.results["kind"]}
    if run.results["kind"] in TIMED:
        return found | dict(_work(run))
    found |= {
        "kind of trial": run.tally.plan.kind,
        "policy for failed templates": run.results.get("failed_policy", "reject"),
        "columns of groups": ",".join(run.tally.plan.columns),
    }
    population = run.tally.plan.details.get(POPULATION)
    if population is None:
        return found | {UNKNOWN: name}
    return found | {words: population[part] for part, words in PARTS.items() if part in population}


def _figures(run: FinishedRun) -> dict[Name, Figure]:
    if run.results["kind"] in TIMED:
        return {name: found.figure for name, found in times_of(run.results, run.tally).items()}
    return rates_of(run.results)


def _work(run: FinishedRun) -> Iterator[tuple[str, str]]:
    """What a time depends on beside the software that is timed."""
    for entry, words in WORK[run.results["kind"]].items():
        yield words, str(run.results[entry])
    yield "dimensions", str(run.results["dimension"])
    machine = run.manifest.get("machine", {})
    yield "machine", ", ".join(f"{name} {value}" for name, value in sorted(machine.items()))
    yield "threads", str(run.manifest.get("engine", {}).get("threads", ""))
    yield "inputs", ", ".join(sorted(source["sha256"] for source in run.manifest["inputs"]))


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "differs": list(line.differs),
        "runs": [{"run": r.name, "created": r.created, "frbench": r.frbench, "plan": r.plan} for r in line.runs],
        "figures": [
            {**name._asdict(), "points": [{"run": run.name, **asdict(figure)} for run, figure in line.points(name)]}
            for name in line.names
        ],
    }
