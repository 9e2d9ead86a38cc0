"""Searches probes in a gallery (1:N, open set), keeps candidates, and counts trials from them.

A mated search is a probe whose subject is enrolled; a non-mated search is one whose subject is not. Blocks are those
of the probes' subjects: intervals are conditional on the gallery.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from frbench import files
from frbench.candidates import Candidates, concatenate
from frbench.choices import DEFAULT_K
from frbench.counting import population
from frbench.counting.layout import Layout, subjects_of
from frbench.counting.sweep import Checkpoint, kept_on_exit
from frbench.engines import Engine, counted, packed
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Bools, Floats, Floats32, Ints
from frbench.inputs.texts import n_different, numbered
from frbench.plan import DEFAULT_BLOCKS, MAX_BLOCKS, POPULATION, Cell, Plan, digest_of
from frbench.tally import Tally
from frbench.templates import Templates

DEFAULT_RANKS = (1, 2, 3, 5, 10, 20, 50)


def split_first_per_subject(templates: Templates, nonmated_subjects: int) -> tuple[Templates, Templates]:
    """Gallery and probes from one set of templates.

    The gallery is the first row in file order of each subject; the last `nonmated_subjects` subjects in order of
    appearance are kept out of it and all their rows are non-mated probes; all other rows are mated probes.

    Raises
    ------
    InputError : subjects are not known, or nobody would be left to enrol or to search.
    """
    _, first, subject = np.unique(subjects_of(templates), return_index=True, return_inverse=True)
    if not 0 <= nonmated_subjects < len(first):
        raise InputError(
            f"--nonmated-subjects is {nonmated_subjects}, expected 0 to {len(first) - 1}: of {len(first)} subjects"
        )
    kept_out = np.isin(subject, np.argsort(first)[len(first) - nonmated_subjects :])
    is_first = np.zeros(len(templates), dtype=bool)
    is_first[first] = True
    enrolled = is_first & ~kept_out
    if enrolled.all():
        raise InputError("every row would be enrolled and none is left to search with; raise --nonmated-subjects")
    return templates.take(np.flatnonzero(enrolled)), templates.take(np.flatnonzero(~enrolled))


@dataclass(frozen=True, eq=False)
class Identification:
    """Probes to search in a gallery.

    k : length of the candidate lists. ranks : ranks at which misses are counted.
    """

    gallery: Templates
    probes: Templates
    columns: tuple[str, ...]
    k: int = DEFAULT_K
    ranks: tuple[int, ...] = DEFAULT_RANKS
    n_blocks: int = DEFAULT_BLOCKS

    def __post_init__(self) -> None:
        subjects_of(self.gallery)
        subjects_of(self.probes)
        if self.gallery.dimension != self.probes.dimension:
            raise InputError(f"probes have dimension {self.probes.dimension}, the gallery has {self.gallery.dimension}")
        if not 1 <= self.n_blocks <= MAX_BLOCKS:
            raise InputError(f"number of blocks is {self.n_blocks}, expected 1 to {MAX_BLOCKS}")
        if not 1 <= self.k <= len(self.gallery):
            raise InputError(f"k is {self.k}, expected 1 to {len(self.gallery)}, the size of the gallery")
        if not self.ranks or min(self.ranks) < 1 or any(a >= b for a, b in pairwise(self.ranks)):
            raise InputError(f"ranks are {self.ranks}, expected increasing numbers from 1 on")

    @cached_property
    def layout(self) -> Layout:
        """Groups and blocks of the probes."""
        return Layout.of(self.probes, self.columns, self.n_blocks)

    @cached_property
    def is_mated(self) -> Bools:
        """(m,) whether the probe's subject is enrolled."""
        whose, _, enrolled = self._searched
        return np.bincount(enrolled, minlength=len(whose))[whose] > 0

    @cached_property
    def mates(self) -> tuple[Ints, Ints]:
        """Probe and gallery row of every mated comparison, in order of probes."""
        whose, rows, enrolled = self._searched
        by_subject = rows[np.argsort(enrolled, kind="stable")]
        size = np.bincount(enrolled, minlength=len(whose))
        first = np.cumsum(size) - size
        repeat = size[whose]
        within = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        return np.repeat(np.arange(len(whose)), repeat), by_subject[np.repeat(first[whose], repeat) + within]

    @cached_property
    def _searched(self) -> tuple[Ints, Ints, Ints]:
        """Subject of each probe, by number; gallery rows of these subjects, increasing, and the subject of each."""
        subjects = subjects_of(self.probes)
        number: dict[str, int] = {}
        whose = np.fromiter((number.setdefault(name, len(number)) for name in subjects), np.int64, len(subjects))
        return whose, *numbered(subjects_of(self.gallery), number)

    @cached_property
    def digest(self) -> str:
        """Digest of gallery, probes and k: what the candidates depend on."""
        return digest_of(self.gallery.digest, self.probes.digest, str(self.k))

    def plan(self, edges: tuple[float, ...]) -> Plan:
        """The plan of these searches: non-mated ones by group, mated ones by group and rank class."""
        layout, mated = self.layout, self.is_mated
        cells, trials = [], []
        for is_mated in (False, True):
            n = np.bincount(layout.group[mated == is_mated], minlength=len(layout.groups))
            for group in np.flatnonzero(n):
                for part in range(len(self.ranks) + 1 if is_mated else 1):
                    cells.append(Cell(is_mated, int(group), int(group), part))
                    trials.append(int(n[group]) if part == 0 else 0)
        details = {
            "gallery": len(self.gallery),
            "gallery_subjects": n_different(subjects_of(self.gallery)),
            "gallery_failed": int(self.gallery.failed.sum()),
            "n_subjects": int(layout.subject.max()) + 1,
            "k": self.k,
            "ranks": list(self.ranks),
            POPULATION: layout.population | population.of_gallery(self.gallery.template_ids, subjects_of(self.gallery)),
        }
        return Plan(
            kind="identify",
            inputs=digest_of(self.digest, layout.group),
            edges=edges,
            columns=layout.columns,
            groups=layout.groups,
            cells=tuple(cells),
            trials=tuple(trials),
            subjects=layout.parties(np.flatnonzero(~mated)),
            mated_subjects=layout.parties(np.flatnonzero(mated)),
            n_blocks=self.n_blocks,
            details=details,
        )


class Searcher:
    """Searches blocks of probes in one gallery, or in a range of its rows."""

    def __init__(self, task: Identification, engine: Engine, shard: tuple[int, int] | None = None) -> None:
        self._task, self._engine = task, engine
        self._shard = shard or (0, len(task.gallery))
        scored = np.flatnonzero(~task.gallery.failed)
        self._gallery_rows = scored[(scored >= self._shard[0]) & (scored < self._shard[1])]
        self._gallery = packed(engine, task.gallery, self._gallery_rows)
        self._mate_score, self._mates_at_best = self._best_mates()

    def _best_mates(self) -> tuple[Floats32, Ints]:
        """Best mate score of each probe (NaN if none is scored), and mates of this shard that have it."""
        task = self._task
        probe, row = task.mates
        ok = ~(task.probes.failed[probe] | task.gallery.failed[row])
        probe, row = probe[ok], row[ok]
        used, place = np.unique(row, return_inverse=True)
        scores = self._engine.rows(task.probes.unit).score_pairs(
            self._engine.rows(task.gallery.unit[used]), probe.astype(np.int64), place.astype(np.int64)
        )
        best = np.full(len(task.probes), -np.inf, dtype=np.float32)
        np.maximum.at(best, probe, scores)
        here = (row >= self._shard[0]) & (row < self._shard[1]) & (scores == best[probe])
        return np.where(np.isinf(best), np.float32(np.nan), best), np.bincount(probe[here], minlength=len(best))

    def search(self, probes: Ints) -> Candidates:
        """The candidates of these probes, by number."""
        task, m = self._task, len(probes)
        scores = np.full((m, task.k), -np.inf, dtype=np.float32)
        rows = np.full((m, task.k), -1, dtype=np.int64)
        above = np.zeros(m, dtype=np.int64)
        ok = np.flatnonzero(~task.probes.failed[probes])
        mate_score = self._mate_score[probes]
        found = min(task.k, len(self._gallery_rows))
        if len(ok):
            floors = np.where(np.isnan(mate_score[ok]), np.float32(np.inf), mate_score[ok])
            wanted = self._engine.rows(task.probes.unit[probes[ok]])
            best, at, above[ok] = self._gallery.search(wanted, found, floors=floors)
            scores[ok, :found] = best
            rows[ok, :found] = self._gallery_rows[at]
            above[ok] -= self._mates_at_best[probes[ok]]
        return Candidates(task.digest, frozenset({self._shard}), probes, scores, rows, mate_score, above)


def search_all(
    task: Identification, engine: Engine, *, checkpoint: Checkpoint | None = None, advance: Advance = lambda _: None
) -> Candidates:
    """The candidates of every probe, resumed from the checkpoint if there is one.

    advance : told the number of probes searched; those of a resumed run first.
    """
    part = checkpoint.read(task.digest, files.load_candidates) if checkpoint else None
    whole = frozenset({(0, len(task.gallery))})
    parts = [part] if part is not None and part.search == task.digest and part.shards == whole else []
    done = np.zeros(len(task.probes), dtype=bool)
    for kept in parts:
        done[kept.probe] = True
    advance(int(done.sum()))
    searcher = Searcher(task, engine)

    def keep() -> None:
        if checkpoint and parts:
            parts[:] = [concatenate(parts)]
            files.save_candidates(parts[0], checkpoint.path(task.digest))

    with kept_on_exit(keep, checkpoint.interval_s if checkpoint else math.inf) as stepped:
        for block in range(task.n_blocks):
            probes = np.flatnonzero((task.layout.block == block) & ~done)
            if len(probes):
                parts.append(searcher.search(probes))
                advance(len(probes))
                stepped()
    return concatenate(parts)


def count(task: Identification, plan: Plan, candidates: Candidates) -> Tally:
    """The tally of searches from their candidates.

    A non-mated search is counted at the score of its best candidate, a mated one at its mate's score in the class of
    its mate's rank. Searches with a failed template have no score, and mated ones belong to the last class.
    """
    mated = task.is_mated[candidates.probe]
    best = candidates.scores[:, 0]
    value = np.where(mated, candidates.mate_score, np.where(np.isinf(best), np.nan, best))
    bins = np.where(
        np.isnan(value), plan.n_bins - 1, np.searchsorted(plan.axis, value.astype(np.float64), side="right")
    )
    scored_class = np.searchsorted(task.ranks, candidates.rank)
    rank_class = np.where(candidates.rank == 0, len(task.ranks), scored_class)
    table = np.zeros((2, len(plan.groups), 1 + max((c.part for c in plan.cells), default=0)), dtype=np.int64)
    for i, each in enumerate(plan.cells):
        table[int(each.mated), each.group_a, each.part] = i
    cell = table[mated.astype(int), task.layout.group[candidates.probe], np.where(mated, rank_class, 0)]
    block = task.layout.block[candidates.probe]
    total = Tally.zero(plan)
    touching = total.touching.copy()
    np.add.at(touching, (block, cell, bins), np.uint64(1))
    return Tally(plan, frozenset(plan.tiles()), touching.sum(axis=0, dtype=np.uint64), touching).check()


def nonmated_tail(task: Identification, candidates: Candidates, wanted: Bools) -> tuple[Floats32, int]:
    """Best scores of the wanted non-mated searches that have one, increasing, and how many such searches there are."""
    nonmated = (wanted & ~task.is_mated)[candidates.probe]
    best = candidates.scores[nonmated, 0]
    return np.sort(best[~np.isinf(best)]), int(nonmated.sum())


def n_comparisons(task: Identification, wanted: Bools) -> int:
    """Non-mated comparisons of the wanted probes and the gallery, failed templates included."""
    return int(wanted.sum()) * len(task.gallery) - int(wanted[task.mates[0]].sum())


def comparisons_at_or_above(task: Identification, engine: Engine, edges: Floats, wanted: Bools) -> Ints:
    """(t,) scored non-mated comparisons of a wanted probe and a gallery row at or above each edge."""
    probes, scored = np.flatnonzero(wanted & ~task.probes.failed), np.flatnonzero(~task.gallery.failed)
    rows = packed(engine, task.probes, probes)
    gallery = packed(engine, task.gallery, scored)
    pairs = counted(rows, gallery, edges).astype(np.int64)
    probe, row = task.mates
    ok = wanted[probe] & ~task.probes.failed[probe] & ~task.gallery.failed[row]
    a, b = np.searchsorted(probes, probe[ok]), np.searchsorted(scored, row[ok])
    bins = np.searchsorted(edges, rows.score_pairs(gallery, a, b), side="right")
    pairs -= np.bincount(bins, minlength=len(pairs))
    return np.asarray(pairs[:0:-1].cumsum()[::-1])
