"""Explains the numbers of comparisons that a protocol declares by those that its labels make.

Every convention has a closed form in the rows of each subject: pairs once or in both directions, with or without each
row against itself. A declared number that is one of them says how its author counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frbench.tally import Tally

EXAMPLES = 3


@dataclass(frozen=True)
class Counts:
    """What a set of templates makes: rows, subjects, and unordered mated pairs, from which the rest follows."""

    rows: int
    subjects: int
    mated: int

    @classmethod
    def of(cls, rows_of_subject: Sequence[int]) -> Counts:
        """The counts of subjects with so many rows each: m rows make m (m - 1) / 2 mated pairs."""
        sizes = [int(m) for m in rows_of_subject if m]
        return cls(sum(sizes), len(sizes), sum(m * (m - 1) // 2 for m in sizes))

    @property
    def pairs(self) -> int:
        """Unordered pairs of rows: n (n - 1) / 2."""
        return self.rows * (self.rows - 1) // 2

    @property
    def nonmated(self) -> int:
        """Unordered pairs of rows of two subjects."""
        return self.pairs - self.mated

    def conventions(self) -> dict[str, int]:
        """The number that each way of counting gives, the plain ones first."""
        n, pairs, mated, nonmated = self.rows, self.pairs, self.mated, self.nonmated
        return {
            "unordered pairs, each once": pairs,
            "unordered mated pairs": mated,
            "unordered non-mated pairs": nonmated,
            "ordered pairs, both directions": 2 * pairs,
            "ordered mated pairs": 2 * mated,
            "ordered non-mated pairs": 2 * nonmated,
            "unordered pairs and each row with itself": pairs + n,
            "unordered mated pairs and each row with itself": mated + n,
            "ordered pairs and each row with itself, the whole matrix": n * n,
            "ordered mated pairs and each row with itself": 2 * mated + n,
            "images": n,
            "subjects": self.subjects,
        }

    def mistakes(self) -> dict[str, int]:
        """The numbers that ways of counting give in which two conventions are mixed.

        Source: the first one is that of all test sets of ICCV21-MFR.
        """
        return {
            "ordered pairs less unordered mated pairs, which counts half of the mated ones as non-mated": (
                2 * self.pairs - self.mated
            ),
            "unordered pairs less ordered mated pairs, which takes the mated ones off twice": self.pairs
            - 2 * self.mated,
            "the whole matrix less ordered mated pairs, which counts each row with itself as non-mated": (
                self.rows**2 - 2 * self.mated
            ),
        }


@dataclass(frozen=True)
class CrossCounts:
    """What probes and a gallery make: rows of both and mated comparisons between them."""

    probes: int
    gallery: int
    mated: int
    mated_probes: int

    @classmethod
    def of(cls, probes: Mapping[str, int], gallery: Mapping[str, int]) -> CrossCounts:
        """The counts of rows by subject on both sides: p probes and g enrolled rows make p g mated comparisons."""
        both = [subject for subject in probes if gallery.get(subject)]
        return cls(
            sum(probes.values()),
            sum(gallery.values()),
            sum(probes[s] * gallery[s] for s in both),
            sum(probes[s] for s in both),
        )

    def conventions(self) -> dict[str, int]:
        """The number that each way of counting gives."""
        everything = self.probes * self.gallery
        return {
            "comparisons of probes and gallery": everything,
            "mated comparisons of probes and gallery": self.mated,
            "non-mated comparisons of probes and gallery": everything - self.mated,
            "searches": self.probes,
            "mated searches": self.mated_probes,
            "non-mated searches": self.probes - self.mated_probes,
            "comparisons of mated searches": self.mated_probes * self.gallery,
            "comparisons of non-mated searches": (self.probes - self.mated_probes) * self.gallery,
        }

    def mistakes(self) -> dict[str, int]:
        """None are known."""
        return {}


def explain(declared: int, counts: Counts | CrossCounts, run: Mapping[str, int] | None = None) -> str:
    """Which way of counting gives the `declared` number, in one sentence; the nearest one if none does.

    run : what a run counted, by name, such as `of_run` gives it; numbers that a convention gives as well keep its name.
    """
    conventions = counts.conventions()
    known = set(conventions.values())
    conventions |= {name: number for name, number in (run or {}).items() if number not in known}
    right = _names(conventions, declared) or _names(counts.mistakes(), declared)
    if right:
        return f"{declared:,} are {' or '.join(right[:EXAMPLES])}"
    name, number = min(conventions.items(), key=lambda item: (abs(item[1] - declared), item[0]))
    off = abs(declared - number)
    more = "more" if declared > number else "fewer"
    return f"{declared:,} are none of the usual counts; {name} are nearest, {number:,}: {off:,} {more} are declared"


def _names(conventions: Mapping[str, int], number: int) -> list[str]:
    return [name for name, of_convention in conventions.items() if of_convention == number]


def of_run(tally: Tally) -> dict[str, int]:
    """What a run counted and what it left without a score, by names for a sentence."""
    found = compared(tally)
    return {
        "pairs that this run counted": found["pairs"],
        "mated pairs that this run counted": found["mated"],
        "non-mated pairs that this run counted": found["nonmated"],
        "pairs with a score": found["pairs_scored"],
        "mated pairs with a score": found["mated_scored"],
        "non-mated pairs with a score": found["nonmated_scored"],
        "ordered pairs with a score": 2 * found["pairs_scored"],
        "ordered non-mated pairs with a score": 2 * found["nonmated_scored"],
    }


def compared(tally: Tally) -> dict[str, int]:
    """Trials of a tally by name: pairs, mated and non-mated ones, and those of each that have a score."""
    counts: Counter[str] = Counter()
    for is_mated, name in ((True, "mated"), (False, "nonmated")):
        histogram = tally.pick(mated=is_mated)
        scored = histogram.trials - histogram.unscored
        counts.update({name: histogram.trials, f"{name}_scored": scored})
        counts.update({"pairs": histogram.trials, "pairs_scored": scored})
    return dict(counts)
