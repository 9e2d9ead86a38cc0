"""Indices of differences: hand vectors, cells without errors, known pathologies, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.errors import InputError
from frbench.reading.groups.indices import (
    DEFINITIONS,
    Index,
    Metric,
    Rates,
    Weights,
    evaluate,
    gini,
    max_over_geomean,
    vary_geomean,
)
from tests.worlds.rates import of_rates

N = 100_000
FOUR = ("a", "b", "c", "d")
S1 = ((100, 10, 1, 10), (1000, 2000, 4000, 8000))
S2 = ((0, 0, 100, 0), (1000, 1000, 1000, 1000))
S3 = ((100, 100, 100, 100), (0, 0, 0, 0))

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=8)


def rates(metric: Metric, k: tuple[int, ...], n: int = N, groups: tuple[str, ...] = FOUR, **more) -> Rates:
    """Rates of k errors in n trials each."""
    return Rates(metric, groups, k, (n,) * len(k), **more)


def named(f: tuple[int, ...], n: tuple[int, ...], weights: Weights | None = None) -> dict[tuple[str, str], Index]:
    """Every index of four groups, by what it is of and its name."""
    return {(i.of, i.name): i for i in of_rates(rates("fmr", f), rates("fnmr", n), weights)}


# The table of hand vectors: FMR 1e-3 1e-4 1e-5 1e-4 with FNMR .01 .02 .04 .08, and two with cells of 0.
@pytest.mark.parametrize(
    ("vector", "of", "name", "expected"),
    [
        (S1, "both", "fdr", 0.964505),
        (S1, "both", "ir", 20 * math.sqrt(2)),
        (S1, "both", "garbe", 0.664646465),
        (S1, "fmr", "max_over_min", 100),
        (S1, "fnmr", "max_over_min", 8),
        (S1, "fmr", "max_over_geomean", 10),
        (S1, "fnmr", "max_over_geomean", 2.828427125),
        (S1, "fmr", "max_over_mean", 3.305785124),
        (S1, "fnmr", "max_over_mean", 2.133333333),
        (S1, "fmr", "vary_geomean", 0.5),
        (S1, "fnmr", "vary_geomean", 0.301029996),
        # The table gives Gini times 4 / 3, as GARBE takes it.
        (S1, "fmr", "gini", 0.818181818 * 3 / 4),
        (S1, "fnmr", "gini", 0.511111111 * 3 / 4),
        (S2, "both", "fdr", 0.9995),
        (S2, "both", "ir", None),
        (S2, "both", "garbe", 0.5),
        (S2, "fmr", "gini", 1.0 * 3 / 4),
        (S2, "fnmr", "gini", 0),
        (S2, "fmr", "max_over_min", None),
        (S2, "fnmr", "max_over_min", 1),
        (S2, "fmr", "max_over_geomean", None),
        (S2, "fnmr", "max_over_geomean", 1),
        (S2, "fmr", "max_over_mean", 4),
        (S2, "fnmr", "max_over_mean", 1),
        (S2, "fmr", "vary_geomean", None),
        (S2, "fnmr", "vary_geomean", 0),
        (S3, "both", "fdr", 1),
        (S3, "both", "ir", None),
        (S3, "both", "garbe", None),
        (S3, "fmr", "gini", 0),
        (S3, "fnmr", "gini", None),
        (S3, "fmr", "max_over_min", 1),
        (S3, "fnmr", "max_over_min", None),
        (S3, "fmr", "max_over_geomean", 1),
        (S3, "fnmr", "max_over_geomean", None),
        (S3, "fmr", "max_over_mean", 1),
        (S3, "fnmr", "max_over_mean", None),
        (S3, "fmr", "vary_geomean", 0),
        (S3, "fnmr", "vary_geomean", None),
    ],
)
def test_demographic_vectors(vector, of: str, name: str, expected: float | None):
    """Every value of the table S1, S2, S3, undefined ones included."""
    index = named(*vector)["fmr and fnmr" if of == "both" else of, name]

    # The table has nine decimals.
    assert index.value == (None if expected is None else pytest.approx(expected, abs=1e-9))
    assert (index.reason == "") == (expected is not None)


def test_a_cell_without_errors_is_named():
    """What cannot be computed says which groups stop it; what can is given."""
    found = named(*S2)

    for name in ("max_over_min", "max_over_geomean", "vary_geomean"):
        assert found["fmr", name].reason == "0 false matches of a, b, d"
    assert found["fmr and fnmr", "ir"].reason == "0 false matches of a, b, d"
    assert named(*S3)["fmr and fnmr", "garbe"].reason == "0 false non-matches: no errors in any group"


def test_max_over_min_without_errors_in_a_group_has_a_lower_bound():
    """The largest rate over the upper bound of the group without errors: 1e-3 / 2e-4; the smallest of two bounds."""
    found = rates("fmr", (100, 0, 10, 0), upper=(2e-3, 5e-4, 3e-4, 2e-4))
    index = of_rates(found, rates("fnmr", (1,) * 4))[0]

    assert (index.name, index.value) == ("max_over_min", None)
    # A quotient of float64.
    assert index.lower_bound == pytest.approx(1e-3 / 2e-4, rel=1e-12)


def test_a_lower_bound_is_at_least_one():
    """A loose bound on the group without errors says nothing, and no index of ratios is below 1."""
    found = rates("fmr", (100, 0, 10, 10), upper=(2e-3, 0.5, 3e-4, 3e-4))

    assert of_rates(found, rates("fnmr", (1,) * 4))[0].lower_bound == 1.0


@pytest.mark.parametrize("upper", [(), (None,) * 4])
def test_without_a_bound_on_the_group_there_is_no_lower_bound(upper):
    """Nothing is known of a group without errors whose rate has no interval."""
    found = rates("fmr", (100, 0, 10, 10), upper=upper)

    assert of_rates(found, rates("fnmr", (1,) * 4))[0].lower_bound is None


def test_fdr_and_werm_are_defined_without_errors():
    """FDR takes differences, and WERM adds epsilon to what it divides by; the largest rate is 0."""
    found = named((0,) * 4, (0,) * 4)

    assert found["fmr and fnmr", "fdr"].value == 1.0
    assert found["fmr and fnmr", "werm"].value == 0.0
    # The largest FMR of 1e-3 over the geometric mean of 1e-5 three times and 1.01e-3; FNMR 1e-3 over 1.01e-3.
    expected = math.sqrt(1e-3 / (1e-5**3 * 1.01e-3) ** 0.25) * math.sqrt(1 / 1.01)
    assert named((0, 0, 100, 0), (100,) * 4)["fmr and fnmr", "werm"].value == pytest.approx(expected, rel=1e-9)


def test_fdr_is_blind_to_fmr_at_operating_thresholds():
    """With FMR of at most 6.3e-4, ratios of 1 and of 63 move FDR by less than 3.2e-4."""
    equal, apart = (named(k, (1000,) * 4)["fmr and fnmr", "fdr"].value for k in ((63,) * 4, (63, 1, 1, 1)))

    assert equal is not None
    assert apart is not None
    assert 0 < equal - apart < 3.2e-4


def test_a_useless_matcher_looks_fair():
    """At FNMR of .97 to 1 everywhere, its indices are near perfect, and those of a good matcher are not."""
    useless = named((10,) * 4, (97_000, 98_000, 99_000, 100_000))
    good = named((10,) * 4, (100, 200, 300, 400))

    assert useless["fnmr", "max_over_min"].value == pytest.approx(1 / 0.97)
    assert good["fnmr", "max_over_min"].value == 4
    assert useless["fmr and fnmr", "garbe"].value < 0.02 < good["fmr and fnmr", "garbe"].value


def test_ir_is_driven_by_the_smallest_cell():
    """One false non-match instead of a hundred in one group multiplies IR by ten: sqrt(100)."""
    whole, broken = (named((10,) * 4, k)["fmr and fnmr", "ir"].value for k in ((100,) * 4, (100, 100, 100, 1)))

    assert (whole, broken) == (1, 10)


def test_werm_may_be_below_one():
    """Equal rates of 1e-3 and epsilon 1e-5: 1 / 1.01 of each, to the power 1/2 twice; that is its value at equality."""
    index = named((100,) * 4, (100,) * 4)["fmr and fnmr", "werm"]

    # Roots and logarithms of float64.
    assert index.value == pytest.approx(1 / 1.01, rel=1e-12)
    assert index.at_equality == pytest.approx(index.value, rel=1e-12)
    assert index.parameters == {"alpha": 0.5, "epsilon": 1e-5}


def test_alpha_is_the_weight_of_false_accepts():
    """At 1 only FMR counts, at 0 only FNMR; every index that takes alpha prints it."""
    only_f, only_n = (named(*S1, Weights(alpha)) for alpha in (1, 0))

    assert only_f["fmr and fnmr", "fdr"].value == pytest.approx(1 - 99e-5)
    assert only_n["fmr and fnmr", "fdr"].value == pytest.approx(1 - 0.07)
    assert only_f["fmr and fnmr", "ir"].value == pytest.approx(100)
    assert only_n["fmr and fnmr", "ir"].value == pytest.approx(8)
    for name in ("fdr", "ir", "garbe", "werm"):
        assert only_f["fmr and fnmr", name].parameters["alpha"] == 1


@pytest.mark.parametrize("weights", [{"alpha": -0.1}, {"alpha": 1.1}, {"epsilon": 0}, {"alpha": math.nan}])
def test_weights_out_of_range_are_refused(weights):
    """alpha is a share, epsilon is above 0."""
    with pytest.raises(InputError, match="expected"):
        Weights(**weights)


@pytest.mark.parametrize(("k", "n"), [(2, 1), (0, 0), (-1, 1)])
def test_impossible_counts_are_refused(k, n):
    """A group has trials, and no more errors than these; the message names it."""
    with pytest.raises(InputError, match=f"group b has {k} errors in {n} trials"):
        Rates("fmr", ("a", "b"), (1, k), (2, n))


def test_one_group_has_no_index():
    """A difference needs two; the reason says who is there."""
    one, none = rates("fmr", (1,), groups=("a",)), rates("fnmr", (), groups=())

    assert {i.reason for i in of_rates(one, none)} == {
        "only a has non-mated comparisons, at least 2 groups are needed",
        "no group has mated comparisons, at least 2 groups are needed",
    }
    assert all(i.value is None for i in of_rates(one, none))


def test_indices_of_both_rates_need_the_same_groups():
    """Indices of each rate are given, those of both name the group that has only one of them."""
    found = of_rates(rates("fpir", (1, 2, 3), groups=("a", "b", "c")), rates("fnir", (1, 2), groups=("a", "b")))

    assert {i.reason for i in found if i.of == "fpir and fnir"} == {"only one of FPIR and FNIR is known of c"}
    assert all(i.value is not None for i in found if i.of in ("fpir", "fnir"))


@given(counts)
def test_gini_and_geometric_means_agree_with_other_code(pairs):
    """Gini by its double sum, the geometric mean by scipy."""
    x = np.array([a + 1 for a, _ in pairs]) / N
    n = len(x)
    double = sum(abs(a - b) for a in x for b in x) / (2 * n * n * x.mean())

    # Sums of at most 64 float64 of one magnitude.
    assert float(gini(x)) == pytest.approx(double, abs=1e-12)
    assert float(max_over_geomean(x)) == pytest.approx(x.max() / stats.gmean(x), rel=1e-9)
    decades = np.abs(np.log10(x / stats.gmean(x))).mean()
    assert float(vary_geomean(x)) == pytest.approx(decades, abs=1e-9)


@given(counts, st.randoms(use_true_random=False))
def test_the_order_and_the_names_of_groups_do_not_matter(pairs, random):
    """Groups in another order, under other names: every value and every reason's kind is the same."""
    shuffled = pairs[:]
    random.shuffle(shuffled)
    first, second = (
        of_rates(
            *(
                Rates(metric, tuple(f"{prefix}{i}" for i in range(len(p))), k, (100,) * len(p))
                for metric, k in zip(("fmr", "fnmr"), zip(*p, strict=True), strict=True)
            )
        )
        for p, prefix in ((pairs, "g"), (shuffled, "h"))
    )
    for one, other in zip(first, second, strict=True):
        # Sums of float64 in another order.
        assert one.value == (None if other.value is None else pytest.approx(other.value, rel=1e-9, abs=1e-12))


@given(counts)
def test_indices_stay_within_their_limits(pairs):
    """A ratio is at least 1, Gini and GARBE at most 1; equal groups are at equality exactly."""
    limits = {d.name: d.limits for d in DEFINITIONS}
    names, trials = tuple(map(str, range(len(pairs)))), (100,) * len(pairs)
    f, n = (Rates(m, names, tuple(p[i] for p in pairs), trials) for i, m in enumerate(("fmr", "fnmr")))
    for index in of_rates(f, n):
        if index.value is not None:
            # Roots and logarithms of float64 near the limit.
            assert limits[index.name][0] - 1e-12 <= index.value <= limits[index.name][1] + 1e-12
    same = [np.full(5, 0.03), np.full(5, 0.2)]
    for side in ([same[0]], [same[1]], same):
        for name, value in evaluate(side, Weights()).items():
            if name != "werm":
                assert float(value) == next(d.at_equality for d in DEFINITIONS if d.name == name)


@given(st.lists(counts, min_size=1, max_size=3))
def test_many_populations_at_once_are_as_one_by_one(draws):
    """Rows of an array are populations."""
    width = min(map(len, draws))
    f, n = (np.array([[pair[side] / 100 for pair in row[:width]] for row in draws]) for side in (0, 1))
    for side in ([f], [f, n]):
        together = evaluate(side, Weights())
        for i in range(len(draws)):
            alone = evaluate([x[i] for x in side], Weights())
            for name, value in alone.items():
                # Powers of float64 differ in the last place between one number and several.
                np.testing.assert_allclose(together[name][i], value, rtol=1e-14, atol=1e-15)
