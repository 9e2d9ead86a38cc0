"""Who stands behind the errors: by hand, by brute force, and where nobody does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.candidates import Candidates
from frbench.errors import InputError
from frbench.reading.audits.subject_view import Hubness, by_group, false_matches, false_nonmatches, hubness
from tests.worlds import worlds


def alike(n: int) -> dict[str, int]:
    """Subjects with as many trials each: one for each name that tests use, and others."""
    names = [*"abcdeghijkw", "w2", *(f"s{i}" for i in range(n))]
    return dict.fromkeys(names[:n], 5)


NAMES = st.sampled_from([f"s{i}" for i in range(12)])


def test_a_wolf_by_hand():
    """w and a are in two false matches each, one of them together: the worst 2 of 200 subjects are in 3 of 4."""
    found = false_matches(["w", "a", "w", "c"], ["a", "b", "w2", "d"], alike(200))

    assert (found.subjects, found.affected, found.worst, found.errors) == (200, 6, 2, 4)
    assert found.listed == (("a", 2), ("w", 2))
    assert (found.worst_errors, found.share) == (3, 3 / 4)


def test_an_error_of_two_of_the_worst_counts_once():
    """a with b, three times: both are the worst, and there are three errors, not six."""
    found = false_matches(["a", "b", "a"], ["b", "a", "b"], alike(200))

    assert (found.listed, found.worst_errors, found.share) == ((("a", 3), ("b", 3)), 3, 1)


def test_goats_by_hand():
    """Of 300 subjects the worst 3 have 5, 2 and 1 of 10 false non-matches; of those with 1, the first by name."""
    found = false_nonmatches(["g"] * 5 + ["h"] * 2 + ["k", "j", "i"], alike(300))

    assert found.listed == (("g", 5), ("h", 2), ("i", 1))
    assert (found.affected, found.worst_errors, found.share) == (5, 8, 0.8)


def test_one_subject_at_least_is_looked_at():
    """1% of 7 subjects is one."""
    assert false_nonmatches(["a", "b", "b"], alike(7)).listed == (("b", 2),)


def test_no_errors_have_no_share():
    """Undefined, with the reason."""
    found = false_matches([], [], alike(50))

    assert (found.share, found.expected, found.reason) == (None, None, "0 false matches")
    assert false_nonmatches([], alike(50)).reason == "0 false non-matches"


@given(st.lists(st.tuples(NAMES, NAMES).filter(lambda p: p[0] != p[1]), min_size=1), st.floats(0.01, 1))
def test_concentration_is_that_of_brute_force(pairs: list[tuple[str, str]], worst: float):
    """Subjects by their number of errors, then by name; errors that have one of the worst on either side."""
    times = Counter(name for pair in pairs for name in pair)
    n = max(1, int(worst * 20 + 1e-9))
    chosen = set(sorted(times, key=lambda name: (-times[name], name))[:n])
    found = false_matches([a for a, _ in pairs], [b for _, b in pairs], {f"s{i}": 5 for i in range(20)}, worst=worst)

    assert found.worst_errors == sum(bool(chosen & set(pair)) for pair in pairs)
    assert found.affected == len(times)
    assert found.share == found.worst_errors / len(pairs)


@given(st.permutations([("a", "b"), ("b", "c"), ("c", "d"), ("b", "e")]))
def test_order_and_sides_play_no_part(pairs: list[tuple[str, str]]):
    """The same errors in another order, and turned around."""
    one = false_matches(["a", "b", "c", "b"], ["b", "c", "d", "e"], alike(100))

    assert false_matches([b for _, b in pairs], [a for a, _ in pairs], alike(100)) == one


@pytest.mark.parametrize(("k", "sides"), [(300, 1), (300, 2), (5000, 1), (5000, 2)])
def test_what_is_expected_of_equals_is_what_equals_do(k: int, sides: int):
    """The mean share of the worst 1% of 2,000 subjects over 60 worlds in which errors fall on all alike.

    The formula takes quantiles in place of means of order statistics: within a tenth.
    """
    random = np.random.default_rng(4)
    names = np.array([f"s{i}" for i in range(2000)])
    trials = dict.fromkeys(names, 7)
    shares = []
    for _ in range(60):
        a = random.integers(2000, size=k)
        b = (a + random.integers(1, 2000, size=k)) % 2000
        found = false_matches(names[a], names[b], trials) if sides == 2 else false_nonmatches(names[a], trials)
        shares.append(found.share)

    assert found.expected == pytest.approx(np.mean(shares), rel=0.1)


def test_who_has_more_trials_is_expected_to_have_more_errors():
    """A tenth of 500 subjects have twenty times the trials of the others, and all trials fail alike, over 60 worlds.

    The 1% that have most errors are among them. The formula takes expectations inside a minimum: within a twentieth.
    """
    random = np.random.default_rng(8)
    trials = {f"s{i}": 200 if i < 50 else 10 for i in range(500)}
    p = np.array(list(trials.values())) / sum(trials.values())
    shares = []
    for _ in range(60):
        found = false_nonmatches([f"s{i}" for i in random.choice(500, size=1000, p=p)], trials)
        shares.append(found.share)

    assert found.expected == pytest.approx(np.mean(shares), rel=0.05)
    assert found.expected > 2 * false_nonmatches(["s1"] * 1000, dict.fromkeys(trials, 1)).expected


def test_a_group_has_lambs_of_its_own():
    """a and b are women, c and d men: the match of b and c is of neither group."""
    trials = {"f": {"a": 3, "b": 3}, "m": {"c": 3, "d": 3, "e": 3}, "x": {"y": 1}}
    found = by_group(["a", "b", "c"], ["b", "c", "d"], trials)

    assert {name: (c.subjects, c.errors) for name, c in found.items()} == {"f": (2, 1), "m": (3, 1), "x": (1, 0)}


def test_what_cannot_be_is_refused():
    """A subject with itself, sides of two lengths, a subject without trials, and a share of nothing."""
    for call, said in (
        (lambda: false_matches(["a"], ["a"], alike(9)), "subject 'a' with itself"),
        (lambda: false_matches(["a"], [], alike(9)), "1 subjects on one side of false matches and 0 on the other"),
        (lambda: false_matches(["a"], ["x"], alike(9)), "false matches of subject 'x', who has no trials"),
        (lambda: false_nonmatches(["a"], alike(9), worst=0), "share of worst subjects is 0"),
    ):
        with pytest.raises(InputError, match=said):
            call()


def test_a_concentration_as_json_holds_lists():
    """Names are those of the data."""
    assert false_nonmatches(["a"], alike(9)).to_json()["listed"] == [["a", 1]]


def lists(*rows: list[int]) -> Candidates:
    """Candidate lists of gallery rows, -1 for none."""
    found = np.array(rows)
    m = len(found)
    none = np.zeros(m, np.int64)
    scores = np.where(found < 0, -np.inf, 0.5).astype(np.float32)
    return Candidates("s", frozenset({(0, 9)}), np.arange(m), scores, found, none.astype(np.float32), none)


def hubs(found: Candidates, n_rows: int, *, mates: dict[int, int] | None = None, **options) -> Hubness:
    """Hubs of a gallery in which probe number p is of the same subject as row `mates[p]`, others are strangers."""
    probes = worlds.text_array([f"p{p}" for p in found.probe])
    rows = worlds.text_array([f"g{r}" for r in range(n_rows)])
    for probe, row in (mates or {}).items():
        probes[probe] = rows[row]
    return hubness(found, probes, rows, **options)


def test_hubs_by_hand():
    """Row 2 is in all three lists of two; of six rows 0, 4 and 5 are in none; one search has no candidate."""
    found = hubs(lists([2, 1], [2, 3], [1, 2], [-1, -1]), 6)
    times = [0, 2, 3, 1, 0, 0]

    assert (found.rows, found.lists, found.k, found.most, found.hub, found.never) == (6, 3, 2, 3, 2, 3)
    assert (found.worst, found.worst_share) == (1, 3 / 6)
    # The same sums in float64.
    assert found.skewness == pytest.approx(float(stats.skew(times)), rel=1e-12)


def test_a_mate_is_no_hub():
    """Row 2 is the mate of the first two probes: it attracts one stranger, as row 3 does, and row 1 two."""
    found = hubs(lists([2, 1], [2, 3], [1, 2]), 6, mates={0: 2, 1: 2})

    assert (found.most, found.hub, found.worst_share) == (2, 1, 2 / 4)


def test_hubs_of_shorter_lists():
    """At k = 1 only first candidates count; longer lists than were kept are refused."""
    found = hubs(lists([2, 1], [2, 3], [1, 2]), 6, k=1)

    assert (found.most, found.worst_share) == (2, 2 / 3)
    with pytest.raises(InputError, match="k is 3, expected 1 to 2"):
        hubs(lists([2, 1]), 6, k=3)


def test_rows_that_are_all_alike_have_no_hub():
    """Every row is in one list: no skewness."""
    assert hubs(lists([0, 1], [2, 3]), 4).skewness == 0


def test_no_candidates_have_no_hubs():
    """Undefined, with the reason, also where all candidates are mates."""
    for found in (hubs(lists([-1, -1]), 4), hubs(lists([3]), 4, mates={0: 3})):
        assert (found.hub, found.worst_share, found.skewness) == (None, None, None)
        assert found.reason == "no search returned another person"


def test_the_most_of_equals_is_rarely_exceeded():
    """Random lists of 5 of 200 rows: the most frequent row is in more lists than stated in at most 5% of 400 worlds.

    The standard error of such a share is 1.1%.
    """
    random = np.random.default_rng(2)
    exceeded = 0
    for _ in range(400):
        found = hubs(lists(*random.random((100, 200)).argpartition(5, axis=1)[:, :5]), 200)
        exceeded += found.most > found.expected_most

    assert exceeded / 400 <= 0.05 + 3 * 0.011


def test_a_hub_is_above_the_most_of_equals():
    """A row that is in every list."""
    random = np.random.default_rng(2)
    found = hubs(lists(*(np.append(random.permutation(199)[:4], 199) for _ in range(100))), 200)

    assert found.hub == 199
    assert found.most == 100 > found.expected_most


def test_chance_alone_knows_nothing_of_images():
    """A tenth of 500 subjects have twenty times the trials: what is expected rises, what chance explains does not.

    By chance it is what is expected of subjects with one number of trials, whatever that number is.
    """
    trials = {f"s{i}": 200 if i < 50 else 10 for i in range(500)}
    errors = [f"s{i}" for i in range(100)]
    uneven, even = (false_nonmatches(errors, of) for of in (trials, dict.fromkeys(trials, 7)))

    assert uneven.by_chance == even.by_chance
    # The same sums over equal means.
    assert even.by_chance == pytest.approx(even.expected, rel=1e-12)
    assert uneven.expected > uneven.by_chance
