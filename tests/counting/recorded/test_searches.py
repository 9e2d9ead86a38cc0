"""Recorded searches: ranks and candidates of logs, against a loop and against the search that wrote the log."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.counting import identify
from frbench.counting.identify import Identification, search_all
from frbench.counting.recorded.candidate_log import CandidateFile, Protocol
from frbench.counting.recorded.people import without_vectors
from frbench.counting.recorded.searches import NOBODY, SearchLog, read
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.reading import metrics
from frbench.reading.selectivity import selectivity
from frbench.tally import Tally
from tests import ROOT
from tests.worlds import worlds

GOLDEN = ROOT / "tests" / "golden" / "scores"
HEADER = "searchId candidateRank searchRetCode isAssigned templateId score decision\n"
ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 7), st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan])),
    unique_by=lambda row: row[:2],
    min_size=1,
    max_size=40,
)


def golden_protocol() -> Protocol:
    """Who takes part in the probe vector."""
    return Protocol.read(GOLDEN / "enrolled.csv", GOLDEN / "searches.csv")


def probe_vector(tmp_path: Path, format: str) -> SearchLog:
    """The probe vector of metrics.md 1.6, as one of the programs would write it."""
    log = CandidateFile(str(GOLDEN / f"probe_vector.{format}.txt"), format)
    return read(log, golden_protocol() if format == "frte" else None, tmp_path)


def logged(directory: Path, text: str, protocol: Protocol | None = None, **options) -> SearchLog:
    """The log of a text in the frte format."""
    path = directory / "log.txt"
    path.write_text(HEADER + text)
    return read(CandidateFile(str(path), "frte"), protocol or golden_protocol(), directory, **options)


def tally_of(found: SearchLog, edges: tuple[float, ...], ranks: tuple[int, ...] = (1, 2, 4)) -> Tally:
    """The tally of a log."""
    task = found.task((), ranks, 4)
    return identify.count(task, task.plan(edges), found.candidates)


@pytest.mark.parametrize("format", ["frte", "bob4", "bob5"])
def test_the_probe_vector_settles_every_convention(tmp_path: Path, format: str):
    """metrics.md 1.6: FNIR(4,1,.6) = 3/4, FNIR(4,4,.6) = 1/4, FPIR = 1/3, SEL = 2/3; rank-1 miss without T 3/4."""
    found = probe_vector(tmp_path, format)
    tally = tally_of(found, (0.6,))

    def fraction(estimate) -> Fraction:
        return Fraction(estimate.k, estimate.n)

    assert fraction(metrics.fnir(tally, 0.6, rank=1)) == Fraction(3, 4)
    assert fraction(metrics.fnir(tally, 0.6, rank=4)) == Fraction(1, 4)
    assert fraction(metrics.fpir(tally, 0.6)) == Fraction(1, 3)
    assert fraction(metrics.fnir(tally, None, rank=1)) == Fraction(3, 4)
    nonmated = np.array([name.startswith("u") for name in found.protocol.probes.template_ids])
    scores = found.candidates.scores[nonmated]
    sel = selectivity(scores, 0.6, gallery=4, block=np.zeros(3, int), n_blocks=4)
    assert Fraction(sel.k, sel.n) == Fraction(2, 3)
    mated_unscored = tally.pick(mated=True).unscored, tally.pick(mated=False).unscored
    assert mated_unscored == (1, 1)


def test_a_strict_operator_would_give_other_rates(tmp_path: Path):
    """metrics.md 1.6: with a threshold above .6, FNIR(4,4) = 2/4 and FPIR = 1/3: m3 ties with it, u1 has .65."""
    above = math.nextafter(0.6, 1)
    tally = tally_of(probe_vector(tmp_path, "frte"), (above,))

    assert (metrics.fnir(tally, above, rank=4).k, metrics.fpir(tally, above).k) == (2, 1)


def test_candidates_by_hand(tmp_path: Path):
    """m1 .9 first; m2 ties and stands second; m3 second; u1 has A and D; the failed ones have nobody."""
    found = probe_vector(tmp_path, "frte").candidates

    assert found.rank.tolist() == [1, 2, 2, 0, 0, 0, 0]
    assert found.scores[4].tolist() == [0.65, 0.6, 0.1, 0.1]
    assert found.rows[4].tolist() == [0, 3, 1, 2]
    assert found.rows[3].tolist() == [-1] * 4


@given(ROWS, st.permutations(range(40)), st.integers(1, 8), st.booleans())
@settings(worlds.FEW, max_examples=100)
def test_ranks_and_candidates_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, float]],
    order: list[int],
    k: int,
    in_parts: bool,
):
    """Rows in any order, ties, scores that are nan, several templates of a subject, and lists without the mate.

    Subjects of the six searches: 0 0 1 2 8 9; of the eight templates: 0 0 1 1 2 3 4 5.
    """
    whose, enrolled = (0, 0, 1, 2, 8, 9), (0, 0, 1, 1, 2, 3, 4, 5)
    names = [worlds.text_array([f"{letter}{i}" for i in range(n)]) for letter, n in (("s", 6), ("t", 8))]
    subjects = [worlds.text_array([f"p{x}" for x in of]) for of in (whose, enrolled)]
    protocol = Protocol(without_vectors(names[1], subjects[1], {}), without_vectors(names[0], subjects[0], {}))
    rows = [rows[i] for i in order if i < len(rows)]
    text = "".join(f"s{s} 0 0 1 t{t} {score!r} 1\n" for s, t, score in rows)
    with pytest.MonkeyPatch.context() as patch:
        if in_parts:
            patch.setattr("frbench.counting.recorded.column_stream.BLOCK_BYTES", 128)
            patch.setattr("frbench.counting.recorded.spool.Spool.parts.__defaults__", (3,))
        found = logged(tmp_path_factory.mktemp("log"), text, protocol, k=k, is_similarity=True)

    length = max(sum(s == i for s, _, _ in rows) for i in range(6))
    kept = min(k, length)
    for i in range(6):
        listed = sorted((-score, t) for s, t, score in rows if s == i and not math.isnan(score))
        mates = [-minus for minus, t in listed if enrolled[t] == whose[i]]
        best = [(-minus, t) for minus, t in listed][:kept]
        assert found.candidates.scores[i][: len(best)].tolist() == [score for score, _ in best]
        assert found.candidates.rows[i].tolist() == [t for _, t in best] + [-1] * (kept - len(best))
        if whose[i] not in enrolled or not listed:
            assert math.isnan(found.candidates.mate_score[i])
        elif mates:
            above = sum(-minus >= max(mates) for minus, t in listed if enrolled[t] != whose[i])
            assert (found.candidates.mate_score[i], found.candidates.rank[i]) == (max(mates), 1 + above)


@given(worlds.searches())
@worlds.FEW
def test_the_log_of_a_search_counts_as_the_search(tmp_path_factory: pytest.TempPathFactory, task: Identification):
    """Every comparison of probes and gallery written as bob5 gives the tally of the search itself.

    Templates of the gallery that failed have nan; so has every row of a failed probe.
    """
    directory = tmp_path_factory.mktemp("log")
    engine = ReferenceEngine()
    edges = (-0.5, 0.0, 0.25, 0.5)
    expected = identify.count(task, task.plan(edges), search_all(task, engine))
    probes, gallery = task.probes, task.gallery
    rows, others = engine.rows(probes.unit), engine.rows(gallery.unit)
    lines = []
    for i in range(len(probes)):
        for j in range(len(gallery)):
            score = float(rows.score_pairs(others, np.array([i]), np.array([j]))[0])
            failed = probes.failed[i] or gallery.failed[j]
            ids = (gallery.subject_ids[j], gallery.template_ids[j], probes.subject_ids[i], probes.template_ids[i])
            lines.append(f"{' '.join(ids)} {'nan' if failed else repr(score)}\n")
    (directory / "s.txt").write_text("".join(lines))
    people = without_vectors(*(np.unique(probes.subject_ids),) * 2, {"sex": worlds.text_array([])})
    label = dict(zip(probes.subject_ids, probes.labels["sex"], strict=True))
    people = without_vectors(
        people.template_ids, people.template_ids, {"sex": worlds.text_array([label[s] for s in people.template_ids])}
    )
    log = CandidateFile(str(directory / "s.txt"), "bob5")
    found = read(log, None, directory, people=people, is_similarity=True)
    again = found.task(("sex",), tuple(r for r in task.ranks if r <= found.length), task.n_blocks)
    tally = identify.count(again, again.plan(edges), found.candidates)

    for threshold in (*edges, None):
        for rank in again.ranks:
            ours, theirs = (metrics.fnir(t, threshold, rank=rank) for t in (tally, expected))
            assert (ours.k, ours.n) == (theirs.k, theirs.n)
    for threshold in edges:
        for group in expected.plan.everybody_and([("sex",)]):
            ours, theirs = (metrics.fpir(t, threshold, group=group) for t in (tally, expected))
            assert (ours.k, ours.n) == (theirs.k, theirs.n)
    assert tally.pick(mated=False).bins.tolist() == expected.pick(mated=False).bins.tolist()


def test_a_mate_beyond_the_list_is_a_miss_at_every_rank(tmp_path: Path):
    """m1 is enrolled and not listed: no failure, but a miss without a threshold, too."""
    found = logged(tmp_path, "m1 0 0 1 B 0.9 1\nm1 1 0 1 C 0.8 1\nu1 0 0 1 A 0.5 1\n")
    tally = tally_of(found, (0.6,), ranks=(1, 2))

    assert (found.candidates.mate_score[0], found.candidates.rank[0]) == (NOBODY, 3)
    assert [metrics.fnir(tally, None, rank=rank).k for rank in (1, 2)] == [4, 4]
    assert tally.pick(mated=True).unscored == 3
    assert found.notes == (
        "5 of 7 searches have no row in the file and are counted as failed",
        "lists hold 1 to 2 candidates",
    )


def test_ranks_beyond_the_list_are_refused(tmp_path: Path):
    """What comes after the last candidate is not known."""
    found = probe_vector(tmp_path, "frte")

    assert found.task((), (), 4).ranks == (1, 2, 3)
    with pytest.raises(InputError, match="--ranks has 5, but the lists hold at most 4 candidates"):
        found.task((), (1, 5), 4)


def test_a_search_that_finds_nobody_has_not_failed(tmp_path: Path):
    """Its return code is 0 and no row is assigned: no candidate at any threshold, and no failure."""
    found = logged(tmp_path, "u1 0 0 0  -1 0\nu2 0 2 0  -1 0\n")
    nonmated = tally_of(found, (-1e9, 0.0), ranks=(1,)).pick(mated=False)

    # Below every edge: u1. Without a score: u2, which failed, and u3, which has no row.
    assert nonmated.bins.tolist() == [1, 0, 0, 2]


def test_recorded_ranks_that_contradict_the_scores_are_told(tmp_path: Path):
    """The scores are counted: B first, whatever its rank; one step of three goes the wrong way."""
    found = logged(tmp_path, "m1 0 0 1 A 0.5 1\nm1 1 0 1 B 0.7 1\nm1 2 0 1 C 0.3 1\nm1 3 0 1 D 0.2 1\n")

    assert found.candidates.rank[0] == 2
    assert "in 1 of 7 searches the recorded ranks contradict the scores; the scores are counted" in found.notes


def test_lists_of_distances_are_refused(tmp_path: Path):
    """Scores that rise with the rank."""
    text = "m1 0 0 1 A 0.1 1\nm1 1 0 1 B 0.7 1\nm1 2 0 1 C 0.8 1\n"
    with pytest.raises(InputError, match=r"scores rise with the recorded rank in 2 of 2 steps.*--distance"):
        logged(tmp_path, text)
    assert logged(tmp_path, text, is_similarity=True).candidates.rank[0] == 3


def test_whole_lists_of_distances_are_refused(tmp_path: Path):
    """Thirty mates behind all nineteen others: beyond .5 + 5 / sqrt(12 * 30) = .76."""
    lines = [f"c{j} c{i} p{i} {float(i != j)}\n" for i in range(20) for j in range(20)]
    lines += [f"c{j} c{i} q{i} {float(i != j)}\n" for i in range(10) for j in range(20)]
    path = tmp_path / "d.txt"
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=r"mates stand behind 100.0% of the others.*with --distance"):
        read(CandidateFile(str(path), "bob4"), None, tmp_path)

    assert set(read(CandidateFile(str(path), "bob4", is_distance=True), None, tmp_path).candidates.rank) == {1}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("m1 0 0 1 A 0.5 1\nm1 1 0 1 A 0.4 1\n", "line 2 and line 3: search 'm1' holds 'A' twice"),
        ("m1 0 0 1 A 0.5 1\nx 0 0 1 A 0.4 1\n", "line 3: search 'x' is not in --searches"),
        ("m1 0 0 1 A 0.5 1\nm1 1 0 1 Z 0.4 1\n", "line 3: template 'Z' is not in --enrolled"),
    ],
)
def test_rows_that_cannot_be_are_refused(tmp_path: Path, text: str, named: str):
    """The message names the file and the line."""
    with pytest.raises(InputError, match=named) as refusal:
        logged(tmp_path, text)
    assert "log.txt" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a b p1 0.5\na c p1 0.5\n", "line 2: 'p1' is of another subject than before"),
        ("a b p1 0.5\nb a p2 0.5\n", "search 'p1' is of 'b', who is enrolled, but no row compares them"),
    ],
)
def test_bob_files_that_contradict_themselves_are_refused(tmp_path: Path, text: str, named: str):
    """A search is of one person, and is compared with everybody."""
    path = tmp_path / "s.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=named):
        read(CandidateFile(str(path), "bob4"), None, tmp_path)


def test_who_takes_part_is_said_once(tmp_path: Path):
    """By the protocol for lists, by the file itself for bob."""
    with pytest.raises(InputError, match="format bob4 says itself who is enrolled: leave --enrolled"):
        read(CandidateFile(str(GOLDEN / "probe_vector.bob4.txt"), "bob4"), golden_protocol(), tmp_path)
    with pytest.raises(InputError, match=r"format frte does not say .*: give --enrolled and --searches"):
        read(CandidateFile(str(GOLDEN / "probe_vector.frte.txt"), "frte"), None, tmp_path)
