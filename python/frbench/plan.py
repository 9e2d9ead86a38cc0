"""Says what is to be counted, in so little that it goes along with every count of it.

A plan names the trials, the axis, the groups and the cells, declares how many trials each cell holds, and has a
digest. Tallies of plans with different digests are never added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.choices import DEFAULT_BLOCKS as DEFAULT_BLOCKS
from frbench.errors import FormatError, InputError

Kind = Literal["verify", "pairs", "identify", "latency", "load"]
Tile = tuple[int, int]
Groups = NDArray[np.uint32]
Pair = tuple[str, str]
Grouping = tuple[str, ...]

UNLABELLED = "unlabelled"
ALL = "all"
OVERALL = "overall"
VERSION = 1
MAX_TALLY_BYTES = 2 << 30
MAX_BLOCKS = 1024
MIN_STEP = 1e-6
POPULATION = "population"


class Cell(NamedTuple):
    """One kind of trial: mated or not, between two groups (indices into `Plan.groups`), of one part.

    `part` separates trials that are counted side by side: rank classes in 1:N, batch sizes in latency.
    """

    mated: bool
    group_a: int
    group_b: int
    part: int = 0


class Party(NamedTuple):
    """Subjects that take part in trials of the same groups, and how many of them each block holds.

    pairs : (group, group) of both sides of a subject's trials; the same group twice where only one side is theirs.
    A subject is in one party, so that parties add.
    """

    pairs: tuple[tuple[int, int], ...]
    blocks: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Rectangle:
    """Pairs of a range of probes and a range of gallery rows, and the cell of each: what an engine is asked to count.

    Parameters
    ----------
    probes, gallery : half-open ranges of rows.
    is_upper : only pairs whose gallery row comes after the probe row, for rows against themselves.
    probe_groups, gallery_groups : (n,), (m,) group of every row, also of those outside the ranges.
    cells : (g, h) cell of a pair of groups.
    n_cells : how many cells there are, also those that no pair falls in.
    """

    probes: tuple[int, int]
    gallery: tuple[int, int]
    is_upper: bool
    probe_groups: Groups
    gallery_groups: Groups
    cells: Groups
    n_cells: int

    @classmethod
    def whole(cls, probe_groups: Groups, gallery_groups: Groups, cells: Groups) -> Rectangle:
        """Every probe with every gallery row; as many cells as `cells` has places."""
        ranges = (0, len(probe_groups)), (0, len(gallery_groups))
        return cls(*ranges, False, probe_groups, gallery_groups, cells, cells.size)


@dataclass(frozen=True)
class Group:
    """Who a rate is about: everybody, or trials between two groups of some label columns.

    Parameters
    ----------
    columns : label columns that the names in `pair` belong to.
    pair : names of the groups of both sides, in either order, the same twice within a group; None is everybody.
    """

    columns: Grouping = ()
    pair: Pair | None = None

    @classmethod
    def within(cls, columns: Sequence[str], name: str) -> Group:
        """Trials within one group; a search belongs to one."""
        return cls(tuple(columns), (name, name))

    @property
    def is_within(self) -> bool:
        """Whether both sides are the same: a group with itself, or everybody."""
        return self.pair is None or self.pair[0] == self.pair[1]

    @property
    def is_labelled(self) -> bool:
        """Whether every label is known: rows without one are no group."""
        return self.pair is None or not any(UNLABELLED in side.split(",") for side in self.pair)

    @property
    def title(self) -> str:
        """The label columns with commas between them; `all` without any."""
        return ",".join(self.columns) or ALL

    @property
    def name(self) -> str:
        """The names of both sides, each once; `all` for everybody."""
        return " and ".join(sorted(set(self.pair))) if self.pair else ALL

    def sides(self, kind: Kind) -> Pair:
        """The names of both sides in `results.json`: everybody is `all` of comparisons, else `overall`."""
        everybody = ALL if kind in ("verify", "pairs") else OVERALL
        return self.pair or (everybody, everybody)

    def key(self, kind: Kind) -> dict[str, str]:
        """Grouping and group, as a row of `results.json` begins that is about one group."""
        return {"grouping": self.title, "group": self.sides(kind)[0]}

    def pair_key(self, kind: Kind) -> dict[str, str]:
        """Grouping and the groups of both sides, as a row of `results.json` begins that may be about two."""
        return {"grouping": self.title, **dict(zip(("group_a", "group_b"), self.sides(kind), strict=True))}


EVERYBODY = Group()


@dataclass(frozen=True)
class Plan:
    """What a tally counts.

    Parameters
    ----------
    inputs : digest of everything that is counted (templates, labels, pairs, split).
    edges : increasing; bin `i` holds the values with exactly `i` edges at or below them.
    columns : label columns that groups are made of.
    groups : label values by column, "" for no label; the finest groups, of which all others are sums.
    cells : the kinds of trial that occur.
    trials : trials declared for each cell, failed templates included; those of cells that differ only in part
        stand at the first of them.
    subjects, mated_subjects : subjects that take part in non-mated and in mated trials.
    keeps_blocks : whether tallies keep the counts that touch each block, from which intervals come.
    details : what the kind of trial needs besides, as JSON values; `population` digests whose trials they are.
    """

    kind: Kind
    inputs: str
    edges: tuple[float, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]
    trials: tuple[int, ...]
    subjects: tuple[Party, ...]
    mated_subjects: tuple[Party, ...]
    n_blocks: int = DEFAULT_BLOCKS
    keeps_blocks: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = 8 * len(self.cells) * (len(self.edges) + 2) * (1 + self.n_blocks * self.keeps_blocks)
        if size > MAX_TALLY_BYTES:
            raise InputError(
                f"a tally of {len(self.cells)} cells, {len(self.edges)} edges and {self.n_blocks} blocks takes "
                f"{size / 2**30:.1f} GiB, at most 2 are kept; run each --group on its own, or coarsen --axis-step"
            )

    def __repr__(self) -> str:
        by = f", by {', '.join(self.columns)}" if self.columns else ""
        return f"Plan({self.kind}, {len(self.cells)} cells, {len(self.edges):,} edges, {self.n_blocks} blocks{by})"

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digest of the plan: the same for the same trials, axis, groups and blocks.

        The population is left out: it follows from the inputs, and plans that do not hold it have the same digest.
        """
        details = {name: value for name, value in self.details.items() if name != POPULATION}
        return hashlib.blake2b(self._json(details).encode(), digest_size=16).hexdigest()

    @cached_property
    def axis(self) -> NDArray[np.float64]:
        """(t,) edges."""
        return np.asarray(self.edges, dtype=np.float64)

    @property
    def n_bins(self) -> int:
        """Columns of a tally: one more than edges, and one for trials without a score."""
        return len(self.edges) + 2

    def tiles(self) -> list[Tile]:
        """All tiles of the plan; plans of times have none of their own, a run brings its own."""
        if self.kind in ("verify", "pairs"):
            return [(i, j) for i in range(self.n_blocks) for j in range(i, self.n_blocks)]
        return [(b, b) for b in range(self.n_blocks)] if self.kind == "identify" else []

    def to_json(self) -> str:
        """Canonical JSON, from which `from_json` makes an equal plan."""
        return self._json(self.details)

    def _json(self, details: Mapping[str, Any]) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= {"version": VERSION, "details": dict(details)}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote.

        Raises
        ------
        FormatError : not a plan, or of another version.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version != VERSION:
                raise FormatError(f"plan has format version {version}, expected {VERSION}; recount with this release")
            values |= {name: tuple(values[name]) for name in ("edges", "columns", "trials")}
            values |= {name: tuple(map(_party, values[name])) for name in ("subjects", "mated_subjects")}
            groups, cells = tuple(map(tuple, values.pop("groups"))), tuple(Cell(*c) for c in values.pop("cells"))
            return cls(groups=groups, cells=cells, **values)
        except FormatError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not a plan: {error}") from error

    def group_names(self, grouping: Sequence[str]) -> list[str]:
        """For each of the finest groups, its name in `grouping` (label columns; none means everything together)."""
        columns = [self.columns.index(c) for c in grouping]
        return [name_of([group[c] for c in columns]) for group in self.groups]

    def groups_of(self, columns: Sequence[str], *, pairs: bool = False) -> list[Group]:
        """The groups of some label columns in the order of their names; everybody without columns.

        With `pairs`, every unordered pair of them, a group with itself among them.
        """
        if not columns:
            return [EVERYBODY]
        names = sorted(set(self.group_names(columns)))
        last = None if pairs else 1
        return [Group(tuple(columns), (a, b)) for i, a in enumerate(names) for b in names[i:][:last]]

    def everybody_and(self, groupings: Sequence[Sequence[str]], *, pairs: bool = False) -> list[Group]:
        """Everybody, and `groups_of` each of the groupings."""
        groups = (group for columns in filter(None, groupings) for group in self.groups_of(columns, pairs=pairs))
        return [EVERYBODY, *groups]

    def subjects_of(
        self, grouping: Sequence[str], accepts: Callable[[str, str], bool], *, mated: bool
    ) -> NDArray[np.int64]:
        """(n_blocks,) subjects with a trial between groups of `grouping` whose names `accepts` accepts, each once."""
        names = self.group_names(grouping)
        blocks = [
            party.blocks
            for party in (self.mated_subjects if mated else self.subjects)
            if any(accepts(names[a], names[b]) for a, b in party.pairs)
        ]
        return np.asarray(np.reshape(blocks, (-1, self.n_blocks)).sum(axis=0), dtype=np.int64)


def _party(values: Any) -> Party:
    pairs, blocks = values
    return Party(tuple((a, b) for a, b in pairs), tuple(blocks))


def name_of(values: Sequence[str]) -> str:
    """The name of a group: its label values joined by a comma, `unlabelled` for a missing one, `all` for no column."""
    return ",".join(v or UNLABELLED for v in values) if values else ALL


def digest_of(*parts: str | NDArray[Any]) -> str:
    """Hexadecimal digest of several digests or arrays, in order."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        hasher.update(len(data).to_bytes(8, "little"))
        hasher.update(data)
    return hasher.hexdigest()


def blocks_of(subjects: NDArray[Any], n_blocks: int) -> NDArray[np.int64]:
    """(n,) block of each subject id: a hash of the id, the same on every machine and for every set of subjects.

    Raises
    ------
    InputError : not 1 to 1,024 blocks.
    """
    if not 1 <= n_blocks <= MAX_BLOCKS:
        raise InputError(f"number of blocks is {n_blocks}, expected 1 to {MAX_BLOCKS}")
    names, inverse = np.unique(subjects, return_inverse=True)
    hashes = (hashlib.blake2b(str(s).encode(), digest_size=8).digest() for s in names)
    block = np.fromiter((int.from_bytes(h, "little") % n_blocks for h in hashes), np.int64, len(names))
    return block[inverse]


def score_axis(step: float, extra: Sequence[float] = (), lowest: float = -1.0) -> tuple[float, ...]:
    """Edges every `step` from `lowest` to 1, and the `extra` ones; all of them are multiples of `step` from -1.

    Raises
    ------
    InputError : a step that is too small, above 1 or does not divide 2, or an edge outside [-1, 1].
    """
    if not MIN_STEP <= step <= 1:
        raise InputError(f"axis step is {step}, expected {MIN_STEP:g} to 1")
    n = round(2 / step)
    if abs(2 / step - n) > 1e-9 * n:
        raise InputError(f"axis step is {step}, expected a step that divides 2, such as {2 / n:.6g}")
    # Dividing integers gives the decimal that a person would type: 0.9, not 0.9000000000000001.
    regular = {min(1.0, (2 * i - n) / n) for i in range(n + 1)}
    if not -1 <= lowest <= 1:
        raise InputError(f"lowest edge of the axis is {lowest}, expected -1 to 1")
    above = {edge for edge in regular if edge >= lowest}
    return tuple(sorted(above | set(checked_thresholds(extra))))


def float32_not_below(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The smallest float32 not below each threshold: a score reaches the one exactly if it reaches the other."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    return np.where(nearest < thresholds, np.nextafter(nearest, np.float32(np.inf)), nearest)


def checked_thresholds(thresholds: Sequence[float]) -> list[float]:
    """`thresholds` as floats.

    Raises
    ------
    InputError : a threshold outside [-1, 1] or NaN.
    """
    values = [float(t) for t in thresholds]
    for value in values:
        # The score of equal rows may exceed 1 by the rounding of their components, and a threshold may lie above it.
        if not -1 <= value <= 1 + 1e-6:
            raise InputError(f"threshold {value} is outside [-1, 1], the range of a cosine score")
    return values
