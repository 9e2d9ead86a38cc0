"""Reads recorded comparisons once, and keeps on disk what counting needs of them.

Of each comparison two numbers stay, in nameless files: its cell with the blocks of both subjects (int32), and its score
(float64). Passes over them are cheap, so thresholds are found exactly. Memory grows with the number of people, not with
that of comparisons.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench.counting.layout import Layout
from frbench.counting.population import Population
from frbench.counting.recorded.recorded_file import Named
from frbench.counting.recorded.repeats import Repeats
from frbench.counting.recorded.score_files import Comparisons, Recorded, ScoreFile
from frbench.counting.recorded.spool import Spool
from frbench.counting.recorded.trial_digest import TrialDigest, keys_of, keys_with_subjects
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Bools, Ints, Ints32
from frbench.inputs.tables import Texts
from frbench.plan import Cell, Party, blocks_of, digest_of
from frbench.templates import Templates

LOOKED_AT_ONCE = 1 << 14
KEYS_AT_ONCE = 1000
# A place is an int32, and a chunk may add a few cells.
MAX_PLACES = 1 << 30


class Subjects:
    """Numbers of subjects in order of appearance, with their groups by `columns` and their blocks.

    people : their labels, by subject; None if nothing is grouped.
    """

    def __init__(self, people: Templates | None, columns: Sequence[str], n_blocks: int) -> None:
        self.columns, self.n_blocks = tuple(columns), n_blocks
        self._number: dict[str, int] = {}
        self.block: Ints = np.zeros(0, np.int64)
        self.group: Ints = np.zeros(0, np.int64)
        self.groups: tuple[tuple[str, ...], ...] = ((),)
        self._group_of: dict[str, int] | None = None
        if columns and people is not None:
            layout = Layout.of(people, columns, n_blocks)
            self.groups = layout.groups
            self._group_of = dict(zip(people.template_ids.tolist(), layout.group.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._number)

    def numbers(self, ids: Texts) -> Ints32:
        """(n,) number of each id; new ones are added.

        Raises
        ------
        KeyError : an id has no labels.
        """
        number, old = self._number, len(self._number)
        found = np.fromiter((number.setdefault(name, len(number)) for name in ids), np.int32, len(ids))
        if len(number) > old:
            new = np.array(list(number)[old:], dtype=object)
            self.block = np.concatenate([self.block, blocks_of(new, self.n_blocks)])
            of = self._group_of
            groups = np.zeros(len(new), np.int64) if of is None else np.array([of[name] for name in new], np.int64)
            self.group = np.concatenate([self.group, groups])
        return found

    @property
    def names(self) -> list[str]:
        """Ids by number."""
        return list(self._number)


class Matching:
    """How many trials share no subject, taken in the order in which they come: at least half of the most there are."""

    def __init__(self) -> None:
        self.n = 0
        self._taken = np.zeros(0, dtype=bool)

    def add(self, a: NDArray[np.integer], b: NDArray[np.integer], n_subjects: int) -> None:
        """Counts those of these trials that share no subject with one counted before, or with each other."""
        self._taken = _grown(self._taken, n_subjects)
        taken = self._taken
        for start in range(0, len(a), LOOKED_AT_ONCE):
            x, y = a[start : start + LOOKED_AT_ONCE], b[start : start + LOOKED_AT_ONCE]
            free = ~(taken[x] | taken[y])
            for i, j in zip(x[free].tolist(), y[free].tolist(), strict=True):
                if not (taken[i] or taken[j]):
                    taken[i] = taken[j] = True
                    self.n += 1


@dataclass
class _Kind:
    """Trials of one cell: how many, and how many of them share no subject."""

    number: int
    trials: int = 0
    matching: Matching = field(default_factory=Matching)


@dataclass(frozen=True, eq=False)
class Recording:
    """Recorded comparisons, as counting needs them.

    Parameters
    ----------
    keys : cells in order of appearance.
    trials : of each cell.
    lowest, highest : of the scores; NaN if none.
    rows : comparisons of each file.
    population : whose comparisons, see `population`; None if no templates are named.
    spool : place (int32) and score (float64) of each comparison; a place is (cell * n_blocks + block) * n_blocks +
        block, the lower block first.
    independent : comparisons of each cell that share no subject.
    independent_nonmated : non-mated comparisons that share no subject.
    took_part : (2, n_subjects) who took part in non-mated and in mated comparisons; (2, 0) if nobody is known.
    """

    knows_subjects: bool
    subjects: Subjects
    keys: tuple[Cell, ...]
    trials: tuple[int, ...]
    unscored: int
    lowest: float
    highest: float
    rows: tuple[int, ...]
    population: Population | None
    spool: Spool
    independent: tuple[int, ...] = ()
    independent_nonmated: int = 0
    took_part: Bools = field(default_factory=lambda: np.zeros((2, 0), dtype=bool))

    def __len__(self) -> int:
        return sum(self.trials)

    def parties(self, *, mated: bool) -> tuple[Party, ...]:
        """The subjects of non-mated or of mated comparisons, by group."""
        who = np.flatnonzero(self.took_part[int(mated)])
        group, block = self.subjects.group[who], self.subjects.block[who]
        return tuple(
            Party(((g, g),), tuple(map(int, np.bincount(block[group == g], minlength=self.subjects.n_blocks))))
            for g in np.unique(group).tolist()
        )


def read(
    source: Recorded,
    directory: Path,
    *,
    people: Templates | None = None,
    columns: Sequence[str] = (),
    n_blocks: int,
    stack: ExitStack,
    advance: Advance = lambda _: None,
) -> Recording:
    """The comparisons of `source`, kept in nameless files in `directory` until `stack` is closed.

    Parameters
    ----------
    people : labels by subject, for groups of `columns`.
    advance : told the comparisons read.

    Raises
    ------
    InputError : a comparison that occurs twice or contradicts itself, or a subject without labels; or all that
        `ScoreFile` refuses. The message names the line.
    """
    if columns and not source.knows_subjects:
        raise InputError(f"{source.files[0].path}: names no subjects, so there are no groups; leave --group out")
    if columns and people is None:
        raise InputError("--group needs the labels of the subjects, expected --labels FILE with a subject_id column")
    return _Reader(source, directory, Subjects(people, columns, n_blocks), stack).read(advance)


class _Reader:
    """Reads one recording."""

    def __init__(self, source: Recorded, directory: Path, subjects: Subjects, stack: ExitStack) -> None:
        self._source, self._directory, self._subjects = source, directory, subjects
        self._knows, self._n_blocks = source.knows_subjects, subjects.n_blocks
        self._spool = Spool(directory, stack, np.int32, np.float64)
        self._kinds: dict[tuple[int, int, int], _Kind] = {}
        self._nonmated = Matching()
        self._took_part = np.zeros((2, 0), dtype=bool)
        self._unscored, self._lowest, self._highest = 0, np.inf, -np.inf
        self._pairs, self._people = TrialDigest(), TrialDigest()

    def read(self, advance: Advance) -> Recording:
        names_templates = self._source.names_templates
        rows = [0] * len(self._source.files)
        with ExitStack() as stack:
            repeats = Repeats(self._directory, stack)
            for i, file in enumerate(self._source.files):
                for comparisons in file:
                    rows[i] += len(comparisons)
                    if names_templates:
                        _refuse_itself(comparisons, file)
                        keys = keys_of(comparisons, file)
                        repeats.add(keys)
                        mated = self._add(comparisons, file)
                        self._pairs.add(keys ^ mated.astype(np.uint64))
                        if self._knows:
                            self._people.add(keys_with_subjects(comparisons, file))
                    else:
                        self._add(comparisons, file)
                    advance(len(comparisons))
            again = repeats.found()
        if len(again):
            _refuse_repeats(self._source, again)
        kinds = self._kinds.values()
        has_scores = self._lowest <= self._highest
        return Recording(
            knows_subjects=self._knows,
            subjects=self._subjects,
            keys=tuple(Cell(bool(m), a, b) for m, a, b in self._kinds),
            trials=tuple(kind.trials for kind in kinds),
            independent=tuple(kind.matching.n for kind in kinds),
            independent_nonmated=self._nonmated.n,
            took_part=self._took_part,
            unscored=self._unscored,
            lowest=self._lowest if has_scores else np.nan,
            highest=self._highest if has_scores else np.nan,
            rows=tuple(rows),
            population=self._population() if names_templates else None,
            spool=self._spool,
        )

    def _population(self) -> Population:
        """Digests of the comparisons, of who is who in them, and of labels, the same in any order."""
        subjects = self._subjects
        labels = sorted(zip(subjects.names, subjects.group.tolist(), strict=True)) if subjects.columns else []
        named = [[name, subjects.groups[group]] for name, group in labels]
        return {
            "subjects": self._people.digest,
            "labels": digest_of(json.dumps([subjects.columns, named])),
            "pairs": self._pairs.digest,
        }

    def _add(self, found: Comparisons, file: ScoreFile) -> Bools:
        """Keeps these comparisons; (n,) whether each is mated."""
        n = len(found)
        a = b = np.zeros(n, np.int32)
        if self._knows:
            a, b = (self._numbers(side, found, file) for side in (found.probe_subject, found.reference_subject))
        mated = _mated(found, a, b, file, knows_subjects=self._knows)
        self._spool.write(self._places(mated, a, b), found.score)
        scored = found.score[~np.isnan(found.score)]
        self._unscored += n - len(scored)
        if len(scored):
            self._lowest = min(self._lowest, float(scored.min()))
            self._highest = max(self._highest, float(scored.max()))
        return mated

    def _numbers(self, side: Named | None, found: Comparisons, file: ScoreFile) -> Ints32:
        assert side is not None, "a source that knows its subjects names them in every row"
        try:
            return self._subjects.numbers(side.ids)[side.of_row]
        except KeyError as unknown:
            name = unknown.args[0]
            row = found.first + int((side.ids[side.of_row] == name).argmax())
            raise InputError(f"{file.where(row)}: subject {name!r} has no row in --labels; add it") from unknown

    def _places(self, mated: Bools, a: Ints32, b: Ints32) -> Ints32:
        """Cell and blocks of comparisons in one number; takes note of the cells and of who took part."""
        if not self._knows:
            return self._cells(mated, a * 0, b * 0, a, b) * np.int32(self._n_blocks**2)
        n = len(self._subjects)
        self._took_part = np.stack([_grown(row, n) for row in self._took_part])
        for is_mated, chosen in enumerate((~mated, mated)):
            self._took_part[is_mated, a[chosen]] = True
            self._took_part[is_mated, b[chosen]] = True
        self._nonmated.add(a[~mated], b[~mated], n)
        group, block = self._subjects.group.astype(np.int32), self._subjects.block.astype(np.int32)
        cells = self._cells(mated, group[a], group[b], a, b)
        low, high = np.minimum(block[a], block[b]), np.maximum(block[a], block[b])
        return (cells * np.int32(self._n_blocks) + low) * np.int32(self._n_blocks) + high

    def _cells(self, mated: Bools, group_a: Ints32, group_b: Ints32, a: Ints32, b: Ints32) -> Ints32:
        """(n,) numbers of cells, in order of appearance."""
        g = len(self._subjects.groups)
        low, high = np.minimum(group_a, group_b), np.maximum(group_a, group_b)
        code = (mated * np.int32(g) + low) * np.int32(g) + high
        n_of = np.bincount(code, minlength=2 * g * g)
        number = np.zeros(len(n_of), np.int32)
        if len(self._kinds) * self._n_blocks**2 > MAX_PLACES:
            raise InputError(f"{len(self._kinds)} pairs of groups and {self._n_blocks} blocks are too many; use fewer")
        for key in np.flatnonzero(n_of).tolist():
            cell = (key // (g * g), key // g % g, key % g)
            kind = self._kinds.setdefault(cell, _Kind(len(self._kinds)))
            kind.trials += int(n_of[key])
            number[key] = kind.number
            if self._knows:
                here = slice(None) if n_of[key] == len(code) else code == key
                kind.matching.add(a[here], b[here], len(self._subjects))
        return np.asarray(number[code])


def _mated(found: Comparisons, a: Ints32, b: Ints32, file: ScoreFile, *, knows_subjects: bool) -> Bools:
    if found.mated is None:
        return np.asarray(a == b)
    if knows_subjects and (wrong := found.mated != (a == b)).any():
        row = int(wrong.argmax())
        sides = [side.at(row) for side in (found.probe_subject, found.reference_subject) if side]
        raise InputError(
            f"{file.where(found.first + row)}: mated is {str(bool(found.mated[row])).lower()}, but the subjects are "
            f"{sides[0]!r} and {sides[1]!r}"
        )
    return found.mated


def _refuse_itself(found: Comparisons, file: ScoreFile) -> None:
    """Refuses a template compared with itself, where both sides are templates alike."""
    if not file.is_symmetric or found.probe is None or found.reference is None:
        return
    number = {name: i for i, name in enumerate(found.probe.ids)}
    same = np.array([number.get(name, -1) for name in found.reference.ids], dtype=np.int64)
    is_itself = found.probe.of_row == same[found.reference.of_row]
    if is_itself.any():
        row = int(is_itself.argmax())
        raise InputError(f"{file.where(found.first + row)}: compares a template with itself, expected two")


def _refuse_repeats(source: Recorded, again: NDArray[np.uint64]) -> None:
    """Looks at the comparisons with these keys, by name, and refuses one that is repeated."""
    for start in range(0, len(again), KEYS_AT_ONCE):
        keys = again[start : start + KEYS_AT_ONCE]
        first: dict[tuple[str, str], tuple[ScoreFile, int]] = {}
        for file in source.files:
            for found in file:
                for row, pair in _named_by(found, file, keys):
                    if pair in first:
                        raise InputError(_repeated(pair, first[pair], (file, row)))
                    first[pair] = (file, row)


def _named_by(found: Comparisons, file: ScoreFile, keys: NDArray[np.uint64]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Row and names of the comparisons that have one of these keys; in one order where both sides are alike."""
    assert found.probe is not None
    assert found.reference is not None
    for row in np.flatnonzero(np.isin(keys_of(found, file), keys)).tolist():
        sides = found.probe.at(row), found.reference.at(row)
        yield found.first + row, ((min(sides), max(sides)) if file.is_symmetric else sides)


def _repeated(pair: tuple[str, str], first: tuple[ScoreFile, int], second: tuple[ScoreFile, int]) -> str:
    where, (_, _, again) = first[0].where(first[1]), second[0].where(second[1]).rpartition(", ")
    hint = "; --format bob5 tells several models of one subject apart" * (first[0].format == "bob4")
    return f"{where} and {again} hold the same comparison, {pair[0]!r} with {pair[1]!r}, expected each once{hint}"


def _grown(flags: Bools, n: int) -> Bools:
    """(n,) flags, new ones False."""
    return flags if len(flags) >= n else np.concatenate([flags, np.zeros(n - len(flags), dtype=bool)])
