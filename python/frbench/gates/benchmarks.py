"""Reads the rounds that pytest-benchmark saved, and the ratio of two medians with a bootstrap interval.

`pytest --benchmark-json=new.json` keeps the time of every round. The rounds of one benchmark are of one process: how
processes differ is not in them, and rounds that follow each other are alike, so that they count as fewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from frbench.errors import FormatError, NotComparable
from frbench.gates.asked import Asked
from frbench.gates.claims import MEDIAN
from frbench.gates.reading import Count, Reading, Size
from frbench.gates.rules import Rule
from frbench.inputs.arrays import Floats

LEAST_ROUNDS = 8
DRAWS = 100_000
SEED = 20241122
METHOD = "bootstrap of the medians of rounds that count as fewer where they are alike"
MACHINE = ("node", "machine", "system", "python_implementation", "python_version")
PROCESSOR = ("brand_raw", "count", "arch")


@dataclass(frozen=True, eq=False)
class Benchmarks:
    """What one file says: seconds of every round by the full name of each benchmark, and the machine."""

    name: str
    rounds: Mapping[str, Floats]
    machine: Mapping[str, Any]

    @classmethod
    def parse(cls, said: Mapping[str, Any], name: str) -> Benchmarks:
        """The benchmarks of a JSON document.

        Raises
        ------
        FormatError : it lacks the times of rounds; the message says how they are saved.
        """
        try:
            found = {b["fullname"]: np.asarray(b["stats"]["data"], dtype=np.float64) for b in said["benchmarks"]}
            cpu = said["machine_info"].get("cpu", {})
            machine = {key: said["machine_info"].get(key) for key in MACHINE}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"{name} lacks {error}: expected the times of every round, as pytest --benchmark-json or "
                "--benchmark-save-data writes them"
            ) from error
        for benchmark, times in found.items():
            if times.ndim != 1 or not len(times) or not (np.isfinite(times).all() and (times > 0).all()):
                raise FormatError(f"{name} has times of '{benchmark}' that are none, expected seconds above 0")
        return cls(name, found, machine | {key: cpu.get(key) for key in PROCESSOR})


def refuse_others(run: Benchmarks, baseline: Benchmarks, *, allows_other_machines: bool) -> None:
    """Raises NotComparable if two files are of two machines or interpreters, and names the first difference."""
    for key in () if allows_other_machines else run.machine:
        own, other = run.machine[key], baseline.machine.get(key)
        if own != other:
            raise NotComparable(
                f"{run.name} and {baseline.name} are of two machines: {key} is {own} and {other}; run both on one, or "
                "give --allow-other-machine"
            )


def asked(rule: Rule, run: Benchmarks, baseline: Benchmarks) -> Iterator[Asked]:
    """The rows of a rule about medians; a benchmark that one of the files lacks has a row that says so.

    Raises
    ------
    InputError : neither file has the benchmark; the message lists those of the run.
    """
    names = list(dict.fromkeys([*run.rounds, *baseline.rounds]))
    if rule.claim.metric != MEDIAN:
        raise rule.refused(f"{run.name} holds times of benchmarks, expected change = 'median' or 'median[NAME]'")
    if rule.whose is None:
        if rule.claim.select not in names:
            raise rule.refused(f"there is no benchmark '{rule.claim.select}', only {', '.join(names) or 'none'}")
        names = [rule.claim.select]
    for name in names:
        yield Asked(rule, f"change of {rule.claim.of(name)}", "ratio", partial(_change, run, baseline, name))


def _change(run: Benchmarks, baseline: Benchmarks, name: str) -> Reading:
    missing = next((side.name for side in (run, baseline) if name not in side.rounds), None)
    if missing is not None:
        return Reading(None, reason=f"{missing} has no such benchmark")
    return ratio_of_medians(baseline.rounds[name], run.rounds[name])


def ratio_of_medians(old: Floats, new: Floats) -> Reading:
    """The median of new rounds over that of old ones.

    The median of n draws with replacement from n rounds lies at the place of a beta variable among them, so that it
    is drawn as such, without drawing the rounds.

    Source: Efron (1979) for the exact distribution of a bootstrapped median.
    """
    counts = Count("baseline", len(old), "rounds"), Count("run", len(new), "rounds")
    value = float(np.median(new) / np.median(old))
    effective = [effective_rounds(side) for side in (old, new)]
    size = Size(min(len(old), len(new)), "rounds")
    if min(effective) < LEAST_ROUNDS:
        known = f"rounds that count as {min(effective):.0f}, at least {LEAST_ROUNDS} are needed"
        return Reading(value, counts=counts, size=size, reason=f"interval not estimable: {known}")
    random = np.random.default_rng(SEED)
    medians = [bootstrapped(side, n, random) for side, n in zip((old, new), effective, strict=True)]
    ratios = np.sort(medians[1] / medians[0])

    def ends(alpha: float) -> tuple[float, float]:
        below = min(DRAWS - 1, math.floor(alpha * DRAWS))
        return float(ratios[below]), float(ratios[DRAWS - 1 - below])

    return Reading.of(value, ends, counts=counts, size=size, is_log=True, method=METHOD)


def bootstrapped(times: Floats, n: float, random: np.random.Generator) -> Floats:
    """(DRAWS,) medians of as many as `n` draws with replacement."""
    place = random.beta((n + 1) / 2, (n + 1) / 2, size=DRAWS)
    return np.sort(times)[np.minimum(len(times) - 1, (place * len(times)).astype(np.int64))]


def effective_rounds(times: Floats) -> float:
    """Independent rounds that would say as much of the median: n (1 - r) / (1 + r).

    r is the correlation of rounds that follow each other, of whether they lie above the median; not below 0.

    Source: the variance of a mean of a first-order autoregression, of the indicators that a median rests on.
    """
    above = (times > np.median(times)).astype(np.float64)
    centred = above - above.mean()
    total = float((centred**2).sum())
    r = max(0.0, float((centred[1:] * centred[:-1]).sum()) / total) if total else 0.0
    return len(times) * (1 - r) / (1 + r)
