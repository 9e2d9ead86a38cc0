"""Two systems on the same trials: what is compared, what is refused, and real templates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import frbench
from frbench.counting.identify import Identification, count, search_all
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.errors import EdgeNotInPlan, FormatError, InputError, NotComparable
from frbench.finished_run import FinishedRun
from frbench.operating_point import OperatingPoint
from frbench.plan import DEFAULT_BLOCKS, Group, blocks_of, score_axis
from frbench.reading import metrics
from frbench.reading.systems.compare import compare, verdict
from frbench.reading.systems.paired import Paired
from frbench.results.identify import identify_results
from frbench.results.verify import verify_results
from frbench.templates import Source, Templates, load
from tests import ROOT
from tests.worlds import worlds

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "comparison.schema.json").read_text())
LFW = ROOT / "examples" / "lfw"
EDGES = tuple(np.round(np.arange(-1, 1.01, 0.1), 6).tolist())
N = 120


def people(seed: int, *, noise: float = 0.6, failed: tuple[int, ...] = (), n: int = N) -> Templates:
    """Two templates a subject: a direction that the images have, whatever the seed, and noise of the seed's system."""
    images = np.repeat(np.random.default_rng(1).normal(size=(n // 2, 6)), 2, axis=0)
    raw = images + noise * np.random.default_rng(seed).normal(size=(n, 6))
    unit, _ = worlds.unit_rows(raw)
    sex = ["f" if i % 4 < 2 else "m" for i in range(n)]
    return worlds.templates(unit, [f"s{i // 2}" for i in range(n)], failed=failed, sex=sex)


def verified(
    found: Templates,
    name: str = "run",
    *,
    at: float | None = None,
    columns: tuple[str, ...] = ("sex",),
    failed: metrics.Failed = "reject",
    n_blocks: int = DEFAULT_BLOCKS,
    thresholds: tuple[float, ...] = (0.6,),
) -> FinishedRun:
    """A run of all pairs; `at` is where its threshold for fmr=0.1 is said to lie."""
    world = worlds.World(found, columns, EDGES, n_blocks)
    fmr = None if at is None else metrics.fmr(world.tally, at, failed=failed)
    points = [] if fmr is None else [OperatingPoint("fmr=0.1", "all non-mated pairs", at, fmr.k, fmr.n)]
    said = verify_results(world.tally, thresholds=thresholds, groupings=[columns], points=points, failed=failed)
    return FinishedRun(said, manifest(world.tally.plan.digest), world.tally, name)


def manifest(digest: str) -> dict[str, Any]:
    """What a comparison reads of a manifest."""
    return {"plan": digest, "inputs": [], "options": {"at_population": "all"}}


def identified(
    found: Templates, name: str = "run", *, enrolled: range = range(0, 100, 2), ranks=(1, 2, 5)
) -> FinishedRun:
    """A run of searches in enrolled rows, of every second row and of the last twenty."""
    rest = [i for i in range(N) if i % 2 or i >= 100]
    task = Identification(found.take(list(enrolled)), found.take(rest), ("sex",), k=5, ranks=ranks)
    tally = count(task, task.plan(EDGES), search_all(task, ReferenceEngine()))
    said = identify_results(tally, thresholds=[0.6], groupings=[("sex",)], points=[])
    return FinishedRun(said, manifest(tally.plan.digest), tally, name)


def row(found: dict[str, Any], metric: str, a: str = "all", b: str | None = None, **wanted: Any) -> dict[str, Any]:
    """The only row of a metric and a group."""
    rows = [
        r
        for r in found["rows"]
        if (r["metric"], r["group_a"], r["group_b"]) == (metric, a, b or a)
        and all(r[key] == value for key, value in wanted.items())
    ]
    assert len(rows) == 1
    return rows[0]


A, B = verified(people(2), "A"), verified(people(3, noise=0.9), "B")


def test_rates_are_those_of_the_runs():
    """Each side has the numerator, denominator and interval that its own results have, at its own threshold."""
    found = compare(A, B, thresholds=(0.6, 0.5))

    for threshold, side, run in ((0.6, "a", A), (0.5, "b", B)):
        for group in ("f", "m"):
            own = metrics.fnmr(run.tally, threshold, group=Group(("sex",), (group, group)))
            assert row(found, "fnmr", group)[side] == own.to_json()
        own = metrics.fmr(run.tally, threshold, group=Group(("sex",), ("f", "m")))
        assert row(found, "fmr", "f", "m")[side] == own.to_json()


def test_differences_and_ratios_are_of_b_against_a():
    """Rate of B less rate of A, and over it."""
    found = row(compare(A, B, thresholds=(0.6, 0.6)), "fnmr")
    a, b = found["a"]["value"], found["b"]["value"]

    assert a > 0
    assert found["difference"] == b - a
    # Quotients of the same float64 in another order.
    assert found["ratio"] == pytest.approx(b / a, rel=1e-12)
    assert found["low"] < found["difference"] < found["high"]


def test_a_run_against_itself_differs_by_exactly_nothing():
    """At given thresholds and at those set at a rate: every difference and both ends of its interval are 0."""
    one = verified(people(2), at=0.6)
    for found in (compare(one, one), compare(one, one, thresholds=(0.6, 0.6))):
        assert found["rows"]
        for r in found["rows"]:
            assert r["difference"] == 0
            if r["a"]["k"] and r["low"] is not None:
                assert (r["low"], r["high"], r["error"]) == (0, 0, 0)
                assert r["verdict"] == "equal, without every block of subjects too"
        assert "A and B are of the same templates: every difference is 0" in found["notes"]


def test_thresholds_that_both_set_at_one_rate_are_taken():
    """Each at its own, set again without each block; the rate itself is the same by construction."""
    found = compare(verified(people(2), "A", at=0.6), verified(people(3), "B", at=0.5))

    assert found["settings"] == [{"thresholds": [0.6, 0.5], "at": "fmr=0.1", "population": "all non-mated pairs"}]
    overall = row(found, "fmr")
    assert (overall["low"], overall["verdict"]) == (None, "both thresholds were set at this rate on these trials")
    assert all(r["thresholds_set_again"] for r in found["rows"])
    assert row(found, "fmr", "f")["low"] is not None
    assert row(found, "fnmr")["low"] is not None


def test_a_threshold_set_on_a_group_is_set_again_on_that_group():
    """The FMR of that group is the same by construction, and that of everybody is not."""
    runs = []
    for name, seed in (("A", 2), ("B", 3)):
        run = verified(people(seed), name)
        own = metrics.fmr(run.tally, 0.6, group=Group(("sex",), ("m", "m")))
        point = OperatingPoint("fmr=0.1", "non-mated pairs within sex=m", 0.6, own.k, own.n).to_json()
        options = {"options": {"at_population": "sex=m"}}
        runs.append(
            replace(run, results={**run.results, "operating_points": [point]}, manifest={**run.manifest, **options})
        )
    found = compare(*runs)

    assert row(found, "fmr", "m")["reason"] == "both thresholds were set at this rate on these trials"
    assert row(found, "fmr")["low"] is not None


def test_a_target_that_one_did_not_reach_is_named():
    """The other thresholds are compared, and the reason is passed on."""
    runs = []
    for name, threshold in (("A", None), ("B", 0.6)):
        run = verified(people(2), name, at=0.6)
        point = OperatingPoint("fmr=1e-9", "all non-mated pairs", threshold, 0, 7080, "too few pairs").to_json()
        runs.append(
            replace(run, results={**run.results, "operating_points": [*run.results["operating_points"], point]})
        )
    found = compare(*runs)

    assert found["notes"][0] == "fmr=1e-9 is not compared, there is no threshold in A: too few pairs"
    assert len(found["settings"]) == 1


def test_searches_are_compared_with_and_without_a_threshold():
    """FPIR and FNIR at rank 1, and ranks alone."""
    one, other = identified(people(2), "A"), identified(people(3, noise=0.9), "B")
    found = compare(one, other, thresholds=(0.6, 0.6))

    assert {(r["metric"], r["rank"], r["thresholds"][0]) for r in found["rows"]} == {
        ("fpir", None, 0.6),
        ("fnir", 1, 0.6),
        ("fnir", 1, None),
    }
    miss = row(found, "fnir", "overall", thresholds=[None, None])
    assert [miss["a"]["k"], miss["b"]["k"]] == [metrics.fnir(r.tally, None, rank=1).k for r in (one, other)]
    assert row(compare(one, other, thresholds=(0.6, 0.6), rank=5), "fnir", "f", thresholds=[None, None])["rank"] == 5


def test_a_rank_that_was_not_counted_is_refused():
    """The message names those that were."""
    one, other = identified(people(2)), identified(people(3), ranks=(1, 5, 6))
    with pytest.raises(InputError, match="rank 2 was not counted by both runs, only 1, 5"):
        compare(one, other, thresholds=(0.6, 0.6), rank=2)


def test_comparisons_follow_their_schema():
    """1:1 and 1:N, with intervals and without."""
    few = verified(people(2, n=8), "A"), verified(people(3, n=8), "B")
    searches = identified(people(2)), identified(people(3))
    for a, b in ((A, B), few, searches):
        jsonschema.validate(compare(a, b, thresholds=(0.6, 0.6)), SCHEMA)
    jsonschema.validate(compare(verified(people(2), at=0.6), verified(people(3), at=0.6)), SCHEMA)


def test_few_subjects_have_differences_without_intervals():
    """Four subjects: the difference is there, and why it has no interval."""
    found = row(compare(verified(people(2, n=8)), verified(people(3, n=8)), thresholds=(0.6, 0.6)), "fmr")

    assert (found["low"], found["p"]) == (None, None)
    assert "at least 8 are needed" in found["verdict"]


def test_failures_at_different_rows_stay_in_the_denominator():
    """A failed twice and B once: the trials declared are the same, and the note tells how many have no score.

    A template takes part in 119 of 7,140 pairs; two of different subjects in 119 + 118.
    """
    a, b = verified(people(2, failed=(0, 5))), verified(people(3, failed=(9,)))
    found = compare(a, b, thresholds=(0.6, 0.6))

    assert row(found, "fnmr")["a"]["n"] == row(found, "fnmr")["b"]["n"] == N // 2
    assert found["notes"] == [
        "237 trials of A and 119 of B have a failed template; they stay in the denominators (reject)"
    ]


def test_excluded_failures_are_not_the_same_trials():
    """Then each is rated on what it completed, and the note says so."""
    a, b = (verified(people(s, failed=f), failed="exclude") for s, f in ((2, (0, 5)), (3, (9,))))
    found = compare(a, b, thresholds=(0.6, 0.6))

    assert (row(found, "fnmr")["a"]["n"], row(found, "fnmr")["b"]["n"]) == (58, 59)
    assert "each system is rated on the trials that it completed, not on the same ones" in found["notes"][0]


def other_subjects() -> FinishedRun:
    """The same templates, two of them of one subject more."""
    found = people(3)
    subjects = found.subject_ids.copy()
    subjects[0] = "somebody else"
    return verified(replace(found, subject_ids=subjects), "B")


def other_labels() -> FinishedRun:
    """The same templates, one subject of another label."""
    found = people(3)
    sex = found.labels["sex"].copy()
    sex[:2] = "m"
    return verified(replace(found, labels={"sex": sex}), "B")


def older() -> FinishedRun:
    """A run of before tallies said whose trials they counted."""
    plan = replace(B.tally.plan, details={"n_subjects": N // 2})
    return replace(B, tally=replace(B.tally, plan=plan))


def of_a_list(*pairs: tuple[int, int]) -> FinishedRun:
    """A run of a list of pairs of rows."""
    found = people(3)
    a, b = np.array(pairs).T
    listed = PairList(found, a, b, np.asarray(found.subject_ids[a] == found.subject_ids[b], bool), Source("p", "", 0))
    counter = Pairs(listed, worlds.World(found, ("sex",), EDGES, DEFAULT_BLOCKS).layout, ReferenceEngine())
    plan = counter.plan(EDGES)
    tally = sweep(plan, lambda tile: counter.count(plan, tile))
    said = verify_results(tally, thresholds=[0.6], groupings=[("sex",)], points=[], failed="reject")
    return FinishedRun(said, manifest(plan.digest), tally, "B")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (other_subjects, "A and B have other subjects of the templates: only the same trials can be compared"),
        (other_labels, "A and B have other labels of the templates"),
        (lambda: verified(people(3, n=N - 2), "B"), "A and B have other template ids"),
        (older, "B does not say whose trials it counted; recount it with this release"),
        (
            lambda: verified(people(3), "B", failed="accept"),
            r"policies for failed templates \(--failed\): 'reject' \(A\)",
        ),
        (lambda: verified(people(3), "B", n_blocks=16), r"other numbers of blocks \(--blocks\): 32 \(A\) and 16 \(B\)"),
        (
            lambda: verified(people(3), "B", columns=()),
            r"other columns of groups \(--group\): 'sex' \(A\) and '' \(B\)",
        ),
        (lambda: identified(people(3), "B"), "other kinds of run: 'verify' .A. and 'identify' .B."),
        (lambda: of_a_list((0, 1), (0, 2)), "other kinds of trial: 'verify' .A. and 'pairs' .B."),
        (
            lambda: replace(B, results={**B.results, "kind": "latency"}),
            "B is of kind latency, expected verify or identify",
        ),
    ],
)
def test_what_is_not_comparable_is_refused(other: Callable[[], FinishedRun], said: str):
    """The message names the difference; programs see code 3."""
    with pytest.raises(NotComparable, match=said) as refused:
        compare(A, other(), thresholds=(0.6, 0.6))
    assert refused.value.exit_code == 3


def test_other_lists_and_other_galleries_are_refused():
    """Trials must be the same, not only as many."""
    with pytest.raises(NotComparable, match="other lists of pairs"):
        compare(of_a_list((0, 1), (2, 3)), of_a_list((0, 2), (1, 3)), thresholds=(0.6, 0.6))
    with pytest.raises(NotComparable, match="other galleries"):
        compare(
            identified(people(2), enrolled=range(0, 100, 2)),
            identified(people(3), enrolled=range(0, 98, 2)),
            thresholds=(0.6, 0.6),
        )


def test_no_common_target_is_refused():
    """The way out is named."""
    with pytest.raises(NotComparable, match=r"no thresholds that were set at the same rate .* give --threshold-a"):
        compare(verified(people(2), at=0.6), B)


def test_one_run_at_two_thresholds_differs():
    """The same templates, and no note that every difference is 0."""
    found = compare(A, A, thresholds=(0.6, 0.5))

    assert row(found, "fmr")["difference"] > 0
    assert found["notes"] == []


def test_searches_without_a_common_target_are_compared_by_rank():
    """Thresholds that were set at nothing in common are no reason to refuse what needs none."""
    found = compare(identified(people(2)), identified(people(3)))

    assert found["notes"] == [
        "no thresholds were set at the same rate of the same population: ranks alone are compared"
    ]
    assert {(r["metric"], r["thresholds"][0]) for r in found["rows"]} == {("fnir", None)}
    assert {r["metric"] for r in found["differentials"]} == {"fnir"}


def test_groups_that_one_run_does_not_report_are_named():
    """They were counted, and are missing from its results."""
    other = replace(B, results={**B.results, "groupings": ["all"]})
    found = compare(A, other, thresholds=(0.6, 0.6))

    assert found["notes"] == ["groups by sex are not compared: B does not report them"]
    assert {r["grouping"] for r in found["rows"]} == {"all"}


def test_a_threshold_between_edges_is_refused():
    """The tally cannot answer there."""
    with pytest.raises(EdgeNotInPlan):
        compare(A, B, thresholds=(0.6, 0.55))


def test_files_of_two_runs_are_refused(tmp_path: Path):
    """Results of one run beside the tally of another are no run."""
    frbench.files.write_json(tmp_path / "results.json", A.results)
    frbench.files.write_json(tmp_path / "manifest.json", {"schema": "frbench.manifest", "plan": "another"})
    frbench.files.save_tally(A.tally, tmp_path / "tally.safetensors")

    with pytest.raises(FormatError, match="holds files of several runs"):
        FinishedRun.read(tmp_path)


def test_verdicts_in_words():
    """Never that there is none, but what would have been seen; and chance among many rows."""
    found = Paired(0.01, -0.01, 0.03, 0.01, 0.3, 0.0289)
    seen = Paired(-0.02, -0.03, -0.01, 0.005, 0.001, 0.0144)

    assert verdict(found) == "no difference was detected; one of 0.0289 would have been, with 80% power"
    assert verdict(seen, 0.01, 4) == "B is lower by 0.02 (95% interval 0.01 to 0.03)"
    assert verdict(seen, 0.2, 90) == (
        "B is lower by 0.02 (95% interval 0.01 to 0.03); among 90 differences, one may be so large by chance"
    )
    assert verdict(Paired(0.0, -0.1, 0.2)) == "nothing tells them apart; the difference lies between -0.1 and 0.2"
    assert verdict(Paired(1.0, 0.4, 1.0)) == "B is higher by 1 (95% interval 0.4 to 1)"
    assert verdict(Paired(reason="0 mated searches")) == "0 mated searches"


@pytest.fixture(scope="module")
def lfw() -> tuple[FinishedRun, FinishedRun]:
    """Two networks on the same 13,233 images, all pairs, each at a threshold of its own with an FMR near 1e-3."""
    runs = []
    for name, lowest, threshold in (("dlib-128", 0.9, 0.926), ("faceres-256", 0.65, 0.69)):
        found = load(LFW / f"{name}.npy", labels=LFW / "labels.csv", threads=1)
        counter = AllPairs(Layout.of(found, ("sex",)), CpuEngine(threads=1))
        plan = counter.plan(score_axis(0.002, [threshold], lowest))
        tally = sweep(plan, partial(counter.count, plan))
        fmr = metrics.fmr(tally, threshold)
        point = OperatingPoint("fmr=1e-3", "all non-mated pairs", threshold, fmr.k, fmr.n)
        said = verify_results(tally, thresholds=[threshold], groupings=[("sex",)], points=[point], failed="reject")
        runs.append(FinishedRun(said, manifest(plan.digest), tally, name))
    return runs[0], runs[1]


def mated_errors(name: str, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """(32,) errors and mated pairs by block of subjects, by numpy alone."""
    raw = np.load(LFW / f"{name}.npy").astype(np.float64)
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    subject = load(LFW / f"{name}.npy", labels=LFW / "labels.csv", threads=1).subject_ids
    block = blocks_of(subject, DEFAULT_BLOCKS)
    errors, n = np.zeros((2, DEFAULT_BLOCKS), dtype=np.int64)
    for rows in np.split(np.argsort(subject, kind="stable"), np.cumsum(np.unique(subject, return_counts=True)[1])[:-1]):
        scores = (unit[rows] @ unit[rows].T).astype(np.float32)[np.triu_indices(len(rows), 1)]
        errors[block[rows[0]]] += int((scores < np.float32(threshold)).sum())
        n[block[rows[0]]] += len(scores)
    return errors, n


def test_the_paired_error_on_real_templates_is_that_of_numpy(lfw: tuple[FinishedRun, FinishedRun]):
    """242,257 mated pairs of two networks: errors, rates without each block and their jackknife, computed again.

    The sum of float64 products in another order could move a score across the threshold if it lay within 1e-14 of the
    middle of two float32: the data are fixed, it does not happen.
    """
    thresholds = tuple(run.results["thresholds"][0] for run in lfw)
    found = row(compare(*lfw, thresholds=thresholds), "fnmr")
    sides = [mated_errors(name, t) for name, t in zip(("dlib-128", "faceres-256"), thresholds, strict=True)]
    without = [(k.sum() - k) / (n.sum() - n) for k, n in sides]
    jackknife = 32 * 31 / 32 * np.cov(without, ddof=0)
    p = [k.sum() / n.sum() for k, n in sides]
    # Mated trials touch one block, but blocks are of unlike size: c is above 1, and what a trial has alone is taken off
    # c - 1 times.
    n = sides[0][1]
    c = 31 / 32 * (n / (n.sum() - n)).sum()
    alone = sum(q * (1 - q) for q in p) / n.sum()
    shared = min(min(p) * (1 - max(p)) / n.sum(), jackknife[0, 1] / c)
    variance = jackknife[0, 0] + jackknife[1, 1] - 2 * jackknife[0, 1] - (c - 1) * (alone - 2 * shared)
    error = np.sqrt(variance)

    assert [found[side]["k"] for side in "ab"] == [int(k.sum()) for k, _ in sides]
    assert found["a"]["n"] == 242_257
    # The same sums in float64.
    assert found["error"] == pytest.approx(error, rel=1e-9)


def test_two_real_networks_differ_by_group(lfw: tuple[FinishedRun, FinishedRun]):
    """Both near FMR 1e-3: the second misses more, and falsely matches women less and men more than the first.

    Where thresholds are set again, the differences are the same and the doubt is another.
    """
    found = compare(*lfw)
    held = compare(*lfw, thresholds=tuple(run.results["thresholds"][0] for run in lfw))

    assert row(found, "fnmr")["low"] > 0
    assert row(found, "fmr", "female")["high"] < 0
    assert row(found, "fmr", "male")["low"] > 0
    assert row(found, "fmr")["low"] is None
    assert row(found, "fnmr")["difference"] == row(held, "fnmr")["difference"]
    assert row(found, "fnmr")["error"] != row(held, "fnmr")["error"]
    jsonschema.validate(found, SCHEMA)
