"""Fusion: scales, rules, who is fitted on, and a whole run against numpy that was written apart."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from frbench import files
from frbench.counting.calibrate import Target
from frbench.counting.fusion.fitting import Calibration, fitted
from frbench.counting.fusion.pair_scores import SIDE, Scored, pair_scores
from frbench.counting.fusion.rule import Rule, Scale
from frbench.counting.fusion.twins import Twins, drawn
from frbench.engines.reference import ReferenceEngine, scores
from frbench.errors import InputError, NotComparable
from frbench.finished_run import FinishedRun
from frbench.reading.systems.compare import compare
from frbench.runs.fuse import Fusion, run_fusion
from frbench.runs.progress import TerminalProgress
from frbench.runs.recorded import RecordedOptions
from tests.commands.test_cli import SCHEMA, World, world  # noqa: F401
from tests.reading.systems.test_compare import people
from tests.worlds.worlds import FEW, templates, text_array

QUIET = TerminalProgress(quiet=True)
NAN = float("nan")
A = np.array([0.5, 0.75, 0.25, NAN, NAN], dtype=np.float32)
B = np.array([0.25, 0.5, NAN, 0.5, NAN], dtype=np.float32)


def test_each_rule_is_what_it_says():
    """Scales (s - .5) / .25 of A and (s - .5) / .5 of B give x = 0, 1 and y = -.5, 0; numbers are exact."""
    scales = Scale(0.5, 0.25), Scale(0.5, 0.5)

    def fused(rule: str, weight: float | None = None) -> list[float]:
        return Rule(rule, *scales, weight)(A, B).tolist()[:2]

    assert [-0.5, 1.0] == fused("sum")
    assert [-0.375, 0.25] == fused("weighted", 0.25)
    assert [-0.5, 0.0] == fused("and")
    assert [0.0, 1.0] == fused("or")


def test_a_system_that_failed_is_heard_by_none_but_or():
    """Where one system has no score there is no sum, and not both accept; but one may."""
    for rule, expected in (("sum", [False, False, True, True, True]), ("and", [False, False, True, True, True])):
        assert expected == np.isnan(Rule(rule)(A, B)).tolist()
    assert [False, False, False, False, True] == np.isnan(Rule("or")(A, B)).tolist()
    assert [0.25, 0.5] == Rule("or")(A, B)[2:4].tolist()


@FEW
@given(st.integers(0, 2**32 - 1), st.floats(-1, 1, width=32), st.floats(-1, 1))
def test_decisions_at_own_thresholds_are_those_of_the_systems(seed: int, t_a: float, t_b: float):
    """Fused by and: at or above 0 exactly where both systems accept, ties included; by or: where one does."""
    random = np.random.default_rng(seed)
    a, b = random.integers(-8, 9, size=(2, 200)).astype(np.float32) / 8
    a[:5], b[:5] = np.float32(t_a), np.float32(t_b)
    scales = Scale(t_a), Scale(t_b)
    accepts_a, accepts_b = a.astype(np.float64) >= t_a, b.astype(np.float64) >= t_b

    assert ((accepts_a & accepts_b) == (Rule("and", *scales)(a, b) >= 0)).all()
    assert ((accepts_a | accepts_b) == (Rule("or", *scales)(a, b) >= 0)).all()


def calibration(seed: int = 0, n: int = 400) -> tuple[Calibration, np.ndarray, np.ndarray]:
    """A calibration of two correlated systems in three parts, and its scores (2 n, 2) and kinds (2 n,)."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(2 * n, 2)) @ np.array([[0.05, 0.02], [0.0, 0.1]])
    mated = np.arange(2 * n) >= n
    both = (noise + np.where(mated[:, None], [0.4, 0.5], [0.1, 0.3])).astype(np.float32)
    # Rows 0 and 1 are of one person, row 2 of another.
    i, j = np.zeros(2 * n, np.int64), np.where(mated, 1, 2)
    parts = [Scored(i[s], j[s], both[s, 0], both[s, 1]) for s in (slice(0, 300), slice(300, 301), slice(301, None))]
    return Calibration.of(parts, np.array([0, 0, 1])), both.astype(np.float64), mated


def test_z_norm_is_the_mean_and_deviation_of_non_mated_scores():
    """As numpy has them, whatever the parts; within 1e-9: sums of 400 numbers below 1 in float64."""
    found, both, mated = calibration()
    for scale, own in zip(found.scales("z"), both[~mated].T, strict=True):
        assert own.mean() == pytest.approx(scale.center, rel=1e-9)
        assert own.std(ddof=1) == pytest.approx(scale.scale, rel=1e-9)


def test_min_max_spans_all_scores():
    """The lowest becomes 0 and the highest 1, exactly."""
    found, both, _ = calibration()
    for scale, own in zip(found.scales("minmax"), both.T, strict=True):
        assert (own.min(), own.max() - own.min()) == (scale.center, scale.scale)
        assert 0.0 == scale(np.array([own.min()], np.float32))[0]
        assert 1.0 == scale(np.array([own.max()], np.float32))[0]


def test_the_weight_is_fishers_direction():
    """That of scikit-learn, on the same scale; both kinds have as many scores, so that its pooling is ours."""
    found, both, mated = calibration()
    a, b = found.scales("z")
    normed = np.stack([(both[:, 0] - a.center) / a.scale, (both[:, 1] - b.center) / b.scale], axis=1)
    x, y = LinearDiscriminantAnalysis(solver="lsqr").fit(normed, mated).coef_[0]

    assert x / (x + y) == pytest.approx(found.weight(a, b), rel=1e-6)
    assert 0 < found.weight(a, b) < 1


def test_a_system_that_only_disturbs_has_no_weight():
    """B is lower where A is higher: a negative weight would reward it for being wrong."""
    a = np.array([0.1, 0.2, 0.1, 0.2, 0.8, 0.9, 0.8, 0.9], np.float32)
    b = np.array([0.6, 0.6, 0.8, 0.8, 0.1, 0.1, 0.3, 0.3], np.float32)
    swapped = Calibration.of([Scored(np.zeros(8, np.int64), np.repeat([2, 1], 4), a, b)], np.array([0, 0, 1]))
    assert 1.0 == swapped.weight(*swapped.scales("none"))


def test_too_little_to_fit_on_is_refused():
    """No pairs, equal scores, one pair of a kind."""
    empty = Calibration.of([], np.zeros(0, np.int64))
    equal = Calibration.of(
        [Scored(np.zeros(3, np.int64), np.full(3, 2), np.full(3, 0.5, np.float32), np.full(3, 0.5, np.float32))],
        np.array([0, 0, 1]),
    )
    with pytest.raises(InputError, match="0 non-mated pairs"):
        empty.scales("z")
    with pytest.raises(InputError, match="all scores of A in the calibration part are equal"):
        equal.scales("z")
    with pytest.raises(InputError, match="0 pairs of one kind"):
        fitted("weighted", "none", None, equal)


def test_rows_meet_by_their_ids():
    """In whatever order the files hold them."""
    a, b = people(1), people(2)
    order = np.random.default_rng(0).permutation(len(b)).tolist()

    assert (b.unit == Twins.of(a, b.take(order), ["sex"]).b.unit).all()


def test_other_images_people_or_labels_are_refused():
    """With exit code 3, and the first difference by name."""
    a, b = people(1), people(2)
    rows = list(range(len(a)))
    changed = text_array([*a.labels["sex"][:-1], "x"])
    cases = {
        "'t119', among 1 of A, is not in B": (a, b.take(rows[:-1])),
        "'t119' of B is not in A": (a.take(rows[:-1]), b),
        "other subjects: template 't0' has 's0' in A and 'nobody' in B": (
            a,
            b.with_subjects(text_array(["nobody", *b.subject_ids[1:]])),
        ),
        "other labels sex": (a, replace(b, labels={"sex": changed})),
    }
    for words, (x, y) in cases.items():
        with pytest.raises(NotComparable, match=words) as refusal:
            Twins.of(x, y, ["sex"])
        assert 3 == refusal.value.exit_code


def test_a_subject_is_on_one_side_in_every_run():
    """A hash of the subject decides: about the share that was asked for, and more of them with a larger one."""
    names = text_array([f"s{i}" for i in range(4000) for _ in range(2)])
    tenth, half = drawn(names, 0.1), drawn(names, 0.5)

    assert (tenth[::2] == tenth[1::2]).all()
    assert (tenth <= half).all()
    # Five standard deviations of 4,000 draws.
    assert abs(half[::2].mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)
    assert (drawn(names[:10], 0.5) == half[:10]).all()
    for share in (0.0, 1.0, -0.1):
        with pytest.raises(InputError, match="--calibration-share"):
            drawn(names, share)


def test_every_pair_is_scored_once(monkeypatch: pytest.MonkeyPatch):
    """Whatever the squares; failed templates have no score."""
    monkeypatch.setattr("frbench.counting.fusion.pair_scores.SIDE", 7)
    a, b = people(1, n=24, failed=(3,)), people(2, n=24)
    found = list(pair_scores(Twins(a, b), ReferenceEngine()))
    pairs = [pair for part in found for pair in zip(part.i.tolist(), part.j.tolist(), strict=True)]

    assert SIDE == 1024
    assert sorted(combinations(range(24), 2)) == sorted(pairs)
    for part in found:
        is_failed = (part.i == 3) | (part.j == 3)
        assert (np.isnan(part.a) == is_failed).all()
        expected = np.array([scores(b.unit[[i]], b.unit[[j]])[0, 0] for i, j in zip(part.i, part.j, strict=True)])
        assert (expected == part.b).all()


def options(out: Path, *rates: str, thresholds: tuple[float, ...] = ()) -> RecordedOptions:
    """By sex, with these targets."""
    return RecordedOptions(
        out=out,
        groupings=(("sex",),),
        targets=tuple(Target("fmr", rate) for rate in rates),
        thresholds=thresholds,
        with_report=False,
        engine="reference",
    )


@pytest.mark.parametrize("combination", ["sum", "weighted", "and", "or"])
@pytest.mark.parametrize("norm", ["z", "minmax"])
def test_a_run_counts_what_numpy_counts(tmp_path: Path, combination: str, norm: str):
    """Threshold, every count by group and who is counted, for a small world, by loops over a matrix."""
    a, b = people(1, failed=(7,)), people(2, failed=(50,))
    fusion = Fusion(combination, norm, share=0.3)
    found = run_fusion(Twins.of(a, b, ["sex"]), fusion, options(tmp_path, "0.1"), failed="reject", progress=QUIET)
    jsonschema.validate(found.results, SCHEMA)

    fit = drawn(a.subject_ids, 0.3)
    matrix = [scores(t.unit, t.unit).astype(np.float64) for t in (a, b)]
    for t, each in zip((a, b), matrix, strict=True):
        each[t.failed] = each[:, t.failed] = np.nan
    pairs = list(combinations(range(len(a)), 2))
    same = {(i, j): a.subject_ids[i] == a.subject_ids[j] for i, j in pairs}
    cal = [p for p in pairs if fit[p[0]] and fit[p[1]] and not np.isnan(matrix[0][p] + matrix[1][p])]
    normed = []
    for each in matrix:
        everything = np.array([each[p] for p in cal])
        nonmated = np.array([each[p] for p in cal if not same[p]])
        center = nonmated.mean() if norm == "z" else everything.min()
        width = nonmated.std(ddof=1) if norm == "z" else everything.max() - everything.min()
        normed.append((each - center) / width)
    x, y = normed
    w = found.results["fusion"]["weight"]
    fused = {
        "sum": lambda: x + y,
        "weighted": lambda: w * x + (1 - w) * y,
        "and": lambda: np.minimum(x, y),
        "or": lambda: np.fmax(x, y),
    }[combination]()
    counted = [p for p in pairs if not fit[p[0]] and not fit[p[1]]]

    point = found.results["operating_points"][0]
    nonmated = np.sort([fused[p] for p in counted if not same[p] and not np.isnan(fused[p])])[::-1]
    # The threshold lies just above the score that is one too many. Scales are sums in another order, which moves a
    # score by some 1e-15, and no two scores of this world are closer than 1e-9.
    n = sum(not same[p] for p in counted)
    too_many = nonmated[n // 10]
    assert (n, n // 10) == (point["n"], point["k"])
    assert too_many == pytest.approx(point["threshold"], abs=1e-9)
    for estimate in found.results["estimates"]:
        is_mated = estimate["metric"] == "fnmr"
        wanted = {estimate["group_a"], estimate["group_b"]}
        own = [
            fused[i, j]
            for i, j in counted
            if same[i, j] == is_mated and (wanted == {"all"} or {a.labels["sex"][i], a.labels["sex"][j]} == wanted)
        ]
        accepted = sum(value > too_many + 1e-9 for value in own)
        assert (len(own), len(own) - accepted if is_mated else accepted) == (estimate["n"], estimate["k"])
    said = found.results["fusion"]["calibration"]
    assert (int(fit.sum()), len({s for s, f in zip(a.subject_ids, fit, strict=True) if f})) == (
        said["templates"],
        said["subjects"],
    )
    assert len(cal) == said["nonmated"] + said["mated"]


def test_decisions_count_what_both_systems_accept(tmp_path: Path):
    """At their own thresholds, all pairs are counted, for nothing is fitted."""
    a, b = people(1), people(2)
    fusion = Fusion("and", thresholds=(0.6, 0.4))
    found = run_fusion(
        Twins.of(a, b, ["sex"]), fusion, options(tmp_path, thresholds=(0.0,)), failed="reject", progress=QUIET
    )
    x, y = (scores(t.unit, t.unit) for t in (a, b))
    nonmated = [(i, j) for i, j in combinations(range(len(a)), 2) if a.subject_ids[i] != a.subject_ids[j]]
    both = [x[p] >= 0.6 and y[p] >= 0.4 for p in nonmated]

    overall = found.results["overall"][0]
    assert (len(both), [sum(both)]) == (overall["trials"], overall["accepted"])
    assert found.results["fusion"]["calibration"] is None


def test_a_fused_run_is_compared_with_one_of_its_systems(tmp_path: Path):
    """Weight 1 is A alone: its errors are those of A, and the populations are one, so that both can be compared."""
    a, b = people(1, noise=0.9), people(2, noise=0.9)
    for name, fusion in (("both", Fusion("sum")), ("alone", Fusion("weighted", weight=1.0))):
        run_fusion(Twins.of(a, b, ["sex"]), fusion, options(tmp_path / name, "0.1"), failed="reject", progress=QUIET)
    found = compare(FinishedRun.read(tmp_path / "alone"), FinishedRun.read(tmp_path / "both"))

    fnmr = next(row for row in found["rows"] if row["metric"] == "fnmr" and row["grouping"] == "all")
    assert fnmr["difference"] < 0
    manifest = files.read_json(tmp_path / "both" / "manifest.json")
    assert "x + y, with x = (a - " in manifest["conventions"]["score"]


def test_another_rule_is_another_plan(tmp_path: Path):
    """Tallies of two rules are never added."""
    digests = {
        run_fusion(
            Twins.of(people(1), people(2), ["sex"]), fusion, options(tmp_path, thresholds=(0.5,)),
            failed="reject", progress=QUIET,
        ).tally.plan.digest
        for fusion in (Fusion("and", thresholds=(0.1, 0.2)), Fusion("and", thresholds=(0.1, 0.3)), Fusion("or", "none"))
    }  # fmt: skip
    assert 3 == len(digests)


def test_options_that_do_not_go_together_are_refused():
    """A weight without a weighted sum, thresholds of own without decisions."""
    for words, wrong in (
        ("--weight is 0.5 with --rule sum", {"combination": "sum", "weight": 0.5}),
        ("--weight is 2", {"combination": "weighted", "weight": 2.0}),
        ("thresholds of A and B are for", {"combination": "sum", "thresholds": (0.5, 0.5)}),
    ):
        with pytest.raises(InputError, match=words):
            Fusion(**wrong)


def test_a_part_of_nobody_is_refused(tmp_path: Path):
    """Of two subjects a share of almost none leaves nobody to fit on."""
    few = templates([(1.0, 0.0), (0.0, 1.0)], ["x", "y"], sex=["f", "m"])
    with pytest.raises(InputError, match="leaves nobody to fit on"):
        run_fusion(
            Twins.of(few, few, ["sex"]), Fusion("sum", share=1e-9), options(tmp_path), failed="reject", progress=QUIET
        )


def test_the_command_line_fuses(world: World):  # noqa: F811
    """Prints rule and calibration, writes a run that other commands read; files that do not fit end with 2."""
    second = world.array(np.random.default_rng(2).normal(size=(40, 6)).astype(np.float32), "b.npy")
    given = ("fuse", world.templates, second, "--labels", world.labels, "--out", world.out, "--group", "sex")
    code, output, _ = world.run(*given, "--at", "fmr=0.1")
    assert code == 0
    for text in ("rule sum, scale z", "left out of every rate", "report:"):
        assert text in output
    assert 0 == world.run("report", world.out, "--out", world.directory / "page.html")[0]
    found = json.loads(world.run(*given, "--json", "--rule", "or", "--threshold-a", 0.5, "--threshold-b", 0.5)[1])
    jsonschema.validate(found, SCHEMA)
    assert [0.0] == found["thresholds"]

    short = world.array(np.ones((39, 6), np.float32), "short.npy")
    assert 2 == world.run("fuse", world.templates, short, "--labels", world.labels, "--out", world.out)[0]
    assert 2 == world.run(*given, "--threshold-a", 0.5)[0]
    assert 2 == world.run(*given, "--thresholds", "x")[0]
