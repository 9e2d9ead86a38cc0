"""Answers are held to float64 products before anything is timed.

`error` bounds |score - true score| of a contestant. Peers multiply in float32: a sum of d products of unit rows errs by
at most d * 2^-24. frbench normalises the rows again, which moves a score by less than 2^-21, and settles it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.race import Contestant
from benches.workload import Matrix

OWN_ERROR = 2.0**-21
N_SAMPLED = 16


@dataclass(frozen=True)
class Truth:
    """Scores of a few probes with the whole gallery, in float64.

    at : (s,) which probes.
    scores : (s, n).
    """

    at: NDArray[np.int64]
    scores: NDArray[np.float64]


def float32_error(d: int) -> float:
    """Bound of a float32 product of unit rows of `d` dimensions, and of our rows beside theirs."""
    return d * 2.0**-24 + OWN_ERROR


def truth(probes: Matrix, gallery: Matrix, *, seed: int = 0) -> Truth:
    """True scores of probes drawn without preference."""
    drawn = np.random.default_rng(seed).permutation(len(probes))[:N_SAMPLED]
    at = np.sort(drawn).astype(np.int64)
    wanted = probes[at].astype(np.float64)
    blocks = [wanted @ gallery[i : i + 65_536].astype(np.float64).T for i in range(0, len(gallery), 65_536)]
    return Truth(at, np.concatenate(blocks, axis=1))


def top_k(rows: NDArray[np.int64], true: Truth, error: float, *, scores: Matrix | None = None) -> None:
    """`rows` (m, k), best first, are the best k but for rows that `error` cannot tell apart.

    Rows of another order differ by at most 2 * error, once for each of the two. A contestant that answers only the
    first probes is checked on those.
    """
    k = rows.shape[1]
    for probe, score in zip(true.at, true.scores, strict=True):
        if probe >= len(rows):
            continue
        found = score[rows[probe]]
        kth = np.partition(score, len(score) - k)[len(score) - k]
        assert len(set(rows[probe].tolist())) == k, f"probe {probe}: a row is found twice"
        assert found.min() >= kth - 2 * error, f"probe {probe}: a row is found that is not of the best {k}"
        assert set(np.flatnonzero(score > kth + 2 * error)) <= set(rows[probe]), f"probe {probe}: a row is missed"
        assert (np.diff(found) <= 2 * error).all(), f"probe {probe}: rows are not best first"
        if scores is not None:
            assert np.abs(scores[probe] - found).max() <= error, f"probe {probe}: a score is wrong"


def same_answers(ours: Sequence[Contestant]) -> None:
    """Every contestant gives the same arrays, bit for bit."""
    first, *others = (_arrays(contestant.call()) for contestant in ours)
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def exact_answers(contestants: Iterable[Contestant], gallery: Matrix, probes: Matrix) -> None:
    """Each search finds the best rows, up to what its own arithmetic cannot tell apart."""
    true = truth(probes, gallery)
    for contestant in contestants:
        error = OWN_ERROR if contestant.kind == "kernel" else float32_error(gallery.shape[1])
        scores, rows = contestant.call()
        top_k(rows, true, error, scores=scores)


def _arrays(answer: Any) -> tuple[NDArray[Any], ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def recall(rows: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Share of the exact rows that are found, over the probes answered."""
    pairs = zip(rows, exact[: len(rows)], strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs]))


def product(scores: NDArray[np.generic], true: Truth, error: float) -> None:
    """`scores` (m, n), or those of the sampled probes alone, are the true ones up to `error`."""
    sampled = scores if len(scores) == len(true.at) else scores[true.at]
    assert np.abs(sampled - true.scores).max() <= error


def counts(
    counted: NDArray[np.uint64], scores: NDArray[np.float64], edges: NDArray[np.float64], *, error: float
) -> None:
    """`counted` (t,) lie between the counts of true scores, of any shape, at `edges` moved by `error` either way."""
    ordered = np.sort(scores, axis=None)
    fewest, most = (len(ordered) - np.searchsorted(ordered, edges + shift) for shift in (error, -error))
    between(counted, fewest, most)


def between(counted: NDArray[np.integer], fewest: NDArray[np.integer], most: NDArray[np.integer]) -> None:
    """Each count lies in its range, ends included."""
    assert (fewest <= counted).all()
    assert (counted <= most).all()
