"""Fusion of listed pairs, on a population, and a fused run that is interrupted or killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from frbench import files
from frbench.counting.fusion import pair_scores as module
from frbench.counting.fusion.fitting import Calibration
from frbench.counting.fusion.pair_scores import Scored, pair_scores
from frbench.counting.fusion.rule import Rule
from frbench.counting.fusion.twins import Twins, drawn
from frbench.counting.pair_list import PairList
from frbench.engines.reference import scores
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.reading.systems.compare import compare
from frbench.runs.fuse import Fusion, run_fusion
from frbench.templates import Templates
from tests.commands.test_cli import SCHEMA, World, world  # noqa: F401
from tests.counting.fusion.test_fusion import QUIET, options
from tests.reading.systems.test_compare import people

NAN = float("nan")


def listed(path: Path, templates: Templates, *, every: int = 3, folds: int = 0) -> PairList:
    """Every third of all pairs, or so, of a file; in two folds if that is asked for."""
    ids = templates.template_ids
    pairs = [
        pair for n, pair in enumerate(combinations(range(len(ids)), 2)) if n % every == 0 or pair[1] == pair[0] + 1
    ]
    lines = ["template_a,template_b" + ",fold" * bool(folds)]
    lines += [f"{ids[b]},{ids[a]}" + f",f{n % folds if folds else 0}" * bool(folds) for n, (a, b) in enumerate(pairs)]
    path.write_text("\n".join(lines) + "\n")
    return PairList.read(path, templates)


def run(out: Path, twins: Twins, fusion: Fusion, *rates: str, **more: Any) -> FinishedRun:
    """A run without a word."""
    return run_fusion(
        twins, fusion, options(out, *rates), failed="reject", progress=more.pop("progress", QUIET), **more
    )


def test_listed_pairs_are_counted_as_numpy_counts_them(tmp_path: Path):
    """Scales from all pairs of the calibration people, rates from the listed pairs that have none of them."""
    a, b = people(1, failed=(7,)), people(2)
    pairs = listed(tmp_path / "p.csv", a, folds=2)
    found = run(tmp_path / "out", Twins.of(a, b, ["sex"]), Fusion("sum", share=0.3), "0.1", pairs=pairs)
    jsonschema.validate(found.results, SCHEMA)

    fit = drawn(a.subject_ids, 0.3)
    x, y = (scores(t.unit, t.unit).astype(np.float64) for t in (a, b))
    x[7] = x[:, 7] = NAN
    same = a.subject_ids[:, None] == a.subject_ids[None, :]
    everything = [p for p in combinations(range(len(a)), 2) if fit[p[0]] and fit[p[1]]]
    nonmated = [p for p in everything if not same[p] and not np.isnan(x[p])]
    normed = sum(
        (each - np.mean([each[p] for p in nonmated])) / np.std([each[p] for p in nonmated], ddof=1) for each in (x, y)
    )
    counted = [p for p in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True) if not fit[p[0]] and not fit[p[1]]]
    point = found.results["operating_points"][0]
    n = sum(not same[p] for p in counted)
    decreasing = np.sort([normed[p] for p in counted if not same[p] and not np.isnan(normed[p])])[::-1]

    assert (n, n // 10) == (point["n"], point["k"])
    # Just above the score that is one too many; sums in another order move a score by some 1e-15.
    assert decreasing[n // 10] == pytest.approx(point["threshold"], abs=1e-9)
    assert n == found.results["overall"][0]["trials"]
    said = found.results["fusion"]["calibration"]
    assert (len(pairs.a) - len(counted), len(nonmated)) == (said["pairs_left_out"], said["nonmated"])
    assert len(counted) == sum(fold["n"] for fold in found.results["folds"]["folds"])
    manifest = files.read_json(tmp_path / "out" / "manifest.json")
    assert str(tmp_path / "p.csv") in [source["path"] for source in manifest["inputs"]]


@pytest.mark.parametrize("fusion", [Fusion("or", "none"), Fusion("weighted", share=0.3)])
def test_a_list_of_all_pairs_counts_as_all_pairs_do(tmp_path: Path, fusion: Fusion):
    """Cell by cell and block by block."""
    a, b = people(1, failed=(7,)), people(2, failed=(50,))
    twins = Twins.of(a, b, ["sex"])
    every = run(tmp_path / "all", twins, fusion, "0.1")
    some = run(tmp_path / "listed", twins, fusion, "0.1", pairs=listed(tmp_path / "p.csv", a, every=1))

    assert ("verify", "pairs") == (every.tally.plan.kind, some.tally.plan.kind)
    assert every.tally.plan.edges == some.tally.plan.edges
    assert (every.tally.total == some.tally.total).all()
    assert (every.tally.touching == some.tally.touching).all()


def test_fused_lists_are_compared_with_each_other(tmp_path: Path):
    """The lists that are left are the same, so the runs are of one population."""
    a, b = people(1, noise=0.9), people(2, noise=0.9)
    twins, pairs = Twins.of(a, b, ["sex"]), listed(tmp_path / "p.csv", a)
    for name, fusion in (("both", Fusion("sum")), ("alone", Fusion("weighted", weight=1.0))):
        run(tmp_path / name, twins, fusion, "0.1", pairs=pairs)
    found = compare(FinishedRun.read(tmp_path / "alone"), FinishedRun.read(tmp_path / "both"))
    assert next(row for row in found["rows"] if row["metric"] == "fnmr" and row["grouping"] == "all")["difference"] < 0


def test_a_list_of_which_nothing_is_left_is_refused(tmp_path: Path):
    """Where each pair has somebody to fit on."""
    a = people(1)
    name = a.subject_ids[drawn(a.subject_ids, 0.5)][0]
    ids = a.template_ids[a.subject_ids == name]
    (tmp_path / "p.csv").write_text(f"template_a,template_b\n{ids[0]},{ids[1]}\n")
    with pytest.raises(InputError, match="leaves nobody to count"):
        run(tmp_path, Twins.of(a, a, ["sex"]), Fusion("sum", share=0.5), pairs=PairList.read(tmp_path / "p.csv", a))


def test_who_has_all_of_the_weight_is_heard_alone():
    """B failed, or A did; exactly the scores of the other, without a fault of the one that nobody asked."""
    a, b = np.array([0.5, 0.25, NAN], np.float32), np.array([NAN, 0.75, 0.5], np.float32)
    np.testing.assert_array_equal([0.5, 0.25, NAN], Rule("weighted", weight=1.0)(a, b))
    np.testing.assert_array_equal([NAN, 0.75, 0.5], Rule("weighted", weight=0.0)(a, b))
    np.testing.assert_array_equal([NAN, 0.5, NAN], Rule("weighted", weight=0.5)(a, b))
    assert "has all of the weight" in Rule("weighted", weight=1.0).to_json()["failures"]


def test_equal_scores_are_seen_whatever_rounding_makes_of_their_variance():
    """Seven times 0.1: the sum of squares less the square of the sum is not exactly zero."""
    tenths = np.full(7, 0.1, np.float32)
    equal = Calibration.of([Scored(np.zeros(7, np.int64), np.full(7, 2), tenths, tenths)], np.array([0, 0, 1]))
    with pytest.raises(InputError, match="all scores of A in the calibration part are equal"):
        equal.scales("z")


def test_known_pairs_are_left_out_part_by_part(monkeypatch: pytest.MonkeyPatch):
    """Behind any number of whole squares, the rest of the pairs is what it was."""
    monkeypatch.setattr(module, "SIDE", 7)
    twins = Twins(people(1, n=24), people(2, n=24))

    def pairs(done: int) -> list[tuple[int, int]]:
        parts = pair_scores(twins, options(Path()).open_engine(QUIET), done=done)
        return [pair for part in parts for pair in zip(part.i.tolist(), part.j.tolist(), strict=True)]

    whole, sizes = pairs(0), [len(part.i) for part in pair_scores(twins, options(Path()).open_engine(QUIET))]
    assert 24 * 23 // 2 == sum(sizes)
    for done in np.cumsum(sizes):
        assert whole[done:] == pairs(int(done))


class Stop:
    """Progress that interrupts the scoring after some parts, as Ctrl-C does, and hears how far it was."""

    def __init__(self, after: int) -> None:
        self.left, self.heard = after, list[int]()

    @contextmanager
    def step(self, title: str, total: int, unit: str) -> Iterator[Any]:
        """Of scoring alone."""
        del total, unit

        def advance(amount: int) -> None:
            if title == "score":
                self.heard.append(amount)
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt

        yield advance


@pytest.mark.parametrize("is_listed", [False, True])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_listed: bool):
    """The pairs that were kept are not scored again, and the tally is that of a run that was left alone."""
    monkeypatch.setattr(module, "SIDE", 20)
    twins = Twins.of(people(1), people(2), ["sex"])
    pairs = {"pairs": listed(tmp_path / "p.csv", twins.a)} if is_listed else {}
    whole = run(tmp_path / "whole", twins, Fusion("sum"), "0.1", **pairs)
    stop = Stop(3)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", twins, Fusion("sum"), "0.1", progress=stop, **pairs)
    heard = Stop(10**6)
    resumed = run(tmp_path / "out", twins, Fusion("sum"), "0.1", progress=heard, **pairs)

    # The first word is what is known already: the parts that were done when the interruption came.
    assert heard.heard[0] == sum(stop.heard) > 0
    assert sum(heard.heard) == sum(whole.tally.plan.trials)
    assert whole.tally.plan == resumed.tally.plan
    assert (whole.tally.total == resumed.tally.total).all()
    assert (whole.tally.touching == resumed.tally.touching).all()
    assert [] == list((tmp_path / "out").glob(".*"))


def test_another_rule_does_not_take_the_scores_up(tmp_path: Path):
    """What was kept of a sum is no part of a run of its maximum."""
    twins = Twins.of(people(1), people(2), ["sex"])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, twins, Fusion("sum"), "0.1", progress=Stop(1))
    heard = Stop(10**6)
    run(tmp_path, twins, Fusion("or", "none"), "0.1", progress=heard)
    assert 0 == heard.heard[0]


def test_a_killed_run_resumes_to_the_same_tally(tmp_path: Path):
    """SIGKILL once something is kept: the tally file equals an undisturbed one, byte for byte."""
    n = 2100
    labels = "\n".join(["template_id,subject_id", *(f"t{i},s{i // 2}" for i in range(n))])
    (tmp_path / "l.csv").write_text(labels + "\n")
    for seed, name in enumerate(("a.npy", "b.npy")):
        np.save(tmp_path / name, np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32))
    command = [sys.executable, "-m", "frbench", "fuse", "a.npy", "b.npy", "--labels", "l.csv", "--rule", "or"]
    command += ["--norm", "none", "--checkpoint-every", "0", "--no-report", "--quiet", "--threads", "1"]
    subprocess.run([*command, "--out", "whole"], cwd=tmp_path, check=True)

    process = subprocess.Popen([*command, "--out", "killed"], cwd=tmp_path)
    while process.poll() is None and not any((tmp_path / "killed").glob(".*[0-9a-f].partial")):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL == process.wait()
    kept = next((tmp_path / "killed").glob(".*.scores.partial"))
    assert 0 < kept.stat().st_size
    subprocess.run([*command, "--out", "killed"], cwd=tmp_path, check=True)

    one, other = ((tmp_path / name / "tally.safetensors").read_bytes() for name in ("whole", "killed"))
    assert one == other
    assert [] == list((tmp_path / "killed").glob(".*"))


def test_the_command_line_fuses_lists_and_sets_thresholds_on_a_population(world: World):  # noqa: F811
    """And says how many listed pairs were left out."""
    second = world.array(np.random.default_rng(2).normal(size=(40, 6)).astype(np.float32), "b.npy")
    given = ("fuse", world.templates, second, "--labels", world.labels, "--out", world.out, "--no-report")
    lines = [f"t{i},t{j}" for i, j in combinations(range(40), 2)]
    pairs = world.file("p.csv", "\n".join(["template_a,template_b", *lines]) + "\n")
    code, output, _ = world.run(
        *given, "--pairs", pairs, "--group", "sex", "--at", "fmr=0.1", "--at-population", "sex=male"
    )
    assert code == 0
    assert "listed pairs with them" in output
    assert "labels of A joined by" in output
    point = files.read_json(world.out / "results.json")["operating_points"][0]
    assert "non-mated pairs within sex=male" == point["population"]
    males = [int(line.split(",")[0][1:]) for line in world.rows if line.endswith(",male")]
    fit = drawn(np.array([f"s{i // 2}" for i in range(40)], dtype=object), 0.2)
    counted = [i for i in males if not fit[i]]
    assert point["n"] == sum(i // 2 != j // 2 for i, j in combinations(counted, 2))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--engine", "grpc://127.0.0.1:1"), "expected cpu, gpu, reference: a fused score needs the scores of both"),
        (("--at-population", "sex=x"), "--at-population: no row has sex=x; the labels are female, male"),
        (("--at-population", "male"), "--at-population is 'male', expected all or COLUMN=LABEL"),
        (("--thresholds", "nan"), "threshold nan is not a finite number"),
        (("--axis-step", "0"), "--axis-step is 0.0, expected more than 0"),
        (("--rule", "and", "--threshold-a", "nan", "--threshold-b", "0"), "a threshold of A or B is nan"),
        (("--rule", "or", "--threshold-a", "0", "--threshold-b", "0", "--norm", "z"), "--norm is about what is fitted"),
        (("--pairs", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_scored(
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    wrong: tuple[str, ...],
    words: str,
):
    """In one sentence, with exit code 2."""
    monkeypatch.setattr("frbench.runs.fuse.pair_scores", None)
    given = ("fuse", world.templates, world.templates, "--labels", world.labels, "--out", world.out)
    code, _, error = world.run(*given, *wrong)
    assert code == 2
    assert words in error
    assert 1 == error.count("\n")
