"""Says whether an interval keeps a bound, breaks it, or leaves it open; and what would settle it.

A gate passes only if every row does, so that it passes wrongly no more often than one row does: a row passes if its
95% interval lies wholly on the good side, however many there are. A gate fails if any row does, so that rows add up: a
row fails only if its interval lies wholly on the bad side at a level that holds for all rows together, by Holm's
procedure. While every quantity is within its bounds, the probability that any row fails is at most `false_failures`,
whatever the rows have in common.

Source: Berger (1982) for the test that passes if every part does; Holm (1979) for the one that fails if any does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy import special

from frbench.estimate import LEVEL
from frbench.gates.asked import Asked
from frbench.gates.bounds import Bounds
from frbench.gates.reading import ALPHA, Form, Reading, Size, probability_beyond
from frbench.gates.rules import Rule, Rules
from frbench.reading.power import POWER
from frbench.reading.systems.paired import holm

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 4}
Z_POWER = float(special.ndtri(POWER))
MOST = 10**9
DIGITS = 2


@dataclass(frozen=True)
class Row:
    """One row of a gate.

    p : the smallest doubt at which the interval lies wholly beyond a bound. p_holm : among all rows; both None without
    an interval. reason : why a row is inconclusive. settled_by : how much would settle it, if the value stays.
    fails_from : the smallest true value that this gate would have failed with 80% power; None of a row that fails.
    """

    rule: Rule
    name: str
    form: Form
    reading: Reading
    outcome: Outcome
    p: float | None
    p_holm: float | None
    reason: str = ""
    settled_by: Size | None = None
    fails_from: float | None = None

    @property
    def blocks(self) -> bool:
        """Whether the gate cannot pass because of this row."""
        return self.outcome == "fail" or (self.outcome == "inconclusive" and self.rule.doubt == "fail")

    @property
    def bounds(self) -> Bounds:
        """The bounds of its rule."""
        return self.rule.bounds


@dataclass(frozen=True)
class Gate:
    """What a gate found.

    run, baseline : their names; "" for no baseline. notes : what a person should know besides.
    """

    run: str
    baseline: str
    rules: Rules
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Fail if any row does, else inconclusive if a row is whose doubt means fail, else pass."""
        if any(row.outcome == "fail" for row in self.rows):
            return "fail"
        return "inconclusive" if any(row.blocks for row in self.rows) else "pass"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 4 inconclusive."""
        return EXIT_CODES[self.outcome]

    @property
    def n_tested(self) -> int:
        """Rows that could have failed."""
        return sum(row.p is not None for row in self.rows)

    @property
    def family(self) -> str:
        """How often a gate of so many rows fails by chance, in words."""
        return (
            f"a row passes if its {LEVEL:.0%} interval keeps the bound; rows fail by Holm's procedure over "
            f"{self.n_tested} of {len(self.rows)} rows, so that any of them fails with a probability of at most "
            f"{self.rules.false_failures:.3g} while every quantity is within its bounds"
        )


def judged(asked: Iterable[Asked], rules: Rules, *, run: str, baseline: str = "", notes: Sequence[str] = ()) -> Gate:
    """The gate of some rows: each is read, and all are judged together."""
    read = [(row, row.read()) for row in asked]
    ps = [_p(reading, row.rule.bounds) for row, reading in read]
    adjusted = holm(ps)
    # What the first step of Holm's procedure asks of a row: no later one asks for less doubt.
    alpha = rules.false_failures / max(1, sum(p is not None for p in ps))
    rows = [
        _row(row, reading, p, p_holm, rules.false_failures, alpha)
        for (row, reading), p, p_holm in zip(read, ps, adjusted, strict=True)
    ]
    return Gate(run, baseline, rules, tuple(rows), tuple(notes))


def _p(reading: Reading, bounds: Bounds) -> float | None:
    if reading.ends is None or reading.value is None:
        return None
    return probability_beyond(reading.ends, bounds.lower, bounds.upper)


def _row(
    asked: Asked, reading: Reading, p: float | None, p_holm: float | None, false_failures: float, alpha: float
) -> Row:
    bounds = asked.rule.bounds
    row = Row(asked.rule, asked.name, asked.form, reading, "inconclusive", p, p_holm, reading.reason)
    if p is None or p_holm is None or reading.low is None or reading.high is None:
        return row
    least = fails_from(reading, bounds, alpha)
    if bounds.are_kept(reading.low, reading.high):
        return replace(row, outcome="pass", reason="", fails_from=least)
    if p_holm <= false_failures:
        return replace(row, outcome="fail", reason="")
    reason = "the interval holds the bound"
    if bounds.are_broken(reading.low, reading.high):
        reason = "beyond the bound, but among so many rows one may be so by chance"
    return replace(row, reason=reason, settled_by=settled_by(reading, bounds, alpha), fails_from=least)


def settled_by(reading: Reading, bounds: Bounds, alpha: float) -> Size | None:
    """How much would settle a row with 80% power if the value stays where it is: to fail at `alpha`, else to pass.

    A half-width h at n becomes h (n / m)^s at m; so wide that the value is found beyond a bound at distance d with 80%
    power, it is d z / (z + z(80%)). None where the value is on the bound, or nobody knows what narrows the interval.
    """
    value = reading.value
    if value is None or reading.ends is None or reading.size is None or (reading.is_log and value <= 0):
        return None
    factors = []
    for bound, is_upper in ((bounds.upper, True), (bounds.lower, False)):
        if bound is None:
            continue
        is_bad = value > bound if is_upper else value < bound
        doubt = alpha if is_bad else ALPHA
        end = reading.ends(doubt)[0 if is_upper == is_bad else 1]
        factors.append(_factor(reading, value, end, bound, doubt))
    if not factors or None in factors:
        return None
    n = reading.size.n * max(1.0, *(factor for factor in factors if factor is not None))
    return Size(rounded_up(n), reading.size.unit) if n <= MOST else None


def _factor(reading: Reading, value: float, end: float, bound: float, alpha: float) -> float | None:
    """How many times as much is needed; None on the bound."""
    if reading.is_log and (end <= 0 or bound <= 0):
        return None
    width = abs(reading.scaled(end) - reading.scaled(value))
    distance = abs(reading.scaled(bound) - reading.scaled(value))
    if distance == 0:
        return None
    # A bound without errors has no chance in it: as many trials as narrow it are enough.
    powered = 1.0 if reading.shrinks == 1.0 else 1 + Z_POWER / -float(special.ndtri(alpha))
    return float((powered * width / distance) ** (1 / reading.shrinks))


def fails_from(reading: Reading, bounds: Bounds, alpha: float) -> float | None:
    """The smallest true value above the upper bound that would have failed with 80% power, in an interval as wide."""
    value = reading.value
    if bounds.upper is None or value is None or reading.ends is None or reading.shrinks == 1.0:
        return None
    low = reading.ends(alpha)[0]
    if reading.is_log and min(low, value, bounds.upper) <= 0:
        return None
    width = reading.scaled(value) - reading.scaled(low)
    try:
        return reading.back(reading.scaled(bounds.upper) + width * (1 + Z_POWER / -float(special.ndtri(alpha))))
    except OverflowError:
        return None


def rounded_up(n: float) -> int:
    """A number as people say it, not below it: 1,234 becomes 1,300."""
    step: int = 10 ** max(0, math.floor(math.log10(max(1.0, n))) - DIGITS + 1)
    return math.ceil(n / step) * step
