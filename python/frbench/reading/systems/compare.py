"""Compares two systems on the same trials: the paired difference of every rate with an interval of its own.

Both runs must be of the same template ids, subjects, labels and protocol; only what a matcher made of the images
differs. Thresholds that were set at a target rate are set again without each block, so that the doubt about them is
in the interval; given ones are held fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frbench.errors import InputError, NotComparable
from frbench.estimate import LEVEL, Estimate
from frbench.finished_run import FinishedRun
from frbench.plan import ALL, POPULATION, Group
from frbench.reading.rate import Rate, both_rates
from frbench.reading.systems.contrasts import contrasts
from frbench.reading.systems.paired import Paired, holm
from frbench.reading.systems.sides import Setting, failed_policy, sides

SCHEMA = "frbench.comparison"
VERSION = 1
PARTS = {
    "templates": "template ids",
    "subjects": "subjects of the templates",
    "labels": "labels of the templates",
    "pairs": "lists of pairs",
    "gallery": "galleries",
    "excluded": "excluded pairs",
}


@dataclass(frozen=True)
class Row:
    """One rate of both systems."""

    rate: Rate
    group: Group
    setting: Setting
    are_set_again: bool
    a: Estimate
    b: Estimate
    paired: Paired


def compare(
    a: FinishedRun, b: FinishedRun, *, thresholds: tuple[float, float] | None = None, rank: int | None = None
) -> dict[str, Any]:
    """What `comparison.json` says: rates of A and B, differences and ratios of B against A, by group.

    Parameters
    ----------
    thresholds : of A and of B, edges of their tallies; None takes those that both set at the same target.
    rank : at which misses of 1:N are compared; None takes the lowest that both counted.

    Raises
    ------
    NotComparable : the runs are not of the same trials; the message names the first difference.
    EdgeNotInPlan : a threshold is not an edge of the tally it was given for.
    """
    refuse_others(a, b)
    settings, notes = _settings(a, b, thresholds)
    chosen = None
    if a.results["kind"] == "identify":
        settings.append(Setting((None, None)))
        chosen = _rank(a, b, rank)
    groupings = _groupings(a, b)
    rates = both_rates(a.tally.plan.kind, rank=chosen, failed=failed_policy(a))
    # A search belongs to one group.
    groups = a.tally.plan.everybody_and(groupings, pairs=chosen is None)
    rows = [row for setting in settings for group in groups for row in _rows(a, b, setting, rates, group)]
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "kind": a.results["kind"],
        "a": described(a),
        "b": described(b),
        "failed_policy": failed_policy(a),
        "blocks": a.tally.plan.n_blocks,
        "population": dict(a.tally.plan.details[POPULATION]),
        "settings": [asdict(setting) | {"thresholds": list(setting.thresholds)} for setting in settings],
        "rows": _with_holm(rows),
        "differentials": [row for setting in settings for row in contrasts(a, b, setting, rates, groupings)],
        "notes": [*notes, *_notes(a, b, settings)],
    }


def refuse_others(a: FinishedRun, b: FinishedRun) -> None:
    """Raises NotComparable if the two runs are not of the same trials, and names the first difference."""
    kinds = [run.results["kind"] for run in (a, b)]
    for run, kind in zip((a, b), kinds, strict=True):
        if kind not in ("verify", "identify"):
            raise NotComparable(
                f"{run.name} is of kind {kind}, expected verify or identify for error rates, latency or load for times"
            )
    _refuse_unless_equal("kinds of run", a, b, kinds)
    _refuse_unless_equal("kinds of trial", a, b, [run.tally.plan.kind for run in (a, b)])
    _refuse_unless_equal("policies for failed templates (--failed)", a, b, [failed_policy(run) for run in (a, b)])
    _refuse_unless_equal("columns of groups (--group)", a, b, [",".join(run.tally.plan.columns) for run in (a, b)])
    _refuse_unless_equal("numbers of blocks (--blocks)", a, b, [run.tally.plan.n_blocks for run in (a, b)])
    whose = []
    for run in (a, b):
        if POPULATION not in run.tally.plan.details:
            if "recorded" in run.results:
                raise NotComparable(
                    f"{run.name} is of a recorded file that names no templates, or was counted by an earlier release: "
                    "nobody can tell whether both runs are of the same trials"
                )
            raise NotComparable(f"{run.name} does not say whose trials it counted; recount it with this release")
        whose.append(run.tally.plan.details[POPULATION])
    for part, words in PARTS.items():
        if whose[0].get(part) != whose[1].get(part):
            raise NotComparable(f"{a.name} and {b.name} have other {words}: only the same trials can be compared")


def _refuse_unless_equal(what: str, a: FinishedRun, b: FinishedRun, values: Sequence[Any]) -> None:
    if values[0] != values[1]:
        own = " and ".join(f"{value!r} ({run.name})" for run, value in zip((a, b), values, strict=True))
        raise NotComparable(f"the runs have other {what}: {own}; recount one of them with the other's options")


def described(run: FinishedRun) -> dict[str, Any]:
    """A run as comparisons name it: its name, its plan and its inputs."""
    return {"name": run.name, "plan": run.tally.plan.digest, "inputs": list(run.manifest["inputs"])}


def _settings(a: FinishedRun, b: FinishedRun, given: tuple[float, float] | None) -> tuple[list[Setting], list[str]]:
    """Thresholds to compare at, and a sentence for each target that one of the runs did not reach."""
    if given is not None:
        return [Setting(given)], []
    common = [key for key in a.points if key in b.points]
    if not common and a.results["kind"] == "identify":
        return [], ["no thresholds were set at the same rate of the same population: ranks alone are compared"]
    if not common:
        raise NotComparable(
            f"{a.name} and {b.name} have no thresholds that were set at the same rate of the same population; recount "
            "both with the same --at, or give --threshold-a and --threshold-b"
        )
    settings, notes = [], []
    for at, population in common:
        points = [run.points[at, population] for run in (a, b)]
        missing = [
            f"{run.name}: {p['reason']}" for run, p in zip((a, b), points, strict=True) if p["threshold"] is None
        ]
        if missing:
            notes.append(f"{at} is not compared, there is no threshold in {'; '.join(missing)}")
        else:
            settings.append(Setting((points[0]["threshold"], points[1]["threshold"]), at, population))
    return settings, notes


def _rank(a: FinishedRun, b: FinishedRun, wanted: int | None) -> int:
    common = sorted(set(a.results["ranks"]) & set(b.results["ranks"]))
    if not common:
        raise InputError("no rank was counted by both runs; recount one of them with the other's --ranks")
    if wanted is not None and wanted not in common:
        raise InputError(f"rank {wanted} was not counted by both runs, only {', '.join(map(str, common))}")
    return common[0] if wanted is None else wanted


def _groupings(a: FinishedRun, b: FinishedRun) -> list[tuple[str, ...]]:
    """Groupings that both runs report."""
    return [tuple(g.split(",")) for g in a.results["groupings"] if g != ALL and g in b.results["groupings"]]


def _rows(a: FinishedRun, b: FinishedRun, setting: Setting, rates: tuple[Rate, Rate], group: Group) -> Iterator[Row]:
    for rate in rates:
        if rate.metric != "fnir" and None in setting.thresholds:
            continue
        found = sides(a, b, setting, rate, group)
        if found.a.n or found.b.n or group.is_within:
            yield Row(rate, group, setting, found.are_set_again, found.a, found.b, found.paired())


def _notes(a: FinishedRun, b: FinishedRun, settings: Sequence[Setting]) -> Iterator[str]:
    for one, other in ((a, b), (b, a)):
        alone = [g for g in one.results["groupings"] if g != ALL and g not in other.results["groupings"]]
        if alone:
            yield f"groups by {'; '.join(alone)} are not compared: {other.name} does not report them"
    lost = [sum(run.tally.pick(mated=m).unscored for m in (False, True)) for run in (a, b)]
    if lost[0] != lost[1]:
        own = f"{lost[0]:,} trials of A and {lost[1]:,} of B have a failed template"
        if failed_policy(a) == "exclude":
            yield f"{own} and are excluded: each system is rated on the trials that it completed, not on the same ones"
        else:
            yield f"{own}; they stay in the denominators ({failed_policy(a)})"
    is_one = all(setting.thresholds[0] == setting.thresholds[1] for setting in settings)
    if is_one and a.tally.plan.digest == b.tally.plan.digest:
        yield "A and B are of the same templates: every difference is 0"


def _with_holm(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as JSON, with probabilities that hold for all rows of the same thresholds at once."""
    out = []
    for setting in dict.fromkeys(row.setting for row in rows):
        family = [row for row in rows if row.setting == setting]
        adjusted = holm([row.paired.p for row in family])
        n_tested = sum(p is not None for p in adjusted)
        out += [_json(row, p, n_tested) for row, p in zip(family, adjusted, strict=True)]
    return out


def _json(row: Row, p_holm: float | None, n_tested: int) -> dict[str, Any]:
    return {
        "metric": row.rate.metric,
        "at": row.setting.at,
        "thresholds": list(row.setting.thresholds),
        "thresholds_set_again": row.are_set_again,
        **row.group.pair_key("identify" if row.rate.metric in ("fpir", "fnir") else "verify"),
        "rank": row.rate.rank,
        "a": row.a.to_json(),
        "b": row.b.to_json(),
        **row.paired.to_json(),
        "p_holm": p_holm,
        "verdict": verdict(row.paired, p_holm, n_tested),
    }


def verdict(found: Paired, p_holm: float | None = None, n_tested: int = 1) -> str:
    """What a difference says, in words: never that there is none, but what would have been seen."""
    if found.difference is None or found.low is None or found.high is None:
        return found.reason
    if found.error is None and not found.is_detected:
        return f"nothing tells them apart; the difference lies between {found.low:.3g} and {found.high:.3g}"
    if found.error == 0 and found.difference == 0:
        return "equal, without every block of subjects too"
    if not found.is_detected:
        return f"no difference was detected; one of {found.detectable:.3g} would have been, with 80% power"
    lower = found.difference < 0
    size = sorted((abs(found.low), abs(found.high)))
    words = (
        f"B is {'lower' if lower else 'higher'} by {abs(found.difference):.3g} "
        f"({found.level:.0%} interval {size[0]:.3g} to {size[1]:.3g})"
    )
    if p_holm is not None and p_holm > 1 - LEVEL:
        words += f"; among {n_tested} differences, one may be so large by chance"
    return words
