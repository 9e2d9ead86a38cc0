"""What an index offers that proposes gallery rows without looking at all of them; others score what it proposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from frbench.errors import EngineUnavailable, InputError
from frbench.inputs.arrays import Advance, Floats32, Ints

Matrix = Floats32
Numbers = Mapping[str, int]
# Rows inserted between two looks at the clock and at Ctrl-C.
CHUNK = 1000
THREADS = 1
# A graph with one link a row draws its levels from a logarithm of 1.
LEAST = {"M": 2, "connectivity": 2}


class Index(Protocol):
    """Rows in the order in which they were inserted, in one thread."""

    @property
    def nbytes(self) -> int:
        """Bytes that the index takes where it is saved: vectors or codes, links, lists."""

    def propose(self, probes: Matrix, k: int, effort: int) -> Ints:
        """(m, w) numbers of inserted rows, each at most once, in any order; -1 where there is none.

        w is k, and more where several indexes propose k each.
        """


def doublings(first: int, last: int) -> tuple[int, ...]:
    """`first` and its doubles up to `last`."""
    found = [first]
    while found[-1] * 2 <= last:
        found.append(found[-1] * 2)
    return tuple(found)


def widths(k: int, _: Numbers) -> tuple[int, ...]:
    """Widths of a search in a graph for lists of k: k, 2k ... 16k."""
    return doublings(k, 16 * k)


@dataclass(frozen=True)
class Family:
    """A kind of index of one library; what is not said of it is as of a graph.

    knob : name of what is turned up to look at more rows; "" where every row is looked at.
    defaults : build parameters for n rows of d components. build : of unit rows, parameters and a seed.
    is_at_least_k : whether the library raises a lower knob to k by itself, so that a lower one is none of its own.
    efforts : values of the knob for lists of k, increasing. highest : the one that looks at as much as it can of n.
    """

    name: str
    distribution: str
    knob: str
    defaults: Callable[[int, int], Numbers]
    build: Callable[[Matrix, Numbers, int, Advance], Index]
    is_at_least_k: bool = True
    efforts: Callable[[int, Numbers], tuple[int, ...]] = widths
    highest: Callable[[int, Numbers], int] = lambda n, _: n

    @property
    def version(self) -> str:
        """Version of the library."""
        return version(self.distribution)

    def require_library(self) -> None:
        """Raises EngineUnavailable if the library is not installed."""
        try:
            version(self.distribution)
        except PackageNotFoundError as error:
            raise missing(self.distribution, self.name, error) from error

    def parameters(self, chosen: Numbers, *, n: int, d: int) -> dict[str, int]:
        """Build parameters: the defaults for (n, d), or what was chosen.

        Raises
        ------
        InputError : a name that this family does not know, or a value that is too low.
        """
        defaults = self.defaults(n, d)
        for name, value in chosen.items():
            if name not in defaults:
                known = ", ".join(defaults) or "none"
                raise InputError(f"{self.name} has no build parameter {name!r}, expected one of: {known}")
            least = LEAST.get(name, 1)
            if value < least:
                raise InputError(f"build parameter {name} is {value}, expected {least} or more")
        return {**defaults, **chosen}

    def checked_efforts(self, chosen: tuple[int, ...], k: int, parameters: Numbers) -> tuple[int, ...]:
        """Values of the knob, increasing: the chosen ones, or the usual ones for lists of k.

        Raises
        ------
        InputError : a family without a knob, or a value that it would not take as it stands.
        """
        if not chosen:
            return self.efforts(k, parameters)
        if not self.knob:
            raise InputError(f"{self.name} looks at every row and has no effort to choose; leave --effort out")
        lowest = k if self.is_at_least_k else 1
        if min(chosen) < lowest:
            why = f", the length of the lists: {self.distribution} raises lower ones to it" if lowest == k else ""
            raise InputError(f"--effort {min(chosen)} is below {lowest}{why}; raise it, or lower -k")
        return tuple(sorted(set(chosen)))

    def setting(self, effort: int) -> str:
        """A value of the knob as a person reads it."""
        return f"{self.knob}={effort}" if self.knob else "every row"


def inserted(n: int, advance: Advance) -> Iterator[slice]:
    """`n` rows some at a time, for each to be inserted; `advance` is then told how many they were."""
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        yield slice(start, stop)
        advance(stop - start)


def missing(distribution: str, family: str, error: ImportError) -> EngineUnavailable:
    """What to say where a library is not installed."""
    return EngineUnavailable(f"{family} needs {distribution}, which is not here ({error}); pip install 'frbench[ann]'")
