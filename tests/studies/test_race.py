"""The harness of the races: turns, ratios, what is timed, what is checked, what is printed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benches import checks, peers, race, table, workload
from benches.race import Contestant, Work


def contestant(
    name: str, call: Callable[[], Any] = list, *, kind: race.Kind = "peer", share: float = 1.0
) -> Contestant:
    """A contestant of which only the name matters."""
    return Contestant(name, call, "1", "as it comes", "as it is", kind, share=share)


class Pedantic:
    """pytest-benchmark's pedantic mode as far as a race uses it; each timed call takes one second."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[]))

    def pedantic(
        self,
        target: Callable[[], Any],
        *,
        setup: Callable[[], None] | None = None,
        teardown: Callable[[], None] | None = None,
        rounds: int = 1,
    ) -> None:
        """Call everything in pytest-benchmark's order."""
        for _ in range(rounds):
            if setup is not None:
                setup()
            target()
            self.stats.stats.data.append(1.0)
            if teardown is not None:
                teardown()


# -- turns and what is timed ------------------------------------------------------------------------------------------


def test_each_round_calls_every_contestant_once():
    """No one is left out, and nobody is always first."""
    orders = race.turns(4, 50, seed=1)

    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert {order[0] for order in orders} == {0, 1, 2, 3}


def test_turns_are_those_of_the_seed():
    """A run can be repeated in the same order."""
    assert race.turns(4, 9, seed=1) == race.turns(4, 9, seed=1) != race.turns(4, 9, seed=2)


def test_a_race_calls_in_the_order_of_its_turns():
    """The one that pytest-benchmark times stands in the middle of the others, where its turn is."""
    called: list[int] = []
    contestants = [contestant(str(i), lambda i=i: called.append(i)) for i in range(3)]
    seconds = race.run(Pedantic(), contestants, rounds=5, seed=3)

    assert called == [i for order in race.turns(3, 5, seed=3) for i in order]
    assert {name: len(rounds) for name, rounds in seconds.items()} == {"0": 5, "1": 5, "2": 5}


def test_a_race_without_a_clock_calls_the_first_once():
    """With pytest-benchmark disabled nothing is timed, and the checks have called the others."""
    called: list[int] = []
    contestants = [contestant(str(i), lambda i=i: called.append(i)) for i in range(3)]

    assert race.run(Pedantic(enabled=False), contestants, rounds=5, seed=3) is None
    assert called == [0]


def test_a_share_of_the_work_counts_as_the_whole():
    """Half the work in t is the whole in 2 t."""
    half = contestant("half", lambda: time.sleep(0.02), share=0.5)

    assert 0.04 <= race.timed(half)


def test_letting_an_answer_go_is_not_timed():
    """An answer that is slow to free costs its contestant nothing."""

    class Slow:
        def __del__(self) -> None:
            time.sleep(0.5)

    assert race.timed(contestant("slow", Slow)) < 0.4


def test_settling_waits_for_threads_that_still_turn():
    """A thread that works on after its caller has gone on would slow the next contestant."""
    used = iter([0.00, 0.01, 0.01, 0.02, 0.02, 0.02])

    assert race.settle(cpu=lambda: next(used)) >= 0.03
    assert next(used, None) is None


def test_settling_ends_when_nothing_settles():
    """A process that is never still is timed all the same."""
    used = itertools.count()

    assert race.settle(cpu=lambda: next(used), most_s=0.05) >= 0.05


# -- ratios -----------------------------------------------------------------------------------------------------------


def test_a_ratio_is_that_of_medians():
    """One slow round does not move it."""
    found = race.ratio([2.0, 2.0, 2.0, 2.0, 90.0], [1.0, 1.0, 1.0, 1.0, 1.0])

    assert found.value == 2
    assert found.low == 2
    assert found.verdict == "won"


def test_a_slow_while_of_the_machine_cancels():
    """Rounds are drawn whole: where both sides slow down alike the ratio is certain."""
    pace = np.linspace(1, 3, 9)
    found = race.ratio(2 * pace, pace)

    assert (found.low, found.high) == pytest.approx((2, 2))


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.5, 0.9, "lost"), (0.9, 1.1, "even"), (1.1, 1.5, "won"), (0.9, 1.0, "even")]
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, verdict: str):
    """An interval that has 1 in it is neither won nor lost."""
    assert race.Ratio((low + high) / 2, low, high).verdict == verdict


def test_intervals_cover_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch):
    """Over 300 races of nine rounds the true ratio lies in the interval about 95% of the time.

    At 95% the share of 300 has a standard deviation of 1.3%; 90% is four of them below.
    """
    monkeypatch.setattr(race, "RESAMPLES", 1000)
    draw = np.random.default_rng(7)
    n_covered = 0
    for _ in range(300):
        pace = draw.normal(0, 0.02, 9)
        ours, theirs = (np.exp(pace + draw.normal(0, 0.03, 9)) for _ in range(2))
        found = race.ratio(theirs, ours)
        n_covered += found.low <= 1 <= found.high

    assert n_covered >= 0.9 * 300


def test_a_result_compares_everyone_with_each_kernel():
    """Ratios name the kernel that they are to; a kernel has none to itself."""
    contestants = [contestant("a", kind="kernel"), contestant("b", kind="kernel"), contestant("peer")]
    found = race.result(Work("search", "small", 10), contestants, {"a": [1.0] * 5, "b": [2.0] * 5, "peer": [4.0] * 5})
    a, b, peer = found["entries"]

    assert found["kernels"] == ["a", "b"]
    assert a["ratios"] == {"b": [0.5, 0.5, 0.5]}
    assert b["ratios"] == {"a": [2, 2, 2]}
    assert peer["ratios"] == {"a": [4, 4, 4], "b": [2, 2, 2]}
    assert (peer["median_s"], peer["n"], peer["rounds_s"]) == (4, 5, [4.0] * 5)


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_size_is_full_if_timed_and_else_tiny():
    """Times are of full sizes unless one asks for less; checks alone take a moment."""
    assert workload.size({}, is_timed=True).rows(200_000) == 200_000
    assert workload.size({}, is_timed=False).rows(200_000) == 1000


def test_size_follows_the_environment():
    """Scale and rounds can be set, and no matrix becomes too small to mean something."""
    small = workload.size({"FRBENCH_BENCH_SCALE": "0.1", "FRBENCH_BENCH_ROUNDS": "3"}, is_timed=True)

    assert small.rows(200_000) == 20_000
    assert small.rows(100, least=64) == 64
    assert small.rows(1, least=64) == 1
    assert small.turns(9) == 3


@pytest.mark.parametrize("wrong", [{"FRBENCH_BENCH_SCALE": "2"}, {"FRBENCH_BENCH_ROUNDS": "-1"}])
def test_size_refuses_what_is_none(wrong: dict[str, str]):
    """A mistaken size is not taken for another."""
    with pytest.raises(ValueError, match="expected"):
        workload.size(wrong, is_timed=True)


# -- checks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def matrix() -> workload.Matrix:
    """500 unit rows."""
    return workload.unit_rows(500, 64, seed=1)


def best_rows(matrix: workload.Matrix, probes: workload.Matrix, k: int) -> np.ndarray:
    """The best k of each probe by sorting."""
    return np.argsort(-(probes.astype(float) @ matrix.T.astype(float)), axis=1)[:, :k]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[:, ::-1],
        lambda rows: np.concatenate([rows[:, :4], rows[:, 5:]], axis=1),
        lambda rows: np.concatenate([rows[:, :4], rows[:, 3:4]], axis=1),
    ],
    ids=["worst first", "one missed", "one twice"],
)
def test_a_wrong_search_is_not_timed(matrix: workload.Matrix, spoil: Callable[[np.ndarray], np.ndarray]):
    """Rows in another order, a row that is missing and a row found twice are each refused."""
    probes = matrix[:20]
    true = checks.truth(probes, matrix)
    rows = best_rows(matrix, probes, 6)
    checks.top_k(rows[:, :5], true, checks.float32_error(64))

    with pytest.raises(AssertionError, match="probe"):
        checks.top_k(spoil(rows)[:, :5], true, checks.float32_error(64))


def test_a_wrong_score_is_not_timed(matrix: workload.Matrix):
    """A score is held to the product of its rows."""
    true = checks.truth(matrix[:20], matrix)
    rows = best_rows(matrix, matrix[:20], 5)
    scores = np.take_along_axis(matrix[:20] @ matrix.T, rows, axis=1)
    checks.top_k(rows, true, checks.float32_error(64), scores=scores)

    with pytest.raises(AssertionError, match="score"):
        checks.top_k(rows, true, checks.float32_error(64), scores=scores + np.float32(0.001))


def test_a_wrong_count_is_not_timed(matrix: workload.Matrix):
    """A count that is off by one is refused where no score is near an edge."""
    scores = checks.truth(matrix[:20], matrix).scores
    edges = np.array([0.5])
    right = np.array([(scores >= 0.5).sum()])
    checks.counts(right, scores, edges, error=checks.OWN_ERROR)

    with pytest.raises(AssertionError):
        checks.counts(right + 1, scores, edges, error=checks.OWN_ERROR)


def test_recall_is_the_share_of_exact_rows():
    """Order does not matter, and only the probes that were answered count."""
    exact = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])

    assert checks.recall(np.array([[4, 3, 2, 9]]), exact) == 0.75


def test_quantised_rows_differ_by_no_more_than_the_residual(matrix: workload.Matrix):
    """The bound that int8 products are held to."""
    whole, scale, residual = peers.quantised(matrix)

    assert np.linalg.norm(matrix - whole * scale[:, None], axis=1).max() <= residual * (1 + 1e-6)
    assert residual < 0.02


# -- tables -----------------------------------------------------------------------------------------------------------


def results() -> list[dict[str, Any]]:
    """A race that is lost to one peer, won from another, and a series of two."""
    ours = contestant("frbench x", kind="kernel")
    contestants = [ours, contestant("frbench x, again", kind="again"), contestant("fast"), contestant("slow")]
    seconds = {"frbench x": [1.0] * 5, "frbench x, again": [1.01] * 5, "fast": [0.5] * 5, "slow": [3.0] * 5}
    series = [
        race.result(Work("sweep", "", 10, series="by d", label=f"d = {d}"), contestants[:1] + contestants[3:], seconds)
        for d in (64, 128)
    ]
    search = race.result(Work("search", "small", 2_000_000_000, products=10**12), contestants, seconds)
    return [each | {"others": 0.03} for each in (search, *series)]


def test_every_lost_cell_is_marked():
    """A reader need not look for them."""
    search, _ = table.tables(results())

    assert [row for row in search.rows if "LOST" in " ".join(row)] == [search.rows[2]]
    assert search.rows[2][:4] == ["fast", "500 ms", "4", "0.5 [0.5, 0.5] LOST"]
    assert table.lost(results()) == ["search, small: fast takes 0.5 [0.5, 0.5] of the time of frbench x"]


def test_a_series_is_one_table():
    """One row for each label."""
    _, series = table.tables(results())

    assert series.title == "by d"
    assert [row[0] for row in series.rows] == ["d = 64", "d = 128"]
    assert series.rows[0][3] == "3 [3, 3]"


def test_noise_is_what_frbench_differs_from_itself():
    """The range over races, beside the share of the machine that others took."""
    noise = "frbench against itself, 1.010 to 1.010 in 1 races; other processes took at most 3.0% of the processors"
    assert table.noise(results()).startswith(noise)


def test_a_disturbed_race_says_so():
    """Times that were taken beside other work are not passed off as clean."""
    calm, disturbed = results()[:1], [results()[0] | {"others": 0.2}]

    assert "DISTURBED" not in table.tables(calm)[0].title
    assert table.tables(disturbed)[0].title.endswith("(DISTURBED: others took 20% of the processors)")


RATES = {"x": {"int8": 2e12, "float32": 1e11}}


def test_a_roof_is_the_time_of_the_multiplications_alone():
    """10^12 products at 2 x 10^12 a second take two threads 0.25 s: nothing on them beats a peer of 0.5 s threefold."""
    assert table.roofs(results(), RATES, threads=2).rows == [
        ["search: small", "frbench x", "250 ms", "1 s", "25%", "fast", "0.5", "2"]
    ]


def test_the_roof_of_a_histogram_is_the_cheaper_way_to_fine_scores():
    """Six integer products at 2 x 10^12 cost less than one of floats at 10^11, and more than one at 10^12."""
    fine = [{**results()[0], "is_fine": True}]

    for float32, least in ((1e11, "1.5 s"), (1e12, "500 ms")):
        rates = {"x": {"int8": 2e12, "float32": float32}}
        assert table.roofs(fine, rates, threads=2).rows[0][2] == least


def test_the_page_of_a_run_has_machine_versions_and_figures():
    """Nothing in the README is typed by hand."""
    info = {"cpu": "a processor", "kernels": ["x"], "peers": {"numpy": "2.0"}, "blas": []}
    info |= {"threads": 2, "multiply_adds": RATES}
    run = {
        "datetime": "2030-01-02T00:00:00",
        "commit_info": {"id": "0123456789abcdef", "dirty": True},
        "machine_info": {"race": info},
        "benchmarks": [{"extra_info": result} for result in results()],
    }
    page = table.page(run)

    assert page.startswith("Run of 2030-01-02, commit 0123456789, changed.\n")
    for line in ("| cpu | a processor |", "| peers | numpy 2.0 |", "**Lost** (1)", "**by d**", "**Roofs**"):
        assert line in page


def test_figures_are_written_between_the_marks():
    """The rest of the file stays, and a file without marks is refused."""
    begin, end = table.MARKS
    readme = f"# Title\n{begin}\nold\n{end}\nrest\n"

    assert table.into(readme, "new\n") == f"# Title\n{begin}\n\nnew\n\n{end}\nrest\n"
    assert table.into(table.into(readme, "new\n"), "new\n") == table.into(readme, "new\n")
    with pytest.raises(ValueError, match="found no"):
        table.into("# Title\n", "new\n")
