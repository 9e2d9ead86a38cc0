"""What results.json says of how a 1:N system is used: by hand, by brute force, and of every group that there is."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given

import frbench
from frbench.candidates import Candidates
from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine, scores
from frbench.reading import metrics
from frbench.results.modes import FPIR, Lists, keys
from frbench.runs.identify import nonmated_lists
from frbench.tally import Tally
from tests.reading.test_modes import T, counted, watchlist
from tests.worlds import worlds

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
ROWS = {
    key: jsonschema.Draft202012Validator(
        {"$defs": SCHEMA["$defs"], "type": "array", "items": {"$ref": f"#/$defs/{definition}"}}
    )
    for key, definition in {"modes": "mode", "cmc": "cmc", "selectivity": "selectivity"}.items()
}
AXIS = tuple(np.linspace(-1, 1, 201).round(2))
N_ENROLLED, N_NONMATED = 40, 500


@cache
def searched(ranks: tuple[int, ...] = (1, 3, 5)) -> tuple[Identification, Candidates, Tally]:
    """40 enrolled people, each searched once, and 500 searches of people who are not, half of them women."""
    random = np.random.default_rng(7)
    enrolled = random.normal(size=(N_ENROLLED, 6))
    again = enrolled + random.normal(scale=0.6, size=enrolled.shape)
    unit, _ = worlds.unit_rows(np.vstack([enrolled, again, random.normal(size=(N_NONMATED, 6))]))
    who = [f"s{i}" for i in range(N_ENROLLED)]
    subjects = [*who, *who, *(f"n{i}" for i in range(N_NONMATED))]
    sex = ["f" if i % 2 else "m" for i in range(len(unit))]
    people = worlds.templates(unit, subjects, failed=[3, 50, 570], sex=sex)
    cut = np.arange(N_ENROLLED), np.arange(N_ENROLLED, len(unit))
    task = Identification(people.take(cut[0]), people.take(cut[1]), ("sex",), k=5, ranks=ranks, n_blocks=32)
    candidates = search_all(task, ReferenceEngine())
    return task, candidates, count(task, task.plan(AXIS), candidates)


def found_of(task: Identification, candidates: Candidates, tally: Tally, thresholds=(0.9,)) -> dict:
    """Everything by sex."""
    lists = nonmated_lists(task, candidates)
    return keys(tally, thresholds=thresholds, groupings=[("sex",), ()], lists=lists)


def modes_of(found: dict, group: str = "overall") -> dict[str | None, dict]:
    """Modes of a group by the limit of FPIR; None is investigation."""
    return {mode["fpir_at_most"]: mode for mode in found["modes"] if mode["group"] == group}


def test_modes_by_hand():
    """The probe vector: A is first, B ties and C is second, D failed; three non-mated searches cannot show 1 in 100."""
    found = modes_of(keys(counted(), thresholds=[T], groupings=[]))
    reviewed = found[None]

    assert list(found) == [*FPIR, None]
    assert (reviewed["fnir"]["k"], reviewed["fnir"]["n"], reviewed["rank"]) == (3, 4, 1)
    assert (reviewed["fpir"], reviewed["set_at"]) == (None, None)
    assert "100% by construction" in reviewed["note"]
    assert (found["0.01"]["fpir"]["value"], found["0.01"]["fnir"]["value"]) == (None, None)
    assert "3 trials cannot show a rate of 0.01; at least 100 are needed" in found["0.01"]["fnir"]["reason"]
    assert (found["0.01"]["set_at"]["threshold"], found["0.01"]["set_at"]["n"]) == (None, 3)


def test_cmc_by_hand():
    """One of four within rank 1, three within 2 and 4: the failed template never is. N stands beside it."""
    (found,) = keys(counted(), thresholds=[], groupings=[])["cmc"]

    assert [(hit["rank"], hit["k"], hit["n"]) for hit in found["hits"]] == [(1, 1, 4), (2, 3, 4), (4, 3, 4)]
    assert (found["gallery"], found["gallery_subjects"]) == (4, 4)


def test_selectivity_by_hand():
    """u1 returns .65 and .6 at .6, u2 nobody, u3 failed: 2 of 3. Lists as long as the gallery hide nothing."""
    task, candidates = watchlist()
    (found,) = keys(counted(), thresholds=[T], groupings=[], lists=nonmated_lists(task, candidates))["selectivity"]

    assert (found["k"], found["n"], found["gallery"], found["threshold"]) == (2, 3, 4, T)
    assert (found["n_censored"], found["is_censored"]) == (0, False)


def test_full_lists_are_censored():
    """Cut to one candidate, the list of u1 is full at .6: there may be more."""
    task, candidates = watchlist()
    whole = nonmated_lists(task, candidates)
    short = Lists(whole.scores[:, :1], whole.group, whole.block)
    (found,) = keys(counted(), thresholds=[T], groupings=[], lists=short)["selectivity"]

    assert (found["k"], found["n_censored"], found["is_censored"]) == (1, 1, True)


@pytest.mark.parametrize("target", FPIR)
def test_identification_by_brute_force(target: str):
    """The lowest edge that holds the limit, over the scores themselves; and misses beyond the list or below it."""
    task, candidates, tally = searched()
    mode = modes_of(found_of(task, candidates, tally))[target]
    matrix = scores(task.probes.unit, task.gallery.unit).astype(np.float64)
    matrix[task.probes.failed] = matrix[:, task.gallery.failed] = -np.inf
    nonmated = matrix[N_ENROLLED:].max(axis=1)
    allowed = int(float(target) * N_NONMATED)
    edge = min(e for e in AXIS if (nonmated >= e).sum() <= allowed)

    at = mode["set_at"]
    assert (at["threshold"], at["k"], at["n"]) == (edge, (nonmated >= edge).sum(), N_NONMATED)
    assert (nonmated >= at["beyond"]).sum() > allowed
    own = matrix[np.arange(N_ENROLLED), np.arange(N_ENROLLED)]
    # The mate itself is at or above its own score.
    rank = (matrix[:N_ENROLLED] >= own[:, None]).sum(axis=1)
    missed = np.isinf(own) | (rank > task.k) | (own < edge)
    assert (mode["fnir"]["k"], mode["fnir"]["n"], mode["rank"]) == (missed.sum(), N_ENROLLED, task.k)
    assert (mode["fpir"]["k"], mode["fpir"]["n"]) == (at["k"], at["n"])


def test_the_threshold_is_frozen_for_groups():
    """Set on everybody, it is the same for women and men, whose errors add up to those of everybody."""
    found = found_of(*searched())

    overall, *groups = (modes_of(found, name) for name in ("overall", "f", "m"))
    for target in FPIR:
        assert all(group[target]["set_at"] == overall[target]["set_at"] for group in groups)
        for rate in ("fpir", "fnir"):
            for part in ("k", "n"):
                assert sum(group[target][rate][part] for group in groups) == overall[target][rate][part]


def test_a_list_whose_last_rank_was_not_counted_has_no_identification():
    """The reason says which rank to add, and investigation is there."""
    found = modes_of(found_of(*searched((1, 3))))

    for target in FPIR:
        assert found[target]["fnir"]["reason"].startswith("rank 5, the length of the lists, was not counted")
        assert (found[target]["fnir"]["value"], found[target]["set_at"]) == (None, None)
    assert found[None]["fnir"]["value"] is not None


def test_failures_to_enrol_are_counted():
    """One of 40 templates, each of another person."""
    fte = found_of(*searched())["fte"]

    assert (fte["k"], fte["n"], fte["method"]) == (1, 40, "Clopper-Pearson")


def test_without_lists_there_is_no_selectivity():
    """A tally knows the best candidate of a search alone."""
    assert "selectivity" not in keys(counted(), thresholds=[T], groupings=[])


@given(worlds.searches())
@worlds.FEW
def test_modes_follow_the_schema(task: Identification):
    """Undefined is null; every search is in one group; a search with a candidate has at least one."""
    candidates = search_all(task, ReferenceEngine())
    tally = count(task, task.plan(worlds.EDGES), candidates)
    found = found_of(task, candidates, tally, worlds.EDGES)

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key, rows in ROWS.items():
        rows.validate(found[key])
    for threshold in worlds.EDGES:
        rows = [row for row in found["selectivity"] if row["threshold"] == threshold]
        everybody, *groups = rows
        fpir = metrics.fpir(tally, threshold)
        assert everybody["n"] == fpir.n
        assert fpir.k <= everybody["k"] <= fpir.k * task.k
        for part in ("k", "n", "n_censored"):
            assert sum(group[part] for group in groups) == everybody[part]
