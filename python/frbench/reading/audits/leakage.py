"""Finds what in the input would make a result better or worse than the system, before anybody believes it.

Nothing is mended here: each finding is a sentence, a count and a few examples, for a person to look at.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench.inputs.tables import open_table
from frbench.inputs.texts import lists, numbered
from frbench.tally import Tally
from frbench.templates import Templates

EXAMPLES = 3
FEW = 0.01
MIN_MATED = 30
TURNED, APART = 0.4, 0.6


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at.

    kind : a stable word for programs. count : how many of `of` are concerned.
    examples : ids of some of them, "..." for others.
    """

    kind: str
    sentence: str
    count: int
    of: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.sentence}: {', '.join(self.examples)}" if self.examples else self.sentence


def in_comparisons(templates: Templates) -> list[Finding]:
    """Rows that are identical, bit for bit, to a row of another or of the same subject.

    A row twice under two subjects is a false match that no threshold can reject; twice under one, a mated comparison
    that cannot fail.
    """
    subjects = templates.template_ids if templates.subject_ids is None else templates.subject_ids
    across: list[list[int]] = []
    within: list[list[int]] = []
    for rows in _equal_rows([templates]):
        whose = {subjects[row] for row in rows}
        (across if len(whose) > 1 else within).append(rows)
    ids, n = templates.template_ids, len(templates)
    return [
        *_finding("duplicate-across-subjects", across, n, ids, "identical to a row of another subject"),
        *_finding("duplicate-within-subject", within, n, ids, "identical to another row of the same subject"),
    ]


def in_searches(gallery: Templates, probes: Templates) -> list[Finding]:
    """Probes that are enrolled themselves: rows identical to one of the gallery, and ids that are in both.

    Ids that number the rows of a file name no image, and are not compared.
    """
    n = len(gallery)
    same: list[list[int]] = []
    other: list[list[int]] = []
    for rows in _equal_rows([gallery, probes]):
        enrolled, searched = [r for r in rows if r < n], [r - n for r in rows if r >= n]
        if enrolled and gallery.subject_ids is not None and probes.subject_ids is not None:
            whose = {gallery.subject_ids[r] for r in enrolled}
            for row in searched:
                (same if whose == {probes.subject_ids[row]} else other).append([row])
    ids, m = probes.template_ids, len(probes)
    twice: list[list[int]] = []
    if not (_are_numbers(gallery) or _are_numbers(probes)):
        _, probe = numbered(gallery.template_ids, {name: row for row, name in enumerate(ids)})
        twice = [[row] for row in np.sort(probe).tolist()]
    return [
        *_finding("probe-in-gallery", same, m, ids, "identical to a row of the gallery, of the same subject", "probe"),
        *_finding("probe-of-another", other, m, ids, "identical to a row of the gallery, of another subject", "probe"),
        *_finding("id-in-gallery", twice, m, ids, "of the same id as a row of the gallery", "probe"),
    ]


def trained(templates: Templates, subjects: frozenset[str], source: str) -> list[Finding]:
    """Subjects that a matcher was trained on, as `source` lists them: their errors are too few."""
    if templates.subject_ids is None:
        return []
    tested = set(templates.subject_ids)
    both = sorted(tested & subjects)
    if not both:
        return []
    sentence = f"{len(both):,} of {len(tested):,} subjects are among the training subjects of {source}"
    return [Finding("trained", sentence, len(both), len(tested), _first(both))]


def read_subjects(path: Path) -> frozenset[str]:
    """The subject ids of a CSV, Parquet or Arrow file with a column subject_id.

    Raises
    ------
    InputError : it cannot be read or has no such column; the message names the file.
    """
    return frozenset(open_table(path).column("subject_id").tolist())


def lengths(templates: Templates) -> list[Finding]:
    """Rows of length one among others that are not: files of two pipelines, or rows that nobody normalised.

    Scores are cosines whatever the lengths; but what made one part perhaps did not make the other. Each part is at
    least 1% of the rows that were looked at: a length may be 1 by chance.
    """
    if templates.lengths is None:
        return []
    length = templates.lengths[np.isfinite(templates.lengths) & (templates.lengths > 0)]
    # Rounding each component moves a length of 1 by at most half an epsilon of its type.
    is_unit = np.abs(length - 1) <= max(1e-6, float(np.finfo(templates.sources[0].dtype).eps))
    n_unit = int(is_unit.sum())
    if not FEW * len(length) <= n_unit <= (1 - FEW) * len(length):
        return []
    others = length[~is_unit]
    sentence = (
        f"{n_unit:,} of {len(length):,} rows looked at have length 1 and the others {others.min():.3g} to "
        f"{others.max():.3g}; all are normalised, but were they made in the same way?"
    )
    return [Finding("mixed-lengths", sentence, len(others), len(length))]


def polarity(tally: Tally) -> list[Finding]:
    """Mated comparisons that score no higher than non-mated ones: distances read as scores, or labels out of step.

    The share of pairs of a mated and a non-mated score in which the mated one is higher, ties in a bin half, is 1 for
    a perfect matcher, 0.5 for one that knows nothing and 0 for its distances. Source: Mann & Whitney (1947).
    """
    mated, nonmated = (tally.pick(mated=m).bins[:-1].astype(np.float64) for m in (True, False))
    if mated.sum() < MIN_MATED or not nonmated.sum():
        return []
    below = nonmated.cumsum() - nonmated / 2
    share = float((mated * below).sum() / (mated.sum() * nonmated.sum()))
    if share > APART:
        return []
    n = int(mated.sum())
    if share < TURNED:
        what = "mated comparisons score lower than non-mated ones; are these distances?"
    else:
        what = "mated comparisons score no higher than non-mated ones; do the labels belong to these rows?"
    sentence = f"{what} (a mated score is the higher one in {share:.1%} of pairs)"
    return [Finding("polarity" if share < TURNED else "no-separation", sentence, n, n)]


def _finding(
    kind: str, groups: Sequence[Sequence[int]], n: int, ids: NDArray[np.object_], what: str, noun: str = "row"
) -> Iterator[Finding]:
    """A finding of the rows in `groups`, each of which is one example; none if there are no rows."""
    count = sum(len(rows) for rows in groups)
    if count:
        examples = _first([" = ".join(_first([str(ids[row]) for row in rows])) for rows in groups])
        is_or_are = "is" if count == 1 else "are"
        yield Finding(kind, f"{count:,} of {n:,} {noun}s {is_or_are} {what}", count, n, examples)


def _first(texts: Sequence[str]) -> tuple[str, ...]:
    return (*texts[:EXAMPLES], "...") if len(texts) > EXAMPLES else tuple(texts)


def _equal_rows(parts: Sequence[Templates]) -> list[list[int]]:
    """Groups of two or more rows, numbered through all parts, that are equal bit for bit; failed ones left out."""
    ends = np.cumsum([0, *(len(part) for part in parts)])
    key = np.concatenate([_heads(part.unit) for part in parts])
    scored = np.flatnonzero(~np.concatenate([part.failed for part in parts]))
    ordered = np.sort(key[scored])
    repeated = ordered[:-1][ordered[1:] == ordered[:-1]]
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row in scored[np.isin(key[scored], repeated)].tolist():
        number = int(np.searchsorted(ends, row, side="right")) - 1
        content = np.ascontiguousarray(parts[number].unit[row - ends[number]])
        groups[hashlib.blake2b(content.data, digest_size=16).digest()].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def _heads(unit: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(n,) a number from the first four components, which equal rows share and others hardly ever do."""
    head = np.zeros((len(unit), 4), dtype=np.float32)
    width = min(4, unit.shape[1])
    head[:, :width] = unit[:, :width]
    halves = head.view(np.uint64)
    return halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ halves[:, 1]


def _are_numbers(templates: Templates) -> bool:
    """Whether the ids are row numbers, which name no image."""
    return all(all(map(str.isdecimal, part)) for part in lists(templates.template_ids))
