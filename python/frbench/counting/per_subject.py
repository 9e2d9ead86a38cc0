"""Finds every error of a 1:1 run by name: who took part in it.

The tally knows how many errors there are, not whose. A second pass finds them by name, and must find as many as were
counted. Only comparisons with a score are looked at: a failed template is an error of nobody's face.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from frbench.counting.layout import Layout
from frbench.counting.verify import AllPairs, Pairs
from frbench.errors import Conservation, InputError
from frbench.inputs.arrays import Advance, Bools, Floats, Ints
from frbench.plan import name_of
from frbench.tally import Tally

MAX_ERRORS = 5_000_000


@dataclass(frozen=True, eq=False)
class PerSubject:
    """The errors of a run by row of the templates.

    Parameters
    ----------
    thresholds : increasing.
    matches : rows of both sides and scores of the non-mated pairs at or above the lowest.
    misses : rows of both sides and scores of the mated pairs below the highest.
    """

    counter: AllPairs | Pairs
    layout: Layout
    thresholds: tuple[float, ...]
    matches: tuple[Ints, Ints, Floats]
    misses: tuple[Ints, Ints, Floats]

    @cached_property
    def names(self) -> list[str]:
        """Subject ids by number."""
        ids = np.empty(int(self.layout.subject.max()) + 1, dtype=object)
        ids[self.layout.subject] = self.layout.templates.subject_ids
        return [str(name) for name in ids]

    def to_csv(self) -> str:
        """A line for each subject: labels, images, comparisons with a score of both kinds, errors at each threshold.

        A label that differs between the images of a subject is given with all its values, "/" between them. Thresholds
        in names of columns have all the digits that they have in `results.json`.
        """
        everybody = np.ones(len(self.layout.groups), dtype=bool)
        nonmated, mated = (self.counter.trials_of_subjects(everybody, mated=m) for m in (False, True))
        matches = [self._times(self.matches, self.matches[2] >= t, both=True) for t in self.thresholds]
        misses = [self._times(self.misses, self.misses[2] < t, both=False) for t in self.thresholds]
        images = np.bincount(self.layout.subject, minlength=len(self.names))
        failed = np.bincount(self.layout.subject[self.layout.templates.failed], minlength=len(self.names))
        labels = [self._labels(column) for column in self.layout.columns]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        at = [str(float(t)) for t in self.thresholds]
        heads = ["images", "failed_images", "nonmated", *(f"false_matches_{t}" for t in at)]
        table.writerow(["subject_id", *self.layout.columns, *heads, "mated", *(f"false_nonmatches_{t}" for t in at)])
        numbers = np.stack([images, failed, nonmated, *matches, mated, *misses], axis=1).tolist()
        for name, *own, counts in zip(self.names, *labels, numbers, strict=True):
            table.writerow([name, *own, *counts])
        return text.getvalue()

    def matched(self, threshold: float, inside: Bools) -> tuple[list[str], list[str]]:
        """Subjects of both sides of the false matches at a threshold; inside : (groups,) those that are looked at."""
        return self._subjects(self.matches, self.matches[2] >= threshold, inside)

    def missed(self, threshold: float, inside: Bools) -> list[str]:
        """Subject of each false non-match at a threshold; inside : (groups,) those that are looked at."""
        return self._subjects(self.misses, self.misses[2] < threshold, inside)[0]

    def trials(self, inside: Bools, *, mated: bool) -> dict[str, int]:
        """Scored comparisons of every subject that has any within groups."""
        trials = self.counter.trials_of_subjects(inside, mated=mated)
        return {self.names[s]: int(trials[s]) for s in np.flatnonzero(trials)}

    def group_names(self, grouping: tuple[str, ...]) -> list[str]:
        """Name of each finest group, by these label columns."""
        places = [self.layout.columns.index(column) for column in grouping]
        return [name_of([group[place] for place in places]) for group in self.layout.groups]

    def _subjects(self, errors: tuple[Ints, Ints, Floats], chosen: Bools, inside: Bools) -> tuple[list[str], list[str]]:
        """Subjects of both sides of the errors within groups."""
        a, b = (side[chosen] for side in errors[:2])
        within = inside[self.layout.group[a]] & inside[self.layout.group[b]]
        one, other = ([self.names[s] for s in self.layout.subject[side[within]]] for side in (a, b))
        return one, other

    def _times(self, errors: tuple[Ints, Ints, Floats], chosen: Bools, *, both: bool) -> Ints:
        sides = errors[:2] if both else errors[:1]
        found = np.concatenate([self.layout.subject[side[chosen]] for side in sides])
        return np.bincount(found, minlength=len(self.names))

    def _labels(self, column: str) -> list[str]:
        values: list[dict[str, None]] = [{} for _ in self.names]
        for subject, value in zip(self.layout.subject.tolist(), self.layout.templates.labels[column], strict=True):
            values[subject][str(value)] = None
        return ["/".join(own) for own in values]


def checked(tally: Tally, thresholds: Sequence[float]) -> None:
    """Refuses more errors than memory is meant to hold, before they are looked for.

    Raises
    ------
    InputError : more than 5,000,000 false matches at the lowest threshold, or false non-matches at the highest.
    """
    if not thresholds:
        return
    matches = tally.pick(mated=False).at_or_above(tally.edge(min(thresholds)))
    for n, what, threshold, way in (
        (matches, "false matches", min(thresholds), "higher"),
        (_misses(tally, max(thresholds)), "false non-matches", max(thresholds), "lower"),
    ):
        if n > MAX_ERRORS:
            raise InputError(
                f"--per-subject: {n:,} {what} at threshold {threshold:.9g}, expected at most {MAX_ERRORS:,}; report at "
                f"{way} thresholds only, or leave --per-subject out"
            )


def _misses(tally: Tally, threshold: float) -> int:
    mated = tally.pick(mated=True)
    return mated.trials - mated.unscored - mated.at_or_above(tally.edge(threshold))


def per_subject(
    counter: AllPairs | Pairs,
    layout: Layout,
    tally: Tally,
    thresholds: Sequence[float],
    advance: Advance = lambda _: None,
) -> PerSubject:
    """The errors behind `tally`, a complete tally of `counter`, at `thresholds`, edges of it.

    advance : told the comparisons passed.

    Raises
    ------
    InputError : more errors than can be kept, see `checked`. Conservation : not as many errors as were counted.
    """
    checked(tally, thresholds)
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
    if not thresholds:
        return PerSubject(counter, layout, (), nothing, nothing)
    hits = counter.reaching(tally, min(thresholds), advance)
    parts = [nothing]
    for one, other, found in counter.mated_scores():
        scores = found.astype(np.float64)
        is_miss = scores < max(thresholds)
        parts.append((one[is_miss], other[is_miss], scores[is_miss]))
    a, b, missed = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(a) != (expected := _misses(tally, max(thresholds))):
        raise Conservation(f"{len(a)} false non-matches were found, the counts say {expected}; do not use these")
    matches = hits.a, hits.b, hits.score.astype(np.float64)
    return PerSubject(counter, layout, tuple(sorted(thresholds)), matches, (a, b, missed))
