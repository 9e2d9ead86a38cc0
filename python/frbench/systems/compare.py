"""Compare: two systems on the same trials, the paired difference of every rate with an interval of its own.

Both runs must be of the same template ids, subjects, labels and protocol; only what a matcher made of the images
differs. Thresholds that were set at a target rate are set again without each block, so that the doubt about them is
in the interval; given ones are held fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frbench import files, metrics
from frbench.errors import FormatError, InputError, NotComparable
from frbench.estimate import LEVEL, Estimate
from frbench.metrics import Failed, Pair
from frbench.plan import ALL, OVERALL, POPULATION, name_of
from frbench.systems.paired import Paired, Rate, holm, paired
from frbench.systems.replicates import Edges, Trials, held, set_again
from frbench.tally import Tally

SCHEMA = "frbench.comparison"
VERSION = 1
BY_CONSTRUCTION = "both thresholds were set at this rate on these trials"
PARTS = {
    "templates": "template ids",
    "subjects": "subjects of the templates",
    "labels": "labels of the templates",
    "pairs": "lists of pairs",
    "gallery": "galleries",
    "excluded": "excluded pairs",
}


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: its name, what it found, what produced it, and its counts."""

    name: str
    results: Mapping[str, Any]
    manifest: Mapping[str, Any]
    tally: Tally

    @classmethod
    def read(cls, directory: Path) -> Run:
        """The run that was written to `directory`.

        Raises
        ------
        FormatError : a file is missing, damaged, or of another run.
        """
        results = files.read_json(directory / "results.json", schema="frbench.results")
        manifest = files.read_json(directory / "manifest.json", schema="frbench.manifest")
        tally = files.load_tally(directory / "tally.safetensors")
        if not results["plan"] == manifest["plan"] == tally.plan.digest:
            raise FormatError(f"{directory} holds files of several runs; count it again")
        return cls(str(directory), results, manifest, tally)

    @property
    def points(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Operating points by target and population."""
        return {(point["at"], point["population"]): point for point in self.results["operating_points"]}


@dataclass(frozen=True)
class Setting:
    """A threshold of A and one of B, None for no threshold.

    at : the target that both were set at, "" if they were given; population : whom they were set on.
    """

    thresholds: tuple[float | None, float | None]
    at: str = ""
    population: str = ""


@dataclass(frozen=True)
class Quantity:
    """A rate that both runs have: fmr, fnmr, fpir or fnir, of a group or of everybody, fnir at a rank."""

    metric: str
    grouping: tuple[str, ...] = ()
    group: Pair | None = None
    rank: int | None = None

    def estimate(self, run: Run, threshold: float | None) -> Estimate:
        """The rate of one run, as its results have it."""
        name = None if self.group is None else self.group[0]
        if self.rank is not None:
            return metrics.fnir(run.tally, threshold, rank=self.rank, grouping=self.grouping, group=name)
        if threshold is None:
            raise InputError(f"{self.metric} has no value without a threshold")
        if self.metric == "fpir":
            return metrics.fpir(run.tally, threshold, grouping=self.grouping, group=name)
        share = metrics.fmr if self.metric == "fmr" else metrics.fnmr
        return share(run.tally, threshold, grouping=self.grouping, group=self.group, failed=_failed(run))

    def trials(self, run: Run) -> Trials:
        """The trials of one run."""
        are_misses = self.metric in ("fnmr", "fnir")
        everything = run.tally.pick(mated=are_misses, grouping=self.grouping, groups=self.group)
        if self.rank is None:
            return Trials(everything, everything, are_misses, _failed(run))
        within = range(run.tally.plan.details["ranks"].index(self.rank) + 1)
        hits = run.tally.pick(mated=True, grouping=self.grouping, groups=self.group, parts=within)
        return Trials(everything, hits, are_misses, _failed(run))


@dataclass(frozen=True)
class Sides:
    """One rate of both systems, and what it is without each block of subjects.

    rates : None where one of them has no trials. reason : why the difference has no interval, if somebody knows.
    """

    a: Estimate
    b: Estimate
    rates: tuple[Rate, Rate] | None
    are_set_again: bool
    reason: str = ""

    def paired(self, level: float = LEVEL) -> Paired:
        """The difference and the ratio, at any level."""
        if self.rates is None:
            return Paired(reason=(self.b if self.a.n else self.a).reason)
        independent = self.a.n_effective, self.b.n_effective
        return paired(*self.rates, reason=self.reason, independent=independent, level=level)


@dataclass(frozen=True)
class Row:
    """One rate of both systems."""

    quantity: Quantity
    setting: Setting
    are_set_again: bool
    a: Estimate
    b: Estimate
    paired: Paired


def compare(
    a: Run, b: Run, *, thresholds: tuple[float, float] | None = None, rank: int | None = None
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
    quantities = _quantities(a, b, chosen)
    rows = [row for setting in settings for row in _rows(a, b, setting, quantities)]
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "kind": a.results["kind"],
        "a": _described(a),
        "b": _described(b),
        "failed_policy": _failed(a),
        "blocks": a.tally.plan.n_blocks,
        "population": dict(a.tally.plan.details[POPULATION]),
        "settings": [asdict(setting) | {"thresholds": list(setting.thresholds)} for setting in settings],
        "rows": _with_holm(rows),
        "notes": [*notes, *_notes(a, b)],
    }


def refuse_others(a: Run, b: Run) -> None:
    """Raises NotComparable if the two runs are not of the same trials, and names the first difference."""
    kinds = [run.results["kind"] for run in (a, b)]
    for run, kind in zip((a, b), kinds, strict=True):
        if kind not in ("verify", "identify"):
            raise NotComparable(
                f"{run.name} is a {kind} run, expected one of verify or identify: they have error rates"
            )
    _refuse_unless_equal("kinds of run", a, b, kinds)
    _refuse_unless_equal("kinds of trial", a, b, [run.tally.plan.kind for run in (a, b)])
    _refuse_unless_equal("policies for failed templates (--failed)", a, b, [_failed(run) for run in (a, b)])
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


def _refuse_unless_equal(what: str, a: Run, b: Run, values: Sequence[Any]) -> None:
    if values[0] != values[1]:
        own = " and ".join(f"{value!r} ({run.name})" for run, value in zip((a, b), values, strict=True))
        raise NotComparable(f"the runs have other {what}: {own}; recount one of them with the other's options")


def _failed(run: Run) -> Failed:
    policy: Failed = run.results.get("failed_policy", "reject")
    return policy


def _columns(title: str) -> tuple[str, ...]:
    return tuple(title.split(","))


def _described(run: Run) -> dict[str, Any]:
    return {"name": run.name, "plan": run.tally.plan.digest, "inputs": list(run.manifest["inputs"])}


def _settings(a: Run, b: Run, given: tuple[float, float] | None) -> tuple[list[Setting], list[str]]:
    """Thresholds to compare at, and a sentence for each target that one of the runs did not reach."""
    if given is not None:
        return [Setting(given)], []
    common = [key for key in a.points if key in b.points]
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


def _rank(a: Run, b: Run, wanted: int | None) -> int:
    common = sorted(set(a.results["ranks"]) & set(b.results["ranks"]))
    if not common or (wanted is not None and wanted not in common):
        asked = "no rank" if wanted is None else f"rank {wanted}"
        raise InputError(f"{asked} was counted by both runs, only {', '.join(map(str, common)) or 'other ones'}")
    return common[0] if wanted is None else wanted


def _quantities(a: Run, b: Run, rank: int | None) -> list[Quantity]:
    """Rates of everybody, and of the groups of every grouping that both runs report."""
    both = [_columns(g) for g in a.results["groupings"] if g != ALL and g in b.results["groupings"]]
    groups: list[tuple[tuple[str, ...], Pair | None]] = [((), None)]
    groups += [(grouping, pair) for grouping in both for pair in _pairs(a.tally, grouping)]
    if rank is None:
        return [Quantity(metric, *group) for group in groups for metric in ("fmr", "fnmr")]
    return [q for group in groups for q in (Quantity("fpir", *group), Quantity("fnir", *group, rank))]


def _pairs(tally: Tally, grouping: Sequence[str]) -> list[Pair]:
    """Pairs of groups; a search belongs to one group."""
    names = sorted(set(tally.plan.group_names(grouping)))
    is_search = tally.plan.kind == "identify"
    return [(x, y) for i, x in enumerate(names) for y in names[i:] if x == y or not is_search]


def _rows(a: Run, b: Run, setting: Setting, quantities: Sequence[Quantity]) -> Iterator[Row]:
    for quantity in quantities:
        if quantity.rank is None and None in setting.thresholds:
            continue
        found = sides(a, b, setting, quantity)
        is_within = quantity.group is None or quantity.group[0] == quantity.group[1]
        if found.a.n or found.b.n or is_within:
            yield Row(quantity, setting, found.are_set_again, found.a, found.b, found.paired())


def sides(a: Run, b: Run, setting: Setting, quantity: Quantity) -> Sides:
    """One rate of both systems at one setting, thresholds set again without each block where a target set them.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally it was given for.
    """
    runs = list(zip((a, b), setting.thresholds, strict=True))
    edges = [_edges(run, setting, threshold) for run, threshold in runs]
    are_set_again = all(side.are_set_again for side in edges)
    of_a, of_b = (quantity.estimate(run, threshold) for run, threshold in runs)
    if not (of_a.n and of_b.n):
        return Sides(of_a, of_b, None, are_set_again)
    rate_a, rate_b = (quantity.trials(run).rate(edge) for (run, _), edge in zip(runs, edges, strict=True))
    known = next((e.reason for e in (of_a, of_b) if e.low is None), "")
    reason = BY_CONSTRUCTION if are_set_again and is_target(a, setting, quantity) else known
    return Sides(of_a, of_b, (rate_a, rate_b), are_set_again, reason)


def _edges(run: Run, setting: Setting, threshold: float | None) -> Edges:
    """Where a rate is read without each block: at the threshold of everybody, or at that which meets the target."""
    tally = run.tally
    if threshold is None:
        return held(-1, tally.plan.n_blocks)
    edge = tally.edge(threshold)
    target = _target(run, setting)
    if target is None:
        return held(edge, tally.plan.n_blocks)
    grouping, group = target
    return set_again(tally.pick(mated=False, grouping=grouping, groups=group), edge, _failed(run))


def _target(run: Run, setting: Setting) -> tuple[tuple[str, ...], Pair | None] | None:
    """Grouping and group whose non-mated trials the threshold was set on; None if the tally does not hold them."""
    metric = setting.at.partition("=")[0]
    if metric != ("fpir" if run.results["kind"] == "identify" else "fmr"):
        return None
    population = run.manifest["options"]["at_population"]
    if population == "all":
        return (), None
    column, _, value = population.partition("=")
    name = name_of([value])
    return ((column,), (name, name)) if column in run.tally.plan.columns else None


def is_target(run: Run, setting: Setting, quantity: Quantity) -> bool:
    """Whether a rate is the one that thresholds were set at, on the same trials."""
    is_same_metric = quantity.metric == setting.at.partition("=")[0]
    return is_same_metric and _target(run, setting) == (quantity.grouping, quantity.group)


def _notes(a: Run, b: Run) -> Iterator[str]:
    lost = [sum(run.tally.pick(mated=m).unscored for m in (False, True)) for run in (a, b)]
    if lost[0] != lost[1]:
        own = f"{lost[0]:,} trials of A and {lost[1]:,} of B have a failed template"
        if _failed(a) == "exclude":
            yield f"{own} and are excluded: each system is rated on the trials that it completed, not on the same ones"
        else:
            yield f"{own}; they stay in the denominators ({_failed(a)})"
    if a.tally.plan.digest == b.tally.plan.digest:
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
    quantity = row.quantity
    default = OVERALL if quantity.metric in ("fpir", "fnir") else ALL
    x, y = quantity.group or (default, default)
    return {
        "metric": quantity.metric,
        "at": row.setting.at,
        "thresholds": list(row.setting.thresholds),
        "thresholds_set_again": row.are_set_again,
        "grouping": ",".join(quantity.grouping) or ALL,
        "group_a": x,
        "group_b": y,
        "rank": quantity.rank,
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
