"""Rates in gates: the figures of results and comparisons, at any doubt; and what a rule may not name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from frbench.errors import EdgeNotInPlan, FrbenchError, InputError, NoBaseline, NotComparable
from frbench.finished_run import FinishedRun
from frbench.gates.gate import gate
from frbench.gates.rates import estimate
from frbench.gates.reading import ALPHA, Reading
from frbench.gates.rules import Rules
from frbench.gates.verdicts import Gate
from frbench.operating_point import OperatingPoint
from frbench.plan import Group
from frbench.reading import joint, metrics
from frbench.reading.rate import Rate
from frbench.reading.systems.compare import compare
from tests.reading.systems.test_compare import A, B, identified, people, verified
from tests.reading.systems.test_compare import row as row_of

AT = verified(people(2), "run", at=0.6)
OLD = verified(people(3), "baseline", at=0.5)
# No mated pair of noiseless images is missed at a low threshold.
PERFECT = verified(people(2, noise=0.01), "perfect")


def asked(run: FinishedRun, baseline: FinishedRun | None = None, **rule: Any) -> Gate:
    """The gate of one rule."""
    return gate(run, Rules.parse({"rule": [rule]}, name="gates.toml"), baseline=baseline)


def reading(run: FinishedRun, baseline: FinishedRun | None = None, **rule: Any) -> Reading:
    """What a rule with one row reads."""
    (row,) = asked(run, baseline, **rule).rows
    return row.reading


@pytest.mark.parametrize("group", [None, "f", "m"])
@pytest.mark.parametrize("metric", ["fmr", "fnmr"])
def test_a_claim_is_the_estimate_of_the_results(metric: str, group: str | None):
    """Value, interval, k and n, at the threshold of a target and at a given one."""
    pair = None if group is None else (group, group)
    own = getattr(metrics, metric)(AT.tally, 0.6, group=Group(("sex",) if pair else (), pair))
    select = "" if group is None else f"[sex={group}]"

    for at in ("fmr=1e-1", "0.6"):
        found = reading(AT, claim=f"{metric}{select} at {at}", upper=0.5)
        assert (found.value, found.low, found.high) == (own.value, own.low, own.high)
        assert (found.counts[0].k, found.counts[0].n) == (own.k, own.n)
        assert estimate(f"{metric}{select} at {at}", AT) == own


def test_the_ends_at_the_usual_doubt_are_those_of_the_interval():
    """What a gate judges by is what it prints."""
    for rule in (
        {"claim": "fnmr[sex=f] at 0.6", "upper": 0.5},
        {"ratio": "fnmr[sex=f] at 0.6", "reference": "m", "upper": 2.0},
        {"change": "fnmr[sex=f] at fmr=0.1", "upper": 0.2},
        {"change": "fnmr[sex=f] at fmr=0.1", "upper": "20%"},
    ):
        found = reading(AT, OLD, **rule)
        assert found.ends is not None
        # The level 0.95 is 1 - 2 x 0.025 up to rounding.
        assert found.ends(ALPHA) == pytest.approx((found.low, found.high), rel=1e-9)
        assert found.ends(0.001)[0] < found.ends(0.1)[0] < found.ends(0.1)[1] < found.ends(0.001)[1]


def test_a_rate_without_errors_is_bounded_from_above():
    """The bound is that of the results; at half the doubt it is higher, and its lower end stays 0."""
    own = metrics.fnmr(PERFECT.tally, 0.6)
    found = reading(PERFECT, claim="fnmr at 0.6", upper=0.5)

    assert own.k == 0
    assert (found.value, found.low, found.high) == (0.0, 0.0, own.high)
    assert found.ends is not None
    # 1 - alpha^(1/m) for m subjects.
    assert found.ends(0.01) == pytest.approx((0.0, 1 - 0.01 ** (1 / own.n_effective)))


def test_each_group_with_a_label_has_a_row():
    """The rows are named as claims of these groups."""
    found = asked(AT, claim="fnmr[sex] at fmr=0.1", group="each", upper=0.5)

    assert [row.name for row in found.rows] == ["fnmr[sex=f] at fmr=0.1", "fnmr[sex=m] at fmr=0.1"]


def test_people_without_a_label_are_no_group():
    """Unless they are named."""
    found = people(2)
    sex = found.labels["sex"].copy()
    sex[:2] = ""
    run = verified(replace(found, labels={"sex": sex}), "run")
    rows = asked(run, claim="fnmr[sex] at 0.6", group="each", upper=0.5).rows

    assert [row.name for row in rows] == ["fnmr[sex=f] at 0.6", "fnmr[sex=m] at 0.6"]
    assert reading(run, claim="fnmr[sex=unlabelled] at 0.6", upper=0.5).counts[0].n == 1


def test_two_groups_are_compared_with_each_other():
    """Comparisons of a woman with a man."""
    own = metrics.fmr(AT.tally, 0.6, group=Group(("sex",), ("f", "m")))

    assert reading(AT, claim="fmr[sex=f x m] at 0.6", upper=0.5).counts[0].n == own.n


def test_a_ratio_is_that_of_the_results():
    """Against the group with most subjects, or the one that is named."""
    one, other = (joint.replicates(AT.tally, Rate("fmr", 0.6), Group(("sex",), (g, g))) for g in "fm")
    own = joint.ratio(one, other)
    found = reading(AT, ratio="fmr[sex=f] at 0.6", reference="m", upper=2.0)

    assert (found.value, found.low, found.high) == (own.value, own.low, own.high)
    assert [(c.whose, c.k) for c in found.counts] == [("f", one.estimate.k), ("m", other.estimate.k)]


def test_the_worst_group_is_the_highest():
    """Its value, its counts and its name."""
    rates = {g: metrics.fmr(AT.tally, 0.6, group=Group(("sex",), (g, g))) for g in "fm"}
    who = max(rates, key=lambda g: rates[g].value)
    found = reading(AT, claim="fmr[sex] at 0.6", group="worst", upper=0.5)

    assert (found.value, found.who, found.counts[0].k) == (rates[who].value, who, rates[who].k)
    assert found.high == max(rate.high for rate in rates.values())
    assert found.low < rates[who].low


def test_a_ratio_to_no_errors_is_inconclusive_and_one_of_no_errors_is_bounded():
    """0 / k lies below a bound; k / 0 is not defined."""
    found = people(2, noise=0.01)
    rows = found.unit.copy()
    rows[[0, 4, 8]] *= -1
    run = verified(replace(found, unit=rows), "run")

    none = reading(run, ratio="fnmr[sex=m] at 0.6", reference="f", upper=5.0)
    assert (none.value, none.low) == (0.0, 0.0)
    assert 0 < none.high < 100
    undefined = reading(run, ratio="fnmr[sex=f] at 0.6", reference="m", upper=5.0)
    assert (undefined.value, undefined.ends) == (None, None)
    assert "0 false non-matches of m" in undefined.reason


@pytest.mark.parametrize("metric", ["fnmr", "fmr"])
def test_a_change_is_the_paired_one_of_compare(metric: str):
    """Difference and ratio of the run against the baseline, thresholds set again without each block."""
    own = row_of(compare(OLD, AT), metric, "f")
    difference = reading(AT, OLD, change=f"{metric}[sex=f] at fmr=0.1", upper=0.1)
    ratio = reading(AT, OLD, change=f"{metric}[sex=f] at fmr=0.1", upper="10%")

    assert (difference.value, difference.low, difference.high) == (own["difference"], own["low"], own["high"])
    assert (ratio.value, ratio.low, ratio.high) == (own["ratio"], own["ratio_low"], own["ratio_high"])
    assert [(c.whose, c.k, c.n) for c in ratio.counts] == [
        (whose, own[side]["k"], own[side]["n"]) for whose, side in (("baseline", "a"), ("run", "b"))
    ]


def test_the_same_templates_have_changed_by_nothing():
    """A bound of no change at all is kept, and a note says why."""
    found = asked(AT, AT, change="fnmr[sex] at fmr=0.1", group="each", upper="0%")

    assert found.outcome == "pass"
    assert "of the same templates" in found.notes[0]


def test_a_fall_to_no_errors_is_shown_where_the_bound_is_far():
    """0 of 60 against many: the ratio lies between 0 and a bound that both sides' doubt makes."""
    worse = verified(people(3, noise=1.5), "worse")
    found = reading(PERFECT, worse, change="fnmr at 0.6", upper="0%")

    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high is not None
    assert 0 < found.high < 1


def test_searches_have_rates_too():
    """FPIR at a threshold, FNIR at a rank with or without one."""
    run, other = identified(people(2), "run"), identified(people(3), "baseline")
    own = metrics.fnir(run.tally, None, rank=5, group=Group.within(("sex",), "f"))
    found = reading(run, claim="fnir[sex=f] rank 5", upper=0.9)

    assert (found.value, found.counts[0].k) == (own.value, own.k)
    assert reading(run, claim="fpir at 0.6", upper=0.9).counts[0].n == metrics.fpir(run.tally, 0.6).n
    changed = row_of(compare(other, run, thresholds=(0.6, 0.6), rank=5), "fnir", "f", thresholds=[None, None])
    assert reading(run, other, change="fnir[sex=f] rank 5", upper=0.5).value == changed["difference"]


def test_a_target_that_was_not_reached_is_inconclusive():
    """With the reason of the run."""
    point = OperatingPoint("fmr=1e-9", "all non-mated pairs", None, 0, 7080, "too few pairs").to_json()
    run = replace(AT, results={**AT.results, "operating_points": [point]})
    (row,) = asked(run, claim="fnmr at fmr=1e-9", upper=0.5).rows

    assert (row.outcome, row.reason, row.reading.value) == ("inconclusive", "too few pairs", None)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"claim": "fpir at 0.6"}, "run is of kind verify and has no fpir, only fmr, fnmr"),
        ({"claim": "p99"}, "has no p99, only fmr, fnmr"),
        ({"claim": "fnmr[age=old] at 0.6"}, "run was not counted by 'age', only sex; recount it with --group"),
        ({"claim": "fnmr[sex=x] at 0.6"}, "there is no group 'x', only f, m"),
        ({"claim": "fnmr[sex=f x y] at 0.6"}, "there is no group 'y', only f, m"),
        ({"claim": "fnmr"}, "fnmr needs a threshold, expected one of those of the run: at fmr=0.1, at 0.6"),
        ({"claim": "fnmr at fmr=1e-5"}, "run has no threshold at fmr=1e-5, .*: at fmr=0.1, at 0.6"),
        ({"claim": "fnmr rank 2 at 0.6"}, "a rank is of fnir alone"),
        ({"claim": "fnmr batch 2 at 0.6"}, "batch and load are of times"),
        ({"ratio": "fnmr[sex=f] at 0.6", "reference": "x"}, "reference is 'x', and the groups of run are f, m"),
        ({"ratio": "fnmr[sex=f] at 0.6", "reference": "f"}, "a ratio is of one group to another"),
        ({"change": "fmr at fmr=0.1"}, "it cannot change: both thresholds were set at this rate"),
    ],
)
def test_what_a_run_does_not_have_is_refused_with_what_it_has(rule: dict[str, Any], said: str):
    """The rule is named, its number and its text; the code is that of misuse."""
    said_bound = {"upper": "20ms"} if rule.get("claim") == "p99" else {"upper": 0.5}
    with pytest.raises(InputError, match=said) as refused:
        asked(AT, OLD, **rule, **said_bound)
    assert "rule 1 (" in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_threshold_between_edges_is_refused():
    """The tally cannot answer there, and says where it can."""
    with pytest.raises(EdgeNotInPlan, match=r"nearest are 0\.5 and 0\.6"):
        asked(AT, claim="fnmr at 0.55", upper=0.5)


def test_a_bad_rule_is_refused_before_any_figure_is_read(monkeypatch: pytest.MonkeyPatch):
    """The second rule is wrong, so the first is not computed."""
    monkeypatch.setattr(metrics, "fnmr", lambda *_, **__: pytest.fail("something was computed"))
    rules = [{"claim": "fnmr at 0.6", "upper": 0.5}, {"claim": "fnmr[sex=x] at 0.6", "upper": 0.5}]
    with pytest.raises(InputError, match="rule 2"):
        gate(AT, Rules.parse({"rule": rules}, name="gates.toml"))


@pytest.mark.parametrize(
    ("baseline", "refusal", "said"),
    [
        (None, NoBaseline, "has rules about changes, and there is no baseline; give --baseline"),
        (B, NotComparable, "B has no threshold at fmr=0.1 of all non-mated pairs, as rule 1 asks and run has"),
        (verified(people(3, n=100), "few", at=0.6), NotComparable, "few and run have other template ids"),
        (identified(people(3), "searches"), NotComparable, "other kinds of run"),
    ],
)
def test_a_baseline_that_is_none_has_code_3(baseline: FinishedRun | None, refusal: type[FrbenchError], said: str):
    """Missing, without the threshold, of other trials or of another kind."""
    with pytest.raises(refusal, match=said) as refused:
        asked(AT, baseline, change="fnmr at fmr=0.1", upper=0.1)
    assert refused.value.exit_code == 3


def test_a_claim_needs_no_comparable_baseline():
    """One that is given is not looked at."""
    assert asked(AT, identified(people(3)), claim="fnmr at 0.6", upper=0.9).baseline == ""


def test_an_estimate_of_columns_alone_names_their_groups():
    """One of them is expected."""
    with pytest.raises(InputError, match=r"'fnmr\[sex\] at 0.6': no group is named, expected one of f, m"):
        estimate("fnmr[sex] at 0.6", A)
