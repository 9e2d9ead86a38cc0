"""Accuracy over folds: by hand, the tie rule, failures, and the LFW protocol against another computation."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import frbench
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.verify import Pairs
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.reading.folds import accuracy, correct_at
from frbench.runs.options import Options
from frbench.runs.progress import TerminalProgress
from frbench.runs.verify import run_verify
from frbench.templates import load
from frbench.terminal.show import show
from tests import ROOT
from tests.worlds import worlds

LFW = ROOT / "examples" / "lfw"
SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())

# Fold 1: mated .8 .6, non-mated .7 .1; fold 2: mated .9 .5, non-mated .4 .2.
SCORES = np.array([0.8, 0.6, 0.7, 0.1, 0.9, 0.5, 0.4, 0.2], dtype=np.float32)
MATED = np.array([True, True, False, False, True, True, False, False])
FOLD = np.array(["1"] * 4 + ["2"] * 4)


def test_accuracy_by_hand():
    """Fold 1 at .5, the best of fold 2, accepts .7: 3 of 4. Fold 2 at .6, the smaller of two, misses .5: 3 of 4."""
    found = accuracy(SCORES, MATED, FOLD)
    one, two = found.folds

    assert (one.name, one.threshold, one.n_tied, one.correct, one.n, one.n_mated) == ("1", 0.5, 1, 3, 4, 2)
    # Fold 1 has three right at .6, with .7 accepted, and at .8, with .6 rejected; at .8 fold 2 is as good.
    assert (two.threshold, two.n_tied, two.correct, two.least, two.most) == (float(np.float32(0.6)), 2, 3, 3, 3)
    assert (found.mean, found.standard_error) == (3 / 4, 0)


def test_the_standard_error_is_that_of_a_mean():
    """Two folds right in 4 and 2 of 4: deviation sqrt(2 * .25^2 / 1), divided by sqrt(2)."""
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0.9, 0.3, 0.85, 0.1])
    found = accuracy(scores, MATED, FOLD)

    # Fold 2 is right in three at .3, and so is all of fold 1; at .8, the best of fold 1, fold 2 errs at .3 and .85.
    assert [(f.threshold, f.correct) for f in found.folds] == [(0.3, 4), (0.8, 2)]
    assert found.mean == (1 + 2 / 4) / 2
    # Square roots in float64.
    assert found.standard_error == pytest.approx(math.sqrt(2 * 0.25**2) / math.sqrt(2), rel=1e-12)


def test_a_range_says_what_ties_are_worth():
    """Fold b is right once at .2, accepting both, and once above .8, rejecting both: fold a is right in 2 or in 1."""
    scores, mated = np.array([0.5, 0.1, 0.8, 0.2]), np.array([True, False, False, True])
    found = accuracy(scores, mated, np.array(["a", "a", "b", "b"]))
    fold = found.folds[0]

    assert (fold.threshold, fold.n_tied, fold.correct, fold.least, fold.most) == (0.2, 2, 2, 1, 2)
    # Fold b at .5, the best of fold a, is wrong in both.
    assert (found.folds[1].n_tied, found.folds[1].correct) == (1, 0)
    assert (found.least, found.mean, found.most) == ((1 / 2 + 0) / 2, (2 / 2 + 0) / 2, (2 / 2 + 0) / 2)


def test_accepting_nothing_is_a_threshold():
    """Where every mated score of the others lies below the non-mated ones, rejecting all is as good as it gets."""
    scores, mated = np.array([0.9, 0.8, 0.1, 0.5, 0.4]), np.array([False, False, True, True, False])
    found = accuracy(scores, mated, np.array(["1", "1", "1", "2", "2"]))

    assert (found.folds[1].threshold, found.folds[1].correct) == (None, 1)


@pytest.mark.parametrize(("failed", "correct", "n"), [("reject", 4, 6), ("exclude", 3, 4), ("accept", 4, 6)])
def test_failed_pairs_follow_the_policy(failed, correct: int, n: int):
    """Fold 1 with a mated and a non-mated pair that failed: one of them is right whatever becomes of both."""
    scores = np.append(SCORES, [np.nan, np.nan]).astype(np.float32)
    found = accuracy(scores, np.append(MATED, [True, False]), np.append(FOLD, ["1", "1"]), failed=failed)

    assert (found.folds[0].correct, found.folds[0].n, found.n_unscored, found.failed) == (correct, n, 2, failed)


def test_a_threshold_is_never_that_of_a_failed_pair():
    """Pairs that are accepted for having failed are right or wrong, and no score."""
    scores, mated = np.array([np.nan, 0.5, 0.2, np.nan]), np.array([True, True, False, False])
    for failed in ("reject", "accept"):
        found = accuracy(scores, mated, np.array(["1", "1", "2", "2"]), failed=failed)
        assert [f.threshold for f in found.folds] == [None, 0.5]


def test_one_fold_has_no_accuracy():
    """Nothing is left to choose a threshold on."""
    found = accuracy(SCORES, MATED, np.array(["1"] * 8))

    assert (found.mean, found.standard_error, found.folds) == (None, None, ())
    assert found.reason == "1 fold with pairs that count, at least 2 are needed"


def test_folds_stand_in_order_of_their_numbers():
    """10 comes after 9."""
    names = [str(i) for i in range(10, 0, -1)]
    found = accuracy(np.linspace(0, 1, 20), np.arange(20) % 2 == 0, np.array(names * 2))

    assert [f.name for f in found.folds] == [str(i) for i in range(1, 11)]
    assert found.to_json()["folds"][9]["name"] == "10"


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_folds_agree_with_trying_every_threshold(seed: int):
    """Thresholds tried one by one, in order and of scores with ties, whatever the order of pairs."""
    random = np.random.default_rng(seed)
    n = int(random.integers(4, 40))
    scores, mated = random.integers(0, 8, n) / 8, random.integers(0, 2, n).astype(bool)
    fold = np.append([1, 2], random.integers(1, 5, n - 2))
    found = accuracy(scores, mated, fold)
    for each, name in zip(found.folds, sorted(set(fold.tolist())), strict=True):
        others, own = fold != name, fold == name
        best, chosen = -1, 0.0
        for threshold in [*sorted(set(scores[others].tolist())), math.inf]:
            right = int(((scores[others] >= threshold) == mated[others]).sum())
            if right > best:
                best, chosen = right, threshold
        assert each.threshold == (None if chosen == math.inf else chosen)
        assert each.correct == ((scores[own] >= chosen) == mated[own]).sum()
        assert each.least <= each.correct <= each.most
    order = random.permutation(n)
    assert accuracy(scores[order], mated[order], fold[order]) == found


def test_correct_at_by_hand():
    """At .5 of .2 .6 non-mated and .4 .5 mated: .2 and .5 are right."""
    found = correct_at(np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.6, 0.4, 0.5]), np.array([False, False, True, True]))

    assert found.tolist() == [2, 2, 2]


def lfw_pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, mated and fold of LFW's 6,000 pairs, by numpy alone."""
    rows = {line.split(",")[0]: i for i, line in enumerate((LFW / "labels.csv").read_text().splitlines()[1:])}
    table = np.array([line.split(",") for line in (LFW / "pairs.csv").read_text().splitlines()[1:]])
    raw = np.load(LFW / "dlib-128.npy").astype(np.float64)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    a, b = (unit[[rows[name] for name in table[:, column]]] for column in (1, 2))
    return (a * b).sum(axis=1), table[:, 3] == "true", table[:, 0].astype(int)


def test_the_protocol_of_lfw_gives_the_accuracy_that_numpy_gives():
    """Mean and standard error over ten folds, by a loop over thresholds in plain numpy."""
    scores, mated, fold = lfw_pairs()
    shares = []
    for name in range(1, 11):
        others = fold != name
        candidates = np.unique(scores[others])
        right = ((scores[others][None, :] >= candidates[:, None]) == mated[others]).sum(axis=1)
        threshold = candidates[np.argmax(right)]
        shares.append(((scores[~others] >= threshold) == mated[~others]).mean())
    found = accuracy(scores, mated, fold)

    assert len(found.folds) == 10
    assert {(f.n, f.n_mated) for f in found.folds} == {(600, 300)}
    # Means of ten float64 shares, and their deviation.
    assert found.mean == pytest.approx(np.mean(shares), abs=1e-15)
    assert found.standard_error == pytest.approx(np.std(shares, ddof=1) / np.sqrt(10), rel=1e-12)
    assert found.least <= found.mean <= found.most


def read(directory: Path, *lines: str) -> PairList:
    """A list of pairs of seven templates."""
    path = directory / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return PairList.read(path, worlds.two_groups().templates)


def test_a_list_says_which_folds_its_pairs_are_of(tmp_path: Path):
    """A column more, which exclusion keeps in step; a list without it has none, and an empty name is a mistake."""
    lines = ("fold,template_a,template_b", "x,t0,t1", "y,t0,t2", "x,t3,t5")
    found = read(tmp_path, *lines)
    left = found.without(read(tmp_path, "template_a,template_b", "t1,t0"))

    assert (found.folds.tolist(), left.folds.tolist()) == (["x", "y", "x"], ["y", "x"])
    assert read(tmp_path, "template_a,template_b", "t0,t1").folds is None
    with pytest.raises(InputError, match=r"pairs\.csv, line 3: fold is empty, expected the name of a fold"):
        read(tmp_path, *lines[:2], ",t0,t2")


def test_scores_stand_in_the_order_of_the_list(tmp_path: Path):
    """.5 for t0 and t1, nothing for the failed t6, 1 for t0 and t2."""
    found = read(tmp_path, "template_a,template_b", "t0,t1", "t6,t0", "t2,t0")
    scores = Pairs(found, Layout.of(found.templates, (), 4), ReferenceEngine()).scores

    np.testing.assert_array_equal(scores, np.array([0.5, np.nan, 1], dtype=np.float32))


def results_of(pairs: Path, out: Path) -> dict:
    """What a run over a list of pairs of LFW reports."""
    templates = load(LFW / "dlib-128.npy", labels=LFW / "labels.csv")
    options = Options(out=out, thresholds=(0.9,), threads=1, with_report=False)
    progress = TerminalProgress(quiet=True)
    listed = PairList.read(pairs, templates)
    return run_verify(templates, options, pairs=listed, failed="reject", progress=progress).results


def said(results: dict) -> str:
    """What the terminal shows, as one line."""
    console = Console(file=io.StringIO(), width=300)
    show(results, console)
    return " ".join(console.file.getvalue().split())


def test_a_run_over_folds_reports_their_accuracy(tmp_path: Path):
    """results.json has what numpy finds, as the schema says, and the terminal shows it."""
    results = results_of(LFW / "pairs.csv", tmp_path)
    scores, mated, fold = lfw_pairs()
    expected = accuracy(scores.astype(np.float32), mated, fold)

    jsonschema.validate(results, SCHEMA)
    assert json.loads((tmp_path / "results.json").read_text())["folds"] == results["folds"]
    assert [f["correct"] for f in results["folds"]["folds"]] == [f.correct for f in expected.folds]
    assert (results["folds"]["mean"], results["folds"]["standard_error"]) == (expected.mean, expected.standard_error)
    line = "accuracy over 10 folds, each at the threshold of the others: 98.72%, standard error 0.19%; 98.72% to 98.77%"
    assert line in said(results)


def test_a_run_over_one_fold_says_why_there_is_no_accuracy(tmp_path: Path):
    """The reason is in results.json and on the terminal; without folds there is no key."""
    lines = (LFW / "pairs.csv").read_text().splitlines()
    one, none = tmp_path / "one.csv", tmp_path / "none.csv"
    one.write_text("\n".join(lines[:601]) + "\n")
    none.write_text("\n".join(line.partition(",")[2] for line in lines[:601]) + "\n")
    results, plain = results_of(one, tmp_path / "1"), results_of(none, tmp_path / "0")

    jsonschema.validate(results, SCHEMA)
    assert (results["folds"]["mean"], results["folds"]["folds"]) == (None, [])
    assert "accuracy over folds: not estimable, 1 fold with pairs that count, at least 2 are needed" in said(results)
    assert "folds" not in plain
    assert "accuracy" not in said(plain)
