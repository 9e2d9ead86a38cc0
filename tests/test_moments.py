"""Moments in closed form are those of one comparison after the other, and find out counts in wrong bins."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench import files, moments
from frbench.counting.layout import Layout
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine, ReferenceRows
from frbench.errors import Conservation
from frbench.moments import Moments, Sums, d_prime
from frbench.plan import score_axis
from frbench.runs.options import Options
from frbench.runs.progress import TerminalProgress
from frbench.runs.verify import run_verify
from frbench.tally import Tally
from frbench.templates import Templates, load
from tests import ROOT
from tests.commands.test_cli import SCHEMA
from tests.counting.test_verify import pair_list
from tests.worlds import worlds

LFW = ROOT / "examples" / "lfw"
FINE = score_axis(0.001)
Scores = dict[moments.Key, list[float]]


def of(world: worlds.World) -> Moments:
    """The moments of a world."""
    return world.counter.moments(world.plan)


def enumerated(found: Templates, columns: tuple[str, ...]) -> Scores:
    """Scores in float64 of every scored pair, by cell of a grouping; nothing is rounded to float32."""
    out: Scores = defaultdict(list)
    for i, j, mated, score in worlds.pairs(found):
        if score is not None:
            names = (",".join(v or "unlabelled" for v in worlds.label_of(found, columns, row)) for row in (i, j))
            a, b = sorted(name or "all" for name in names)
            out[mated, a, b].append(float(found.unit[i].astype(np.float64) @ found.unit[j].astype(np.float64)))
    return out


def assert_same(got: dict[moments.Key, Sums], expected: Scores) -> None:
    """Numbers are equal, sums within the stated rounding; adding one by one is within as much."""
    assert {key for key, sums in got.items() if sums.n} == set(expected)
    for key, scores in expected.items():
        sums = got[key]
        assert sums.n == len(scores)
        assert abs(sums.total - np.sum(scores)) <= 2 * sums.error
        assert abs(sums.squares - np.sum(np.square(scores))) <= 2 * sums.error


def test_two_groups_by_hand():
    """Non-mated f f: 1 and .5; f m: four 0 and five .5; m m: twice .5. Mated: .5 and 1. Failed ones are not scored."""
    found = of(worlds.two_groups()).pool(("sex",))

    assert {key: (s.n, s.total, s.squares) for key, s in found.items()} == {
        (False, "f", "f"): (2, 1.5, 1.25),
        (False, "f", "m"): (9, 2.5, 1.25),
        (False, "m", "m"): (2, 1.0, 0.5),
        (True, "f", "f"): (1, 0.5, 0.25),
        (True, "m", "m"): (1, 1.0, 1.0),
    }
    # 1 and .5: mean .75, each .25 away.
    assert (found[False, "f", "f"].mean, found[False, "f", "f"].deviation) == (0.75, 0.25)


@given(worlds.random_worlds())
@worlds.FEW
def test_closed_form_is_that_of_every_pair(world: worlds.World):
    """By the finest groups, by each column and all together: repeated rows, failures and changing labels included."""
    found = of(world)

    for grouping in {(), world.columns, *((column,) for column in world.columns)}:
        assert_same(found.pool(grouping), enumerated(world.templates, grouping))


@given(worlds.random_worlds(min_n=2, max_n=20), st.data())
@worlds.FEW
def test_a_list_has_the_moments_of_its_pairs(world: worlds.World, data: st.DataObject):
    """Only listed pairs are in the sums, and the tally of the list passes its check."""
    everything = list(worlds.pairs(world.templates))
    chosen = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique_by=lambda p: p[:2]))
    counter = Pairs(pair_list(world.templates, [p[:2] for p in chosen]), world.layout, ReferenceEngine())
    plan = counter.plan(world.edges)
    scored = [score for *_, score in chosen if score is not None]
    read: list[int] = []
    found = counter.moments(plan, read.append)

    sums = sum(found.pool(()).values(), Sums())
    assert sums.n == len(scored)
    # Scores of the reference are rounded to float32.
    assert abs(sums.total - sum(scored)) <= 2 * sums.error + len(scored) * 2**-24
    assert sum(read) == counter.rows_in_moments == 2 * len(scored)
    assert found.check(sweep(plan, lambda tile: counter.count(plan, tile))).is_checked


@given(worlds.random_worlds())
@worlds.FEW
def test_a_right_tally_passes(world: worlds.World):
    """Counts on any axis hold the sums, whichever engine counted; edges that are scores included."""
    assert of(world).check(world.tally).is_checked
    assert of(world).check(world.counted_by(CpuEngine())).is_checked


@given(worlds.random_templates(min_n=2))
@worlds.FEW
def test_counts_that_moved_far_are_found_out(found: Templates):
    """In each cell in turn, the fullest bin is moved to the far end.

    At most 780 scores in bins of .001: the sum is known to .78, and at least one score moves by 1 or more.
    """
    world = worlds.World(found, edges=FINE)
    sums = of(world)
    for cell, bins in enumerate(world.tally.total[:, :-1]):
        if bins.any():
            fullest = int(bins.argmax())
            total = world.tally.total.copy()
            is_low = fullest == 0 or FINE[fullest - 1] < 0
            total[cell, fullest] = 0
            total[cell, len(FINE) if is_low else 0] += bins[fullest]
            with pytest.raises(Conservation, match=r"mated comparisons of .* the sum of the scores is"):
                sums.check(dataclasses.replace(world.tally, total=total))


def tampered(total: list[list[int]]) -> Tally:
    """A tally of two groups, of the cells that follow, with other counts."""
    world = worlds.two_groups()
    return dataclasses.replace(world.tally, total=np.array(total, dtype=np.uint64))


def test_a_contradiction_names_the_cell():
    """The sentence says which cell, what the templates give, and what the bins can hold."""
    world = worlds.two_groups()
    total = world.tally.total.tolist()
    [cell] = [i for i, c in enumerate(world.plan.cells) if c == (False, 0, 1, 0)]
    # Bins of f m: four 0 and five .5, and three failed. Edges -.5, 0, .25, .5, .75, 1.
    assert total[cell] == [0, 0, 4, 0, 5, 0, 0, 3]
    total[cell] = [5, 0, 4, 0, 0, 0, 0, 3]

    # Four from 0 to .25, five from -1 to -.5.
    said = r"non-mated comparisons of f with m: the sum of the scores is 2\.5 .* from -5\.00000\d* to -1\.5"
    with pytest.raises(Conservation, match=said):
        of(world).check(tampered(total))


def test_squares_find_out_what_the_sum_does_not():
    """Of scores 0 and .5, counts at -.5 and 1 have a sum that fits, and squares that do not."""
    world = worlds.two_groups()
    total = world.tally.total.tolist()
    [cell] = [i for i, c in enumerate(world.plan.cells) if c == (False, 0, 1, 0)]
    # 4 x -.5 + 4 x 1 + .5 = 2.5; squares 4 x .25 + 4 + .25 or less, where 1.25 is right.
    total[cell] = [0, 4, 0, 0, 1, 0, 4, 3]

    with pytest.raises(Conservation, match=r"the sum of the squares of the scores is 1\.25"):
        of(world).check(tampered(total))


def test_a_lost_score_is_found_out():
    """The number of scores is exact: a comparison that is counted as failed is missed."""
    world = worlds.two_groups()
    total = world.tally.total.tolist()
    total[0] = [0, 0, 0, 0, 1, 0, 0, 1]

    with pytest.raises(Conservation, match="f with f: the number of scores is 2 by the templates, but the bins hold 1"):
        of(world).check(tampered(total))


@given(worlds.random_worlds(min_n=2))
@worlds.FEW
def test_parts_do_not_show(world: worlds.World):
    """Rows, pairs and groups a few at a time have the same moments, and every row is told of."""
    read: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ROWS_AT_ONCE", 3), ("PAIRS_AT_ONCE", 2), ("GROUPS_AT_ONCE", 1)):
            patch.setattr(moments, name, value)
        in_parts = world.counter.moments(world.plan, read.append)

    for got, whole in zip(in_parts.cells, of(world).cells, strict=True):
        assert got.n == whole.n
        assert max(abs(got.total - whole.total), abs(got.squares - whole.squares)) <= 2 * whole.error
    assert sum(read) == world.counter.rows_in_moments
    assert max(read, default=0) <= 4


def test_equal_scores_have_no_deviation_and_no_separation():
    """Copies of one row: every score is 1, and a difference of 0 in units of 0 is undefined."""
    world = worlds.World(worlds.templates([worlds.X] * 6, ["ann", "ann", "bea", "bea", "cid", "cid"], sex=["f"] * 6))
    found = of(world).pool(())
    nonmated, mated = found[False, "all", "all"], found[True, "all", "all"]

    assert (nonmated.n, nonmated.mean, nonmated.deviation) == (12, 1.0, 0.0)
    assert (mated.n, mated.mean, mated.deviation) == (3, 1.0, 0.0)
    assert d_prime(nonmated, mated) is None


def test_equal_scores_that_round_have_no_separation():
    """Copies of a row whose score with itself is no short fraction: their variance is that of rounding alone."""
    rows = np.array([[0.6, 0.8], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
    world = worlds.World(worlds.templates(rows, ["ann", "ann", "ann"], sex=["f"] * 3))
    mated = of(world).pool(())[True, "all", "all"]

    # Three rows, three mated pairs, d^2 = 4 and 16: 26 x 2^-52 for each pair, three times that in the variance.
    assert mated.variance <= mated.variance_error == pytest.approx(78 * 2**-52)
    assert d_prime(mated, mated) is None


def test_d_prime_by_hand():
    """Scores 0 and 1 against 1 and 2: means 1 apart, both variances a quarter."""
    assert d_prime(Sums(2, 1.0, 1.0), Sums(2, 3.0, 5.0)) == 1 / 0.5
    assert d_prime(Sums(2, 1.0, 1.0), Sums(1, 1.0, 1.0)) is None


def test_few_scores_are_undefined():
    """No score has no mean, and one has no deviation."""
    assert (Sums().mean, Sums().deviation) == (None, None)
    assert (Sums(1, 0.5, 0.25).mean, Sums(1, 0.5, 0.25).deviation) == (0.5, None)


def test_too_many_groups_have_no_moments_and_a_reason(monkeypatch: pytest.MonkeyPatch):
    """Two groups in dimension 4 take 2 x 16 x 8 = 256 bytes, which is above a bound of 255 and within one of 256."""
    world = worlds.two_groups()
    monkeypatch.setattr(moments, "MAX_BYTES", 255)
    none = of(world)

    assert none.reason.startswith("second moments of 2 groups in dimension 4 take")
    assert none.pool(()) == {}
    assert not none.check(world.tally).is_checked
    assert none.checksum == f"not made: {none.reason}"
    monkeypatch.setattr(moments, "MAX_BYTES", 256)
    assert of(world).check(world.tally).checksum.startswith("passed")


def run(world: worlds.World, out: Path) -> None:
    """`frbench verify` by mask, on the oracle."""
    options = Options(
        out=out,
        groupings=(("sex",), ("mask",)),
        per_template=("mask",),
        thresholds=(0.5,),
        engine="reference",
        with_report=False,
    )
    run_verify(world.templates, options, pairs=None, failed="reject", progress=TerminalProgress(quiet=True))


@pytest.fixture
def masked() -> worlds.World:
    """Forty templates of ten subjects, two labels, a failure."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(40, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    subjects = [f"s{i // 4}" for i in range(40)]
    sex, mask = [("f", "m")[i // 4 % 2] for i in range(40)], [("yes", "no")[i % 2] for i in range(40)]
    return worlds.World(worlds.templates(rows, subjects, failed=[7], sex=sex, mask=mask), ("sex", "mask"))


def test_a_run_reports_moments_of_every_grouping_and_of_the_finest_groups(masked: worlds.World, tmp_path: Path):
    """Results hold them by sex, by mask and by both, each the sums of its pairs; the manifest says what was checked."""
    run(masked, tmp_path)
    results = files.read_json(tmp_path / "results.json")
    jsonschema.validate(results, SCHEMA)
    by_title = {"all": (), "sex": ("sex",), "mask": ("mask",), "sex,mask": ("sex", "mask")}
    groups = results["moments"]["groups"]

    assert list(dict.fromkeys(g["grouping"] for g in groups)) == list(by_title)
    assert results["moments"]["checksum"] == moments.PASSED
    assert files.read_json(tmp_path / "manifest.json")["engine"]["checksum"] == moments.PASSED
    for g in groups:
        expected = enumerated(masked.templates, by_title[g["grouping"]])
        for kind, mated in (("nonmated", False), ("mated", True)):
            scores = expected.get((mated, g["group_a"], g["group_b"]), [])
            assert g[kind]["n"] == len(scores)
            assert g[kind]["mean"] == (pytest.approx(np.mean(scores), abs=1e-12) if scores else None)
            assert g[kind]["sd"] == (pytest.approx(np.std(scores), abs=1e-9) if len(scores) > 1 else None)
            assert bool(g[kind]["reason"]) == (len(scores) < 2)
        assert (g["d_prime"]["value"] is None) == bool(g["d_prime"]["reason"])


class Shifted(ReferenceEngine):
    """An engine that counts every score one bin too high."""

    def rows(self, unit):
        """Rows whose bins are one off."""

        class Rows(ReferenceRows):
            def count(self, *args, **options):
                return np.roll(super().count(*args, **options), 1, axis=1)

        return Rows(unit)


def test_a_run_with_every_score_a_bin_off_ends_without_results(
    masked: worlds.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every number of pairs is right, so only the sums tell; nothing is reported."""
    monkeypatch.setattr(Options, "open_engine", lambda *_: Shifted())
    found = masked.templates.with_subjects(masked.templates.template_ids)

    with pytest.raises(Conservation, match=r"the sum of the scores is .* do not use these counts"):
        run(worlds.World(found), tmp_path)
    assert not (tmp_path / "results.json").exists()


def scores_between(a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """Scores in float64 of some rows of `a` with all of `b`, one after the other."""
    wide = b.astype(np.float64).T
    for start in range(0, len(a), 512):
        yield a[start : start + 512].astype(np.float64) @ wide


def test_real_templates_have_the_moments_of_every_pair():
    """87,549,528 comparisons by sex, each scored: the same sums; and the tally of the sweep passes its check."""
    found = load(LFW / "dlib-128.npy", labels=LFW / "labels.csv")
    counter = AllPairs(Layout.of(found, ("sex",)), CpuEngine(threads=2))
    plan = counter.plan(FINE, keeps_blocks=False)
    sums = counter.moments(plan)
    rows = {sex or "unlabelled": found.unit[found.labels["sex"] == sex] for sex in ("female", "male", "")}
    got = sums.pool(("sex",))

    for a in rows:
        for b in (b for b in rows if a <= b):
            total = squares = 0.0
            for scores in scores_between(rows[a], rows[b]):
                total += scores.sum()
                squares += np.vdot(scores, scores)
            n = len(rows[a]) * len(rows[b])
            if a == b:
                own = (rows[a].astype(np.float64) ** 2).sum(axis=1)
                n, total, squares = (n - len(own)) // 2, (total - own.sum()) / 2, (squares - (own**2).sum()) / 2
            every = got[False, a, b] + got.get((True, a, b), Sums())
            assert every.n == n
            # (13,233 rows + 242,257 mated pairs + 128^2 + 16) 2^-52 = 6e-11 for each product of two rows; the 6 pairs
            # of 4 unlabelled rows, of which 1 is mated, are worked out of 16 + 1 products.
            assert every.error <= 17 / 6 * 6.1e-11 * n
            assert abs(every.total - total) <= 2 * every.error
            assert abs(every.squares - squares) <= 2 * every.error
    assert sum(s.n for s in sums.cells) == 87_549_528
    assert sums.check(sweep(plan, lambda tile: counter.count(plan, tile))).is_checked
