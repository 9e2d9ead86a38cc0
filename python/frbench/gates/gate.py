"""Opens a run, a baseline and rules, looks up what the rules name, and judges all of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from frbench import files
from frbench.errors import FormatError, InputError, InvalidRun, NoBaseline, NotComparable
from frbench.finished_run import FinishedRun
from frbench.gates import benchmarks, interleaved, rates, times
from frbench.gates.asked import Asked
from frbench.gates.benchmarks import Benchmarks
from frbench.gates.interleaved import Interleaved
from frbench.gates.rules import Doubt, Rule, Rules, default_for_times
from frbench.gates.verdicts import Gate, judged
from frbench.reading.systems.compare import refuse_others

Source = FinishedRun | Benchmarks | Interleaved
RATE_KINDS = ("verify", "identify")
AB = "ab.json"
WITHOUT_BASELINE = "give --baseline, such as the run of the main branch"


def read(path: Path) -> Source:
    """What stands at a path: a run directory, or a file of pytest-benchmark or of `frbench ab`.

    Raises
    ------
    FormatError : missing, damaged, or something else.
    """
    if path.is_dir() and not (path / "results.json").exists() and (path / AB).exists():
        return read(path / AB)
    if path.is_dir() or not path.exists():
        return FinishedRun.read(path)
    said = files.read_json(path)
    if said.get("schema") == interleaved.SCHEMA:
        return Interleaved.parse(said, str(path))
    if "benchmarks" in said:
        return Benchmarks.parse(said, str(path))
    raise FormatError(f"{path} is no run directory, no file of pytest-benchmark and none of frbench ab")


def read_baseline(path: Path | None) -> Source | None:
    """What stands at the path of a baseline; None without a path.

    Raises
    ------
    NoBaseline : there is nothing.
    """
    if path is not None and not path.exists():
        raise NoBaseline(f"there is no baseline at {path}; {WITHOUT_BASELINE}")
    return None if path is None else read(path)


def default_rules(run: Source, doubt: Doubt | None = None) -> Rules:
    """The rules without a file: of `frbench ab` what it was asked, of pytest-benchmark that no median rises by 5%.

    Raises
    ------
    InputError : a run has none.
    """
    if isinstance(run, FinishedRun):
        raise InputError(f"{run.name} is a run, and there are no rules for it; give --rules gates.toml")
    return run.rules(doubt) if isinstance(run, Interleaved) else default_for_times(doubt)


def gate(run: Source, rules: Rules, *, baseline: Source | None = None, allows_other_machines: bool = False) -> Gate:
    """What the rules find of a run.

    Raises
    ------
    InputError : a rule names something that the run does not have; the message lists what it has.
    NoBaseline : a rule is about a change, and there is nothing to compare with.
    NotComparable : the baseline is of other trials or of another machine.
    InvalidRun : a measurement shows nothing.
    """
    if isinstance(run, Interleaved) and baseline is not None:
        raise InputError(f"{run.name} holds both sides, and A is the baseline of B; leave out --baseline")
    for source in (run, baseline):
        if isinstance(source, FinishedRun) and not source.tally.is_complete:
            raise InvalidRun(f"{source.name} has not counted all of its trials; the same command goes on where it was")
    if rules.are_paired and not isinstance(run, Interleaved):
        if baseline is None:
            raise NoBaseline(f"{rules.name} has rules about changes, and there is no baseline; {WITHOUT_BASELINE}")
        _refuse_others(run, baseline, allows_other_machines)
    rows: list[Asked] = []
    for rule in rules.rules:
        found = list(_asked(rule, run, baseline))
        if not found:
            raise rule.refused(f"{run.name} has nothing that it is about")
        rows += found
    name = baseline.name if baseline is not None and rules.are_paired else ""
    return judged(rows, rules, run=run.name, baseline=name, notes=_notes(run, baseline if rules.are_paired else None))


def _asked(rule: Rule, run: Source, baseline: Source | None) -> Sequence[Asked]:
    """The rows of a rule, with everything that it names looked up."""
    if isinstance(run, Interleaved):
        return list(interleaved.asked(rule, run))
    if isinstance(run, Benchmarks):
        if not isinstance(baseline, Benchmarks):
            raise NoBaseline(f"medians of {run.name} are held against those of a baseline; {WITHOUT_BASELINE}")
        return list(benchmarks.asked(rule, run, baseline))
    other = baseline if isinstance(baseline, FinishedRun) else None
    if run.results["kind"] in RATE_KINDS:
        return list(rates.asked(rule, run, other))
    return list(times.asked(rule, run, other))


def _refuse_others(run: Source, baseline: Source, allows_other_machines: bool) -> None:
    """Raises NotComparable if the two are not of the same trials, or of one machine."""
    if isinstance(run, Benchmarks) and isinstance(baseline, Benchmarks):
        benchmarks.refuse_others(run, baseline, allows_other_machines=allows_other_machines)
    elif isinstance(run, FinishedRun) and isinstance(baseline, FinishedRun):
        if run.results["kind"] in RATE_KINDS:
            refuse_others(baseline, run)
        else:
            times.refuse_others(run, baseline, allows_other_machines=allows_other_machines)
    else:
        raise NotComparable(f"{run.name} and {baseline.name} are not of one kind, expected two runs or two files")


def _notes(run: Source, baseline: Source | None) -> list[str]:
    """What a person should know besides the figures."""
    if isinstance(run, Interleaved):
        limit = "" if run.max_slowdown is None else f" with a limit of {100 * run.max_slowdown:+.4g}%"
        return [f"frbench ab{limit}: {run.outcome}", *run.notes]
    notes = []
    if isinstance(run, FinishedRun) and isinstance(baseline, FinishedRun) and run.results["kind"] in RATE_KINDS:
        if run.tally.plan.digest == baseline.tally.plan.digest:
            notes.append("run and baseline are of the same templates: no rate can have changed")
        return notes
    if baseline is not None:
        notes.append(
            "run and baseline were timed one after the other: what the machine did besides in only one of them is in "
            "the ratio; `frbench ab` takes turns"
        )
    return notes
