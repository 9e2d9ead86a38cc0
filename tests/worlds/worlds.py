"""Populations small enough to count by hand, and random ones in which ties are common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from frbench import _rust
from frbench.counting.identify import Identification
from frbench.counting.layout import Layout
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs
from frbench.engines import Engine, reference
from frbench.engines.reference import ReferenceEngine
from frbench.inputs.texts import STRING, Texts
from frbench.plan import Cell, Party, Plan, Tile
from frbench.tally import Tally
from frbench.templates import Templates

Key = tuple[bool, tuple[str, ...], tuple[str, ...]]
Bins = tuple[int, ...]

FEW = settings(max_examples=25, deadline=None)
# Few, as their tiles are half their square; and more than there are rows.
BLOCKS = st.sampled_from([1, 2, 3, 5, 8, 13, 24])
EDGES = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0)

# Unit rows whose components are powers of two: every score among them is a multiple of 1/2, exactly.
X = (1.0, 0.0, 0.0, 0.0)
Y = (0.0, 1.0, 0.0, 0.0)
HALF = (0.5, 0.5, 0.5, 0.5)
HALF_MINUS = (0.5, 0.5, 0.5, -0.5)
NOTHING = (0.0, 0.0, 0.0, 0.0)


def text_array(values: Sequence[str]) -> Texts:
    """(n,) texts, as readers return them."""
    return np.array(list(values), dtype=STRING)


def templates(
    rows: ArrayLike, subjects: Sequence[str], *, failed: Sequence[int] = (), **labels: Sequence[str]
) -> Templates:
    """Templates of the given unit rows, without a file and without normalisation."""
    unit = np.array(rows, dtype=np.float32).reshape(len(subjects), -1)
    is_failed = np.zeros(len(unit), dtype=bool)
    is_failed[list(failed)] = True
    unit[is_failed] = 0
    return Templates(
        unit=unit,
        failed=is_failed,
        template_ids=text_array([f"t{i}" for i in range(len(unit))]),
        subject_ids=text_array(subjects),
        labels={column: text_array(values) for column, values in labels.items()},
        joined_by="none",
        sources=(),
    )


@dataclass(frozen=True)
class World:
    """A population and how it is counted."""

    templates: Templates
    columns: tuple[str, ...] = ("sex",)
    edges: tuple[float, ...] = EDGES
    n_blocks: int = 4

    @cached_property
    def layout(self) -> Layout:
        """Rows arranged for counting."""
        return Layout.of(self.templates, self.columns, self.n_blocks)

    @cached_property
    def plan(self) -> Plan:
        """The plan of all pairs."""
        return self.layout.verify_plan(self.edges)

    @cached_property
    def counter(self) -> AllPairs:
        """Counts tiles with the oracle."""
        return AllPairs(self.layout, ReferenceEngine())

    @cached_property
    def tally(self) -> Tally:
        """All tiles."""
        return sweep(self.plan, lambda tile: self.counter.count(self.plan, tile))

    def tile(self, i: int, j: int) -> Tally:
        """One tile."""
        return Tally.of_tile(self.plan, (i, j), self.counter.count(self.plan, (i, j)))

    def counted_by(self, engine: Engine) -> Tally:
        """All tiles, by another engine."""
        counter = AllPairs(self.layout, engine)
        return sweep(self.plan, lambda tile: counter.count(self.plan, tile), workers=engine.parallel)


def two_groups() -> World:
    """Seven templates of two women and two men; 21 pairs, counted here.

    mated      f f: ann .5                      m m: carl 1, dan failed
    non-mated  f f: t0 t2 1, t1 t2 .5           m m: t3 t5 .5, t4 t5 .5, t3 t6 and t4 t6 failed
               f m: 0 for t0 and t2 with t3 and t4 (4); .5 for t5 with all three and t1 with t3 and t4 (5);
                    t6 failed with all three (3)
    """
    return World(
        templates(
            [X, HALF, X, Y, Y, HALF_MINUS, NOTHING],
            ["ann", "ann", "bea", "carl", "carl", "dan", "dan"],
            failed=[6],
            sex=["f", "f", "f", "m", "m", "m", "m"],
        )
    )


def with_ties() -> World:
    """Five mated comparisons of one score each, of 1, .5, .5, 0 and 0: two of five lie below .5."""
    second = [X, HALF, HALF, Y, Y]
    rows = [row for mate in second for row in (X, mate)]
    subjects = [name for name in "abcde" for _ in range(2)]
    return World(templates(rows, subjects, sex=["f"] * 10))


def several_mates() -> World:
    """One subject with four templates of two labels, and one alone: 6 mated comparisons, 4 non-mated."""
    return World(
        templates([X, X, HALF, Y, HALF], ["ann"] * 4 + ["bea"], mask=["yes", "yes", "no", "no", "no"]), ("mask",)
    )


def unit_rows(matrix: np.ndarray, threads: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows of the core, and which rows have a direction."""
    unit = np.empty(np.shape(matrix), dtype=np.float32)
    return unit, _rust.unit_rows(matrix, unit, threads)


@st.composite
def random_templates(draw: st.DrawFn, *, min_n: int = 1, max_n: int = 40, max_d: int = 20) -> Templates:
    """Templates with repeated rows, failures, subjects of several rows and labels that change within a subject."""
    n, d = draw(st.integers(min_n, max_n)), draw(st.integers(1, max_d))
    n_subjects, n_distinct = draw(st.integers(1, n)), draw(st.integers(1, n))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    whole = draw(st.booleans())
    pool = random.integers(-2, 3, (n_distinct, d)).astype(float) if whole else random.normal(size=(n_distinct, d))
    matrix = pool[random.integers(n_distinct, size=n)]
    matrix[random.random(n) < draw(st.sampled_from([0, 0.1, 0.5]))] = np.nan
    unit, is_ok = unit_rows(matrix)
    subject = random.integers(n_subjects, size=n)
    sex = random.choice(["f", "m", ""], size=n_subjects)[subject]
    mask = random.choice(["yes", "no", "half", ""], size=n)
    return templates(
        unit,
        [f"s{s}" for s in subject],
        failed=np.flatnonzero(~is_ok).tolist(),
        sex=sex.tolist(),
        mask=mask.tolist(),
    )


@st.composite
def random_worlds(draw: st.DrawFn, **sizes: int) -> World:
    """Random templates, groups, blocks, and edges some of which are scores that occur."""
    found = draw(random_templates(**sizes))
    columns = draw(st.sampled_from([(), ("sex",), ("sex", "mask")]))
    edges = set(draw(st.lists(st.floats(-1, 1), min_size=1, max_size=8)))
    if draw(st.booleans()):
        first = reference.scores(found.unit[:3], found.unit).ravel().astype(float)
        edges |= set(first[np.abs(first) <= 1].tolist())
    return World(found, columns, tuple(sorted(edges)), draw(BLOCKS))


def pairs(found: Templates) -> Iterator[tuple[int, int, bool, float | None]]:
    """Every unordered pair of rows: both rows, whether they are mated, and the score or None."""
    scores = reference.scores(found.unit, found.unit)
    assert found.subject_ids is not None
    for i, j in combinations(range(len(found)), 2):
        is_scored = not (found.failed[i] or found.failed[j])
        mated = bool(found.subject_ids[i] == found.subject_ids[j])
        yield i, j, mated, float(scores[i, j]) if is_scored else None


def label_of(found: Templates, columns: Sequence[str], row: int) -> tuple[str, ...]:
    """The finest group of a row."""
    return tuple(str(found.labels[column][row]) for column in columns)


def enumerated(world: World) -> dict[Key, Bins]:
    """Counts of a world, one pair after the other; cells are named, so that two plans can be compared."""
    out: dict[Key, list[int]] = {}
    for i, j, mated, score in pairs(world.templates):
        a, b = sorted(label_of(world.templates, world.columns, row) for row in (i, j))
        bins = out.setdefault((mated, a, b), [0] * (len(world.edges) + 2))
        bins[-1 if score is None else sum(score >= edge for edge in world.edges)] += 1
    return {key: tuple(bins) for key, bins in out.items()}


def by_name(plan: Plan, counts: NDArray[Any]) -> dict[Key, Bins]:
    """(cells, bins) counts by the names of their cells, empty ones left out."""
    return {
        (cell.mated, plan.groups[cell.group_a], plan.groups[cell.group_b]): tuple(map(int, row))
        for cell, row in zip(plan.cells, counts, strict=True)
        if row.any()
    }


@st.composite
def searches(draw: st.DrawFn, *, max_n: int = 30) -> Identification:
    """Random probes and gallery of one population, of several templates a subject."""
    found = draw(random_templates(min_n=2, max_n=max_n, max_d=8))
    cut = draw(st.integers(1, len(found) - 1))
    k = draw(st.integers(1, cut))
    return Identification(
        found.take(np.arange(cut)),
        found.take(np.arange(cut, len(found))),
        ("sex",),
        k=k,
        ranks=(1, 2, 5),
        n_blocks=draw(BLOCKS),
    )


def parties(*rows: Sequence[int]) -> tuple[Party, ...]:
    """Subjects of one group each: for group number i, how many of them each block holds."""
    return tuple(Party(((i, i),), tuple(row)) for i, row in enumerate(rows))


def small_plan(*, inputs: str = "two", edges: tuple[float, ...] = (0.5,), n_blocks: int = 32, **fields: Any) -> Plan:
    """A plan of one group with a non-mated and a mated cell, whose declared trials nobody checks."""
    ones = parties((1,) * n_blocks)
    values = {
        "kind": "verify",
        "columns": (),
        "groups": ((),),
        "cells": (Cell(False, 0, 0), Cell(True, 0, 0)),
        "trials": (0, 0),
        "subjects": ones,
        "mated_subjects": ones,
    }
    return Plan(inputs=inputs, edges=edges, n_blocks=n_blocks, **(values | fields))


def tally_of(
    plan: Plan, total: ArrayLike, touching: ArrayLike | None = None, tiles: Sequence[Tile] = ((0, 0),)
) -> Tally:
    """A tally with the given counts."""
    counts = np.array(total, dtype=np.uint64)
    shape = (plan.n_blocks, *counts.shape)
    blocks = np.zeros(shape, np.uint64) if touching is None else np.array(touching, dtype=np.uint64)
    return Tally(plan, frozenset(tiles), counts, blocks)
