"""Cautions: said where an index misleads, and not elsewhere."""

from __future__ import annotations

from frbench.estimate import Estimate
from frbench.reading.groups.cautions import Caution, cautions_of
from frbench.reading.groups.indices import Rates, Weights
from tests.worlds.rates import of_rates

GROUPS = ("a", "b", "c")
MANY = (400, 400, 400)


def estimate(value: float | None) -> Estimate:
    """A rate."""
    return Estimate(value, None, None, 0, 1)


def cautions(
    f: tuple[int, ...] = MANY,
    n: tuple[int, ...] = MANY,
    *,
    trials: int = 10_000,
    fmr: float | None = 0.04,
    fnmr: float | None = 0.04,
    same: float | None = 0.04,
) -> dict[str, Caution]:
    """Cautions of three groups, by code."""
    sides = [Rates(m, GROUPS[: len(k)], k, (trials,) * len(k)) for m, k in (("fmr", f), ("fnmr", n))]
    found = cautions_of(
        {"fmr": estimate(fmr), "fnmr": estimate(fnmr)},
        *sides,
        of_rates(*sides),
        {"same_group": estimate(same), "pooled": estimate(fmr)},
        Weights(),
    )
    return {caution.code: caution for caution in found}


def test_many_errors_and_moderate_rates_need_no_caution():
    """Four hundred errors a group at 4% of each rate."""
    assert cautions() == {}


def test_a_useless_matcher_is_named():
    """FNMR of 97% everywhere: indices of it look good."""
    text = cautions(n=(9700,) * 3, fnmr=0.97)["useless_matcher"].text

    assert text.startswith("FNMR of everybody is 97%")
    assert "useless_matcher" in cautions(fmr=0.5, same=0.5)
    assert "useless_matcher" not in cautions(fnmr=0.49)
    assert "useless_matcher" not in cautions(fnmr=None)


def test_pairs_of_one_group_well_above_all_pairs_are_named():
    """Twice the rate of all pairs and more; with both rates."""
    text = cautions(fmr=1e-3, same=4e-3)["broad_homogeneity"].text

    assert text == "FMR of pairs of one group is 4.00e-03, 4 times that of all pairs, 1.00e-03"
    assert "broad_homogeneity" not in cautions(fmr=1e-3, same=1.9e-3)
    assert "broad_homogeneity" not in cautions(fmr=0.0, same=0.0)
    assert "broad_homogeneity" not in cautions(same=None)


def test_groups_of_fewer_than_thirty_errors_are_named():
    """Each with its number; thirty are enough; where nobody has errors there is no index to rest on them."""
    assert cautions(f=(400, 29, 0))["few_errors"].text == (
        "indices of FMR rest on fewer than 30 false matches of b (29), c (0)"
    )
    assert "few_errors" not in cautions(f=(400, 30, 400))
    assert "few_errors" not in cautions(f=(0, 0, 0))
    assert "few_errors" not in cautions(f=(5,), n=(5,))


def test_an_index_that_one_small_cell_makes_is_named():
    """400, 400 and 2 errors: max/min is 200 with the last group and 1 without."""
    text = cautions(f=(400, 400, 2))["driven_by_smallest_cell"].text

    assert text == "max/min of FMR is 200 with c (2 false matches) and 1 without"
    assert "driven_by_smallest_cell" not in cautions(f=(400, 40, 30))
    # Without errors in a group there is no max/min, and of two groups one does not remain.
    assert "driven_by_smallest_cell" not in cautions(f=(400, 400, 0))
    assert "driven_by_smallest_cell" not in cautions(f=(400, 2), n=(40, 40))


def test_fdr_that_cannot_see_fmr_is_named():
    """With FMR of at most 6.3e-4, its term is at most 3.15e-4."""
    text = cautions(f=(63, 40, 50), trials=100_000)["fdr_blind"].text

    assert text.startswith("FDR cannot fall below 0.999685 through FMR")
    assert "fdr_blind" not in cautions(f=(400, 400, 300))


def test_werm_made_of_epsilon_is_named():
    """Rates below ten epsilon, and rates of 0."""
    assert "werm_epsilon" in cautions(f=(9, 40, 50), trials=100_000)
    assert "0" in cautions(f=(0, 40, 50))["werm_epsilon"].text
    assert "werm_epsilon" not in cautions(f=(11, 40, 50), trials=100_000)


def test_accuracy_comes_first():
    """A matcher that rejects everybody is said before what its indices rest on."""
    codes = list(cautions(f=(2, 2, 2), n=(9700,) * 3, fnmr=0.97, fmr=1e-4, same=1e-3))

    assert codes == ["useless_matcher", "broad_homogeneity", "few_errors", "fdr_blind"]
