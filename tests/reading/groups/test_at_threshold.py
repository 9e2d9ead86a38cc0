"""Differentials of a tally: accuracy first, everything in its place, and nothing that depends on names."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import EdgeNotInPlan, InputError
from frbench.reading import metrics
from frbench.reading.groups.at_threshold import of_tally
from frbench.reading.groups.indices import Weights
from frbench.reading.rate import both_rates
from frbench.tally import Tally
from tests.worlds import worlds

SEX = ("sex",)


def crowd(names: tuple[str, str, str] = ("f", "m", "x"), seed: int = 0) -> Tally:
    """Three groups of 40 people with two templates each, in 32 blocks; people of the first lie closest together."""
    random = np.random.default_rng(seed)
    labels = np.repeat(names, 80)
    centre = np.repeat([1.6, 1.0, 0.6], 80)[:, None] * np.repeat(np.eye(3), 80, axis=0)
    person = np.repeat(random.normal(size=(120, 3)), 2, axis=0)
    rows = np.hstack([centre, person + random.normal(scale=0.35, size=(240, 3))])
    unit, _ = worlds.unit_rows(rows)
    subjects = [f"s{i // 2}" for i in range(240)]
    found = worlds.templates(unit, subjects, sex=labels.tolist())
    return worlds.World(found, edges=tuple(np.linspace(-1, 1, 41).round(2)), n_blocks=32).tally


@pytest.fixture(scope="module")
def differentials():
    """Of the crowd, at .9."""
    return of_tally(crowd(), both_rates("verify", 0.9), SEX, set_on=["all non-mated pairs"], draws=200)


def test_accuracy_stands_beside_every_index(differentials):
    """Both rates of everybody, as the metrics give them."""
    tally = crowd()

    assert differentials.accuracy == {"fmr": metrics.fmr(tally, 0.9), "fnmr": metrics.fnmr(tally, 0.9)}
    assert list(differentials.to_json())[:4] == ["grouping", "threshold", "rank", "accuracy"]


def test_pairs_of_one_group_stand_beside_all_pairs(differentials):
    """And which of them the threshold was set on is named."""
    found = differentials.to_json()

    assert list(found["impostors"]) == ["same_group", "cross_group", "pooled"]
    assert found["threshold_set_on"] == ["all non-mated pairs"]
    assert found["impostors"]["same_group"]["value"] > found["impostors"]["pooled"]["value"]
    among = [(g["group"], g["metric"], g["among"]) for g in found["groups"]]
    assert among == [
        (name, metric, whom)
        for metric, whom in (("fmr", "within"), ("fmr", "everybody"), ("fnmr", "within"))
        for name in ("f", "m", "x")
    ]


def test_every_index_has_its_interval_and_what_chance_shows(differentials):
    """Five of FMR, five of FNMR, four of both; none without a value or a reason."""
    assert [i.of for i in differentials.indices] == ["fmr"] * 5 + ["fnmr"] * 5 + ["fmr and fnmr"] * 4
    for index in differentials.indices:
        assert (index.value is None) == bool(index.reason)
        if index.value is not None:
            assert index.expected is not None
            assert (index.low is None) == bool(index.interval_reason)
            assert index.low is None or index.low <= index.value <= index.high


def test_a_difference_that_is_there_is_beyond_chance(differentials):
    """People of one group lie closer together than those of the others."""
    assert next(i for i in differentials.indices if (i.of, i.name) == ("fmr", "gini")).is_beyond_chance


def test_other_names_of_groups_give_the_same_indices():
    """The first group becomes the last: values, verdicts and kinds of cautions are the same."""
    one, other = (
        of_tally(crowd(names), both_rates("verify", 0.9), SEX, draws=50) for names in (("f", "m", "x"), ("z", "y", "a"))
    )
    for a, b in zip(one.indices, other.indices, strict=True):
        assert (a.name, a.of) == (b.name, b.of)
        # Sums of float64 in another order.
        assert a.value == (None if b.value is None else pytest.approx(b.value, rel=1e-9))
        # Draws are in another order, and with them the noise that an interval holds.
        assert (a.low is None, a.is_beyond_chance) == (b.low is None, b.is_beyond_chance)
    assert [c.code for c in one.cautions] == [c.code for c in other.cautions]


def test_the_same_tally_gives_the_same_result():
    """Draws have a seed, and everything else has no chance in it."""
    first, second = (of_tally(crowd(), both_rates("verify", 0.9), SEX, draws=50).to_json() for _ in range(2))

    assert first == second
    assert (first["no_difference"]["draws"], first["no_difference"]["seed"]) == (50, 1)


@given(worlds.random_worlds(max_n=20))
@worlds.FEW
def test_results_are_json_without_nan(world: worlds.World):
    """Whatever is undefined is null with a reason."""
    if not world.columns:
        return
    found = of_tally(world.tally, both_rates("verify", world.edges[0]), world.columns, draws=20).to_json()

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for index in found["indices"]:
        assert (index["value"] is None) == bool(index["reason"])
        assert index["low"] is not None or index["interval_reason"] or index["reason"]
        assert index["critical"] is not None or index["null_reason"] or index["reason"]


@given(worlds.searches())
@worlds.FEW
def test_searches_have_differentials_of_fpir_and_fnir(task: Identification):
    """Groups of the probe, at a rank; there is no matrix of pairs."""
    tally = count(task, task.plan(worlds.EDGES), search_all(task, ReferenceEngine()))
    found = of_tally(tally, both_rates("identify", 0.25, rank=2), SEX, draws=20)

    assert found.accuracy == {"fpir": metrics.fpir(tally, 0.25), "fnir": metrics.fnir(tally, 0.25, rank=2)}
    assert (found.rate.rank, found.matrix, found.impostors, found.against_all) == (2, None, {}, {})
    assert {i.of for i in found.indices} == {"fpir", "fnir", "fpir and fnir"}
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()


def test_without_people_there_are_values_alone():
    """A list of pairs without labels of people: rates and indices, no intervals."""
    tally = crowd()
    details = {**tally.plan.details, "subjects_known": False}
    unknown = replace(tally, plan=replace(tally.plan, details=details))
    found = of_tally(unknown, both_rates("verify", 0.9), SEX)

    gini = next(i for i in found.indices if i.name == "gini")
    assert gini.value is not None
    assert (gini.low, gini.p_value) == (None, None)
    assert "people are not known" in gini.interval_reason
    assert found.impostors["same_group"].reason == found.impostors["pooled"].reason


def test_the_weights_that_were_asked_for_are_printed():
    """alpha and epsilon are in the results."""
    found = of_tally(crowd(), both_rates("verify", 0.9), SEX, weights=Weights(alpha=0.25, epsilon=1e-4), draws=20)

    assert next(i for i in found.indices if i.name == "werm").parameters == {"alpha": 0.25, "epsilon": 1e-4}


def test_questions_that_the_tally_cannot_answer_are_refused():
    """A threshold between edges, a column that was not counted."""
    with pytest.raises(EdgeNotInPlan):
        of_tally(crowd(), both_rates("verify", 0.91234), SEX)
    with pytest.raises(InputError, match="race"):
        of_tally(crowd(), both_rates("verify", 0.9), ("race",))
