"""Computes number, sum and sum of squares of the scores of every cell from templates alone, to check a sweep.

A score is the inner product of two unit rows. So with x^0 = 1, x^1 = x and x^2 = x x^T, and T_p(A) the sum of x^p over
the rows x of group A,

    sum of score^p, every row of A with every row of B   = <T_p(A), T_p(B)>
    sum of score^p, every two rows of A                  = (<T_p(A), T_p(A)> - sum of |x|^2p over A) / 2

for p = 0, 1, 2: n d^2 products in place of n^2 d / 2. Mated pairs, which the labels name, and excluded ones are scored
one by one in float64 and subtracted; no score is rounded to float32. No engine takes part, so a tally whose bins do not
hold these sums was counted wrongly.

Source: the sums are bilinear in the rows of either side; for p = 2, <x, y>^2 = <x x^T, y y^T>_F.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from frbench.errors import Conservation
from frbench.inputs.arrays import Advance, Floats, Ints
from frbench.plan import Plan
from frbench.tally import Tally

Unit = NDArray[np.float32]
# Some of the listed pairs: whether each is mated, and the rows of both sides.
Listed = tuple[NDArray[np.bool_], Ints, Ints]
Key = tuple[bool, str, str]

POWERS = (0, 1, 2)
MAX_BYTES = 1 << 30
ROWS_AT_ONCE = 2048
PAIRS_AT_ONCE = 1024
GROUPS_AT_ONCE = 64
# No score is beyond: components are rounded to float32, which lengthens a unit row by at most 2^-24 of itself.
LIMIT = 1 + 1e-6
# Rounding a score to float32 moves it by at most 2^-24 and its square by 2^-23 (1 + 2^-23); the rounding of the float64
# sum before that, d 2^-53, is within the rest.
SCORE_ROUNDING = 2.0**-22
PASSED = (
    "passed: in every cell the bins hold the sum of the scores and the sum of their squares, computed from the "
    "templates without the engine"
)


@dataclass(frozen=True)
class Sums:
    """Scores of some comparisons together; those of disjoint comparisons add.

    n : scores. total : their sum. squares : the sum of their squares. error : bound on the rounding of either sum.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    error: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares, self.error + other.error)

    @property
    def mean(self) -> float | None:
        """Mean score; None without scores."""
        return self.total / self.n if self.n else None

    @property
    def variance(self) -> float | None:
        """E[x^2] - E[x]^2, the variance of these scores as a population; None below two.

        The difference of two numbers of at most 1 is right to `variance_error`, and may come out below 0 if all scores
        are equal: then it is 0.
        """
        if self.n < 2:
            return None
        return max(0.0, self.squares / self.n - (self.total / self.n) ** 2)

    @property
    def variance_error(self) -> float:
        """How far rounding may move the variance: error / n in E[x^2] and, as |E[x]| is at most 1, twice in E[x]^2."""
        return 3 * self.error / max(1, self.n)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of these scores as a population; None below two."""
        return None if self.variance is None else math.sqrt(self.variance)


def d_prime(nonmated: Sums, mated: Sums) -> float | None:
    """How far mated scores lie above non-mated ones, in standard deviations.

    d' = (mean of mated - mean of non-mated) / sqrt((variance of mated + variance of non-mated) / 2). None if either
    side has fewer than two scores, or if both variances are 0 up to rounding.

    Source: Daugman, The importance of being random (2003), decidability.
    """
    if nonmated.variance is None or mated.variance is None:
        return None
    together = nonmated.variance + mated.variance
    if together <= nonmated.variance_error + mated.variance_error:
        return None
    return (mated.total / mated.n - nonmated.total / nonmated.n) / math.sqrt(together / 2)


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of the scored comparisons of every cell of a plan, in its order; or none, and the reason.

    reason : why there are no sums, or "". is_checked : whether a tally was held against them.
    """

    plan: Plan
    cells: tuple[Sums, ...]
    reason: str = ""
    is_checked: bool = False

    @classmethod
    def undefined(cls, plan: Plan, reason: str) -> Moments:
        """No sums."""
        return cls(plan, (), reason)

    @property
    def checksum(self) -> str:
        """What became of the check of the tally, in words."""
        return PASSED if self.is_checked else f"not made: {self.reason or 'no tally was held against the sums'}"

    def pool(self, grouping: Sequence[str]) -> dict[Key, Sums]:
        """Sums by mated or not and by two groups of `grouping`, a <= b; pairs of groups without comparisons have none.

        grouping : label columns; none means everything together, in a group `all`.
        """
        names = self.plan.group_names(grouping)
        pooled: dict[Key, Sums] = defaultdict(Sums)
        for cell, sums in zip(self.plan.cells, self.cells, strict=not self.reason):
            a, b = sorted((names[cell.group_a], names[cell.group_b]))
            pooled[cell.mated, a, b] += sums
        return dict(pooled)

    def check(self, tally: Tally) -> Moments:
        """These sums, if the bins of every cell of `tally`, a tally of the same plan, can hold them.

        A score in a bin lies between its ends, so the sum of a cell lies between the sums of count x lower end and of
        count x upper end; so does the sum of squares. Found out are counts that are far off, or a bin off as a whole;
        not a few scores in a neighbouring bin. The allowance is for rounding: of these sums, of scores to float32, and
        of adding up `n_bins` ends.

        Raises
        ------
        Conservation : a cell holds another number of scores, or its bins cannot hold their sum or sum of squares.
        """
        if self.reason:
            return self
        counts = tally.total[:, :-1].astype(np.float64)
        sums = np.array([(s.n, s.total, s.squares) for s in self.cells]).reshape(-1, len(POWERS))
        errors = np.array([s.error for s in self.cells])
        allowance = errors + sums[:, 0] * (SCORE_ROUNDING + self.plan.n_bins * 2.0**-52)
        for power in POWERS:
            low, high = (counts @ ends for ends in _bin_powers(self.plan.axis, power))
            slack = allowance if power else 0
            outside = np.flatnonzero((sums[:, power] < low - slack) | (sums[:, power] > high + slack))
            if len(outside):
                i = outside[0]
                raise Conservation(self._contradiction(i, power, sums[i, power], low[i], high[i]))
        return replace(self, is_checked=True)

    def _contradiction(self, i: int, power: int, got: float, low: float, high: float) -> str:
        cell, names = self.plan.cells[i], self.plan.group_names(self.plan.columns)
        kind = "mated" if cell.mated else "non-mated"
        what = ("number of scores", "sum of the scores", "sum of the squares of the scores")[power]
        bins = f"{low:.10g}" if power == 0 else f"a sum from {low:.10g} to {high:.10g}"
        return (
            f"{kind} comparisons of {names[cell.group_a]} with {names[cell.group_b]}: the {what} is {got:.10g} by the "
            f"templates, but the bins hold {bins}; do not use these counts, count again with --fresh"
        )


def of_all_pairs(
    plan: Plan,
    unit: Unit,
    group: Ints,
    mated: Iterable[Listed],
    advance: Advance = lambda _: None,
    excluded: Iterable[Listed] = (),
) -> Moments:
    """Moments of all unordered pairs of rows but for those `excluded`, in closed form.

    Parameters
    ----------
    plan : of these pairs, its cells between the groups that `group` numbers.
    unit : (n, d) unit rows, which are read some at a time.
    group : (n,) finest group of each row; -1 for a row that is not scored.
    mated : every mated pair of scored rows, once.
    advance : told the number of rows read; a mated or excluded pair reads two.
    excluded : pairs of scored rows that are not counted, once.
    """
    n_groups, d = len(plan.groups), unit.shape[1]
    size = 8 * n_groups * d * d
    if size > MAX_BYTES:
        reason = (
            f"second moments of {n_groups} groups in dimension {d} take {size / 2**30:.1f} GiB, at most "
            f"{MAX_BYTES / 2**30:g} is used; name fewer groups"
        )
        return Moments.undefined(plan, reason)
    one_by_one = _one_by_one(unit, group, mated, n_groups, advance)
    left_out = _one_by_one(unit, group, excluded, n_groups, advance)
    sums, own = _power_sums(unit, group, n_groups, advance)
    every = np.stack([_unordered(_products(t), o) for t, o in zip(sums, own, strict=True)])
    tables = np.stack([every - one_by_one[1], one_by_one[1]]) - left_out
    products = np.stack([np.outer(own[0], own[0]), one_by_one[1, 0] + left_out[1, 0]])
    n_added = len(group) + one_by_one[1, 0].sum() + left_out[:, 0].sum()
    return Moments(plan, _cells(plan, tables, products * _unit_error(n_added, d)))


def of_list(plan: Plan, unit: Unit, group: Ints, pairs: Iterable[Listed], advance: Advance = lambda _: None) -> Moments:
    """Moments of listed pairs of scored rows, one by one; parameters as in `of_all_pairs`."""
    tables = _one_by_one(unit, group, pairs, len(plan.groups), advance)
    n = tables[:, 0]
    return Moments(plan, _cells(plan, tables, n * _unit_error(n.sum(), unit.shape[1])))


def _unit_error(n_added: float, d: int) -> float:
    """Bound on the rounding of a sum of score^p, for each product of two rows that went into it.

    Products of float32 are exact in float64. Whatever the order, adding m numbers moves their sum by at most m 2^-53 of
    the sum of their absolutes. Here that is m = n for each side's T_p, d^2 for their inner product, n and d for what is
    subtracted, and by Cauchy-Schwarz the absolutes add up to at most 1 for each product of two rows. 2^-52 doubles that
    for the two sides; 16 stands for single roundings.
    """
    return (n_added + d * d + 16) * 2.0**-52


def _power_sums(unit: Unit, group: Ints, n_groups: int, advance: Advance) -> tuple[list[Floats], Floats]:
    """T_p of every group as (n_groups, d^p), and (3, n_groups) sums of |x|^2p, for each power p."""
    d = unit.shape[1]
    first, second = np.zeros((n_groups, d)), np.zeros((n_groups, d, d))
    own = np.zeros((len(POWERS), n_groups))
    for number, rows in _parts(group, n_groups):
        x = unit[rows].astype(np.float64)
        first[number] += x.sum(axis=0)
        second[number] += x.T @ x
        own[:, number] += _powers((x * x).sum(axis=1)).sum(axis=1)
        advance(len(rows))
    return [own[0][:, None], first, second.reshape(n_groups, -1)], own


def _parts(group: Ints, n_groups: int) -> Iterator[tuple[int, Ints]]:
    """Number and rows of every group, a bounded number of rows at a time."""
    by_group = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[by_group], np.arange(n_groups + 1))
    for number in range(n_groups):
        for start in range(bounds[number], bounds[number + 1], ROWS_AT_ONCE):
            yield number, by_group[start : min(start + ROWS_AT_ONCE, bounds[number + 1])]


def _products(sums: Floats) -> Floats:
    """(g, g) inner products of the rows of `sums` (g, k), in parts, so that Ctrl-C is heard in between."""
    parts = range(0, len(sums), GROUPS_AT_ONCE)
    return np.concatenate([sums[start : start + GROUPS_AT_ONCE] @ sums.T for start in parts])


def _unordered(products: Floats, own: Floats) -> Floats:
    """Upper triangle of `products` (g, g); on its diagonal each pair once, and no row with itself."""
    found = np.triu(products)
    np.fill_diagonal(found, (products.diagonal() - own) / 2)
    return found


def _one_by_one(unit: Unit, group: Ints, pairs: Iterable[Listed], n_groups: int, advance: Advance) -> Floats:
    """(mated, power, g, g) sums of score^p over `pairs`, upper triangle, each scored in float64."""
    shape = (2, n_groups, n_groups)
    sums = np.zeros((len(POWERS), math.prod(shape)))
    for mated, a, b in _few(pairs):
        scores = np.einsum("ij,ij->i", unit[a], unit[b], dtype=np.float64)
        ends = np.sort(np.stack([group[a], group[b]]), axis=0)
        cell = np.ravel_multi_index((mated.astype(np.int64), ends[0], ends[1]), shape)
        for total, values in zip(sums, _powers(scores), strict=True):
            np.add.at(total, cell, values)
        advance(2 * len(a))
    return sums.reshape(len(POWERS), *shape).swapaxes(0, 1)


def _few(pairs: Iterable[Listed]) -> Iterator[Listed]:
    """The same pairs, a bounded number at a time."""
    for mated, a, b in pairs:
        for start in range(0, len(a), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            yield mated[part], a[part], b[part]


def _powers(values: Floats) -> Floats:
    """(3, n) values to the powers 0, 1 and 2."""
    return np.stack([np.ones_like(values), values, values * values])


def _cells(plan: Plan, tables: Floats, errors: Floats) -> tuple[Sums, ...]:
    """Sums of each cell from (mated, power, g, g) and (mated, g, g)."""
    found = []
    for cell in plan.cells:
        mated, a, b = int(cell.mated), cell.group_a, cell.group_b
        n, total, squares = tables[mated, :, a, b].tolist()
        found.append(Sums(int(n), total, squares, float(errors[mated, a, b])))
    return tuple(found)


def _bin_powers(axis: Floats, power: int) -> tuple[Floats, Floats]:
    """(t + 1,) least and largest score^power in each bin."""
    ends = np.concatenate([[-LIMIT], axis, [LIMIT]])
    lower, upper = ends[:-1], ends[1:]
    both = np.sort(np.stack([lower**power, upper**power]), axis=0)
    has_zero = (lower < 0) & (upper > 0)
    return np.where(has_zero & (power == 2), 0.0, both[0]), both[1]
