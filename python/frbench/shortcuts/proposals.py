"""Scores the rows that an index proposes by the definition, and makes Candidates of them.

An index says which rows are worth a look; their scores are those of the exact engine, ties go to the lower row, and
what was not proposed does not exist. So an approximate search can miss, and never misscore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from frbench.candidates import Candidates
from frbench.counting.identify import Identification
from frbench.counting.layout import subjects_of
from frbench.engines import Engine, Rows
from frbench.engines.ann.index import Index
from frbench.errors import Conservation
from frbench.inputs import scratch
from frbench.inputs.arrays import Advance, Bools, Floats32, Ints
from frbench.plan import Plan, digest_of

Scores = Floats32
# The score of a search that ended and found nobody: below every threshold, but a score.
NOBODY = np.finfo(np.float32).min
PROBES_AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class Gallery:
    """Scored gallery rows of a task, for the index and for the definition.

    numbers : rows of the task's gallery that have a template. packed : the same, by the exact engine.
    """

    numbers: Ints
    unit: Scores
    packed: Rows

    @classmethod
    def of(cls, task: Identification, engine: Engine) -> Gallery:
        """The usable rows of the gallery."""
        numbers = np.flatnonzero(~task.gallery.failed)
        unit = scratch.take(task.gallery.unit, numbers)
        return cls(numbers, unit, engine.rows(unit))

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class Proposer:
    """An index over a gallery, whose rows were inserted in an order.

    order : (n,) number of the gallery's usable row that was inserted i-th. wanted : proposals for each probe.
    """

    gallery: Gallery
    index: Index
    order: Ints
    wanted: int

    def search(self, unit: Scores, packed: Rows, k: int, *, effort: int) -> tuple[Scores, Ints]:
        """(m, w) scores and usable rows of all w >= k that are proposed, best first, ties by lower row; -inf and -1
        where nothing is.

        Parameters
        ----------
        unit, packed : the probes, for the index and for the definition.
        k : at most the usable rows.
        """
        proposed = self.index.propose(unit, min(max(k, self.wanted), len(self.gallery)), effort)
        rows = np.where(proposed < 0, -1, self.order[proposed])
        _refuse_twice(rows)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        probe, place = (np.ascontiguousarray(each) for each in np.nonzero(rows >= 0))
        scores[probe, place] = packed.score_pairs(self.gallery.packed, probe, rows[probe, place])
        best = np.lexsort((np.where(rows < 0, np.iinfo(np.int64).max, rows), -scores), axis=1)
        return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)


def _refuse_twice(rows: Ints) -> None:
    ordered = np.sort(rows, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise Conservation("the index proposed a row twice for one probe: its answers must not be used")


class ProposedSearch:
    """Searches the probes of a task with an index."""

    def __init__(self, task: Identification, engine: Engine, proposer: Proposer) -> None:
        self._task, self._engine, self._proposer = task, engine, proposer

    def search(self, effort: int, description: Mapping[str, Any], advance: Advance = lambda _: None) -> Candidates:
        """The candidates of every probe, under a digest of their own that `description` goes into."""
        task, m = self._task, len(self._task.probes)
        scores = np.full((m, task.k), -np.inf, dtype=np.float32)
        rows = np.full((m, task.k), -1, dtype=np.int64)
        mate_score, above = np.full(m, np.nan, dtype=np.float32), np.zeros(m, dtype=np.int64)
        usable = np.flatnonzero(~task.probes.failed)
        k = min(task.k, len(self._proposer.gallery))
        for start in range(0, len(usable), PROBES_AT_ONCE):
            some = usable[start : start + PROBES_AT_ONCE]
            unit = task.probes.unit[some]
            found, at = self._proposer.search(unit, self._engine.rows(unit), k, effort=effort)
            at = np.where(at < 0, -1, self._proposer.gallery.numbers[at])
            scores[some, :k], rows[some, :k] = found[:, :k], at[:, :k]
            mate_score[some], above[some] = self._mates(some, found, at)
            advance(len(some))
        advance(m - len(usable))
        scores[usable, 0] = np.maximum(scores[usable, 0], NOBODY)
        digest = search_digest(task, description)
        every = np.arange(m, dtype=np.int64)
        return Candidates(digest, frozenset({(0, len(task.gallery))}), every, scores, rows, mate_score, above)

    def _mates(self, probes: Ints, scores: Scores, rows: Ints) -> tuple[Scores, Ints]:
        """Best score of a mate that was proposed, and non-mates at or above it; a mate that was not is beyond all."""
        of_probe, of_row = self._subjects
        is_mate = (of_row[rows] == of_probe[probes, None]) & (rows >= 0)
        best = np.where(is_mate, scores, -np.inf).max(axis=1).astype(np.float32)
        above = ((scores >= best[:, None]) & (rows >= 0) & ~is_mate).sum(axis=1)
        above[np.isinf(best)] = len(self._task.gallery)
        has_mate = self._has_scored_mate[probes]
        mate_score = np.where(has_mate, np.maximum(best, NOBODY), np.float32(np.nan))
        return mate_score, np.where(has_mate, above, 0)

    @cached_property
    def _subjects(self) -> tuple[Ints, Ints]:
        """Numbers of the subjects of probes and gallery rows."""
        probes, gallery = subjects_of(self._task.probes), subjects_of(self._task.gallery)
        _, number = np.unique(np.concatenate([probes, gallery]), return_inverse=True)
        return number[: len(probes)], number[len(probes) :]

    @cached_property
    def _has_scored_mate(self) -> Bools:
        task = self._task
        probe, row = task.mates
        found = np.zeros(len(task.probes), dtype=bool)
        found[probe[~(task.probes.failed[probe] | task.gallery.failed[row])]] = True
        return found


def search_digest(task: Identification, description: Mapping[str, Any]) -> str:
    """Digest of the searches of a task that are made as `description` says."""
    return digest_of(task.digest, json.dumps(dict(description), sort_keys=True))


def both(exact: Candidates, other: Candidates) -> Candidates:
    """Candidates that both searches found: a mate at the worse of two ranks and scores, the lower best candidate.

    A mated search hits at rank R and threshold T if and only if it does so in both; a non-mated one has a candidate at
    or above T if and only if it has one in both.
    """
    if not np.array_equal(exact.probe, other.probe):
        raise Conservation("searches of different probes cannot be put side by side")
    best = np.minimum(exact.scores[:, :1], other.scores[:, :1])
    rows = np.full(best.shape, -1, dtype=np.int64)
    mates, above = np.minimum(exact.mate_score, other.mate_score), np.maximum(exact.above_mate, other.above_mate)
    search = digest_of(exact.search, other.search)
    return Candidates(search, exact.shards, exact.probe, best, rows, mates, above)


def plan_of(exact: Plan, description: Mapping[str, Any]) -> Plan:
    """The plan of the same trials, searched otherwise: `description` says how, and is a part of its digest."""
    inputs = digest_of(exact.inputs, json.dumps(dict(description), sort_keys=True))
    return replace(exact, inputs=inputs, details={**exact.details, **description})
