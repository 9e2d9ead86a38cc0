"""Shows who stands behind the errors.

Goats are subjects that are often not matched with themselves; lambs and wolves those that are often matched with
others, which a symmetric comparison cannot tell apart. A few of them may be a whole rate. All numbers are counts with
their denominators, beside what they would be if errors fell on all trials alike: who has more trials has more errors.

Source: Doddington et al. (1998), Sheep, goats, lambs and wolves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.candidates import Candidates
from frbench.errors import InputError

WORST = 0.01
LISTED = 10


@dataclass(frozen=True)
class Concentration:
    """Errors of the subjects that have most of them.

    subjects : of the group, those without errors too. affected : subjects with at least one error.
    worst : how many subjects are looked at, the given share of all, at least one. errors : all errors.
    worst_errors : errors in which one of the worst took part, each once. share : worst_errors / errors.
    expected : that share if errors fell on all trials alike: what numbers of images explain, and chance. by_chance : if
    all had the same number of trials, too: what chance alone explains. None without errors.
    listed : the worst subjects and how many errors each took part in.
    reason : why there is no share, or "".
    """

    subjects: int
    affected: int
    worst: int
    errors: int
    worst_errors: int
    share: float | None
    expected: float | None
    by_chance: float | None
    listed: tuple[tuple[str, int], ...]
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"listed": [list(each) for each in self.listed]}


def false_matches(
    subject_a: Sequence[str], subject_b: Sequence[str], trials_of: Mapping[str, int], *, worst: float = WORST
) -> Concentration:
    """How many false matches rest on the lambs and wolves that have most of them.

    Parameters
    ----------
    subject_a, subject_b : (k,) both subjects of every false match, such as those of a tail at or above the threshold.
    trials_of : non-mated comparisons of every subject that was compared, without false matches too; where each is
        compared with all others, its number of templates does as well.
    worst : share of the subjects to look at.

    Raises
    ------
    InputError : a subject without trials, a false match of a subject with itself, or `worst` is not above 0 and at
        most 1.
    """
    if len(subject_a) != len(subject_b):
        raise InputError(f"{len(subject_a)} subjects on one side of false matches and {len(subject_b)} on the other")
    same = next((a for a, b in zip(subject_a, subject_b, strict=True) if a == b), None)
    if same is not None:
        raise InputError(f"a false match of subject {same!r} with itself, expected two subjects")
    return _concentration([subject_a, subject_b], trials_of, worst, "false matches")


def false_nonmatches(subject: Sequence[str], trials_of: Mapping[str, int], *, worst: float = WORST) -> Concentration:
    """How many false non-matches rest on the goats that have most of them.

    Parameters
    ----------
    subject : (k,) the subject of every false non-match. trials_of : mated comparisons of every subject that has any.

    Raises
    ------
    InputError : a subject without trials, or `worst` is not above 0 and at most 1.
    """
    return _concentration([subject], trials_of, worst, "false non-matches")


def by_group(
    subject_a: Sequence[str],
    subject_b: Sequence[str],
    trials_of: Mapping[str, Mapping[str, int]],
    *,
    worst: float = WORST,
) -> dict[str, Concentration]:
    """The concentration of false matches within each group; those between two groups are in neither.

    Parameters
    ----------
    trials_of : by group, comparisons of each of its subjects.
    """
    pairs = list(zip(subject_a, subject_b, strict=True))
    within = {name: [(a, b) for a, b in pairs if a in members and b in members] for name, members in trials_of.items()}
    return {
        name: false_matches([a for a, _ in found], [b for _, b in found], trials_of[name], worst=worst)
        for name, found in within.items()
    }


@dataclass(frozen=True)
class Hubness:
    """How often rows of a gallery are in candidate lists.

    rows : of the gallery. lists : of k candidates each. most : lists that row `hub` is in, the most frequent one.
    never : rows that are in no list. skewness : of the numbers of lists by row, 0 if all are alike.
    worst, worst_share : the 1% most frequent rows, at least one, and the share of all candidates that they are.
    expected_most : lists that the most frequent row would be in, at 95% at most, if all were as likely.
    """

    rows: int
    lists: int
    k: int
    most: int
    hub: int | None
    never: int
    skewness: float | None
    worst: int
    worst_share: float | None
    expected_most: int
    reason: str = ""


def hubness(
    candidates: Candidates,
    probe_subjects: NDArray[np.object_],
    gallery_subjects: NDArray[np.object_],
    *,
    k: int | None = None,
    worst: float = WORST,
) -> Hubness:
    """How often each row of the gallery is among the first `k` candidates of other people's searches.

    Parameters
    ----------
    probe_subjects, gallery_subjects : subject of each probe by its number, and of each row; mates are not counted.
    k : candidates of each list to look at; None takes all that were kept.

    Source: Radovanovic, Nanopoulos & Ivanovic (2010), Hubs in space: skewness of the k-occurrences.
    """
    k = candidates.k if k is None else k
    if not 1 <= k <= candidates.k:
        raise InputError(f"k is {k}, expected 1 to {candidates.k}, the length of the candidate lists")
    n_rows, n_worst = len(gallery_subjects), _worst(worst, len(gallery_subjects))
    rows = candidates.rows[:, :k]
    is_other = (rows >= 0) & (gallery_subjects[rows] != probe_subjects[candidates.probe][:, None])
    lists = int(is_other.any(axis=1).sum())
    if not lists:
        reason = "no search returned another person"
        return Hubness(n_rows, 0, k, 0, None, n_rows, None, n_worst, None, 0, reason)
    times = np.bincount(rows[is_other], minlength=n_rows)
    spread = float(times.std())
    skewness = float(((times - times.mean()) ** 3).mean() / spread**3) if spread else 0.0
    share = float(np.sort(times)[::-1][:n_worst].sum() / times.sum())
    never = int((times == 0).sum())
    expected = _most_of_equals(lists, min(k, n_rows) / n_rows, n_rows)
    return Hubness(n_rows, lists, k, int(times.max()), int(times.argmax()), never, skewness, n_worst, share, expected)


def _concentration(
    sides: Sequence[Sequence[str]], trials_of: Mapping[str, int], worst: float, what: str
) -> Concentration:
    n_worst = _worst(worst, len(trials_of))
    # Names are looked up: numpy would sort millions of objects.
    names = sorted({name for side in sides for name in side})
    number = {name: i for i, name in enumerate(names)}
    place = np.fromiter((number[name] for side in sides for name in side), np.int64)
    stranger = next((name for name in names if not trials_of.get(name)), None)
    if stranger is not None:
        raise InputError(f"{what} of subject {stranger!r}, who has no trials")
    by_side = place.reshape(len(sides), -1)
    k = by_side.shape[1]
    if not k:
        return Concentration(len(trials_of), 0, n_worst, 0, 0, None, None, None, (), f"0 {what}")
    times = np.bincount(place, minlength=len(names))
    order = np.argsort(-times, kind="stable")
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[:n_worst]] = True
    among = int(chosen[by_side].any(axis=0).sum())
    listed = tuple((str(names[i]), int(times[i])) for i in order[: min(n_worst, LISTED)])
    trials = np.array(list(trials_of.values()), dtype=np.float64)
    expected, by_chance = (_expected(k, len(sides), of, n_worst) for of in (trials, np.ones(len(trials))))
    return Concentration(len(trials_of), len(names), n_worst, k, among, among / k, expected, by_chance, listed)


def _expected(k: int, sides: int, trials: NDArray[np.float64], n_worst: int) -> float:
    """Share of `k` errors on the `n_worst` subjects that have most, if each of `sides` fell on all trials alike.

    Numbers of errors are then Poisson with means in proportion to trials. The sum of the n highest of several numbers
    is that over x >= 1 of min(n, how many are at least x); expectations are taken inside, right for many subjects.
    """
    means, n = np.unique(k * sides * trials / trials.sum(), return_counts=True)
    highest = math.ceil(means[-1] + 20 * math.sqrt(means[-1]) + 30)
    of_worst = 0.0
    for x in range(1, highest + 1):
        of_worst += min(float(n_worst), float((n * special.gammainc(x, means)).sum()))
    return 1 - (1 - min(1.0, of_worst / (k * sides))) ** sides


def _most_of_equals(lists: int, p: float, n_rows: int) -> int:
    """A number that the highest of `n_rows` binomial (lists, p) numbers does not exceed with 95%, by Bonferroni."""
    if p >= 1:
        return lists
    x = np.arange(lists + 1)
    above = special.bdtrc(x, lists, p)
    return int(np.argmax(above <= 0.05 / n_rows))


def _worst(share: float, n: int) -> int:
    if not 0 < share <= 1:
        raise InputError(f"the share of worst subjects is {share}, expected above 0 and at most 1")
    return max(1, math.floor(share * n + 1e-9))
