"""Makes Candidates of the rows of a candidate log, with the exact rank of every mate.

Rows are kept on disk, in nameless files: the search and the enrolled template (int32) and the score (float64). What
stays in memory grows with the number of searches and the length of the lists that are kept.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import Candidates
from frbench.choices import DEFAULT_K
from frbench.counting.identify import DEFAULT_RANKS, Identification
from frbench.counting.recorded.candidate_log import CandidateFile, Listed, Protocol
from frbench.counting.recorded.people import without_vectors
from frbench.counting.recorded.recorded_file import Named
from frbench.counting.recorded.repeats import Repeats, mixed
from frbench.counting.recorded.spool import Spool
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Bools, Floats, Ints, Ints32
from frbench.inputs.tables import Texts, texts
from frbench.plan import digest_of
from frbench.templates import Source, Templates

# The score of a search that succeeded and found nobody: below every threshold, but a score.
NOBODY = -float(np.finfo(np.float64).max)
# Standard errors beyond 1/2 that the mean place of mates must lie for scores to be taken for distances.
CLEARLY = 5


@dataclass(frozen=True, eq=False)
class SearchLog:
    """Recorded searches, ready to be counted.

    Parameters
    ----------
    length : candidates of the longest list.
    is_whole : whether lists hold every comparison, so that each rank is known.
    n_rows : of the file.
    range : lowest and highest score, NaN if there is none.
    notes : what a reader should know.
    """

    candidates: Candidates
    protocol: Protocol
    length: int
    is_whole: bool
    n_rows: int
    range: tuple[float, float]
    notes: tuple[str, ...]

    def task(self, columns: tuple[str, ...], ranks: tuple[int, ...], n_blocks: int) -> Identification:
        """The searches as those of an identification.

        ranks : at which misses are counted; () takes the usual ones that are known.

        Raises
        ------
        InputError : a rank beyond the end of the lists, or a label column that does not exist.
        """
        known = max(1, self.length)
        if beyond := [rank for rank in ranks if rank > known]:
            raise InputError(
                f"--ranks has {beyond[0]}, but the lists hold at most {known} candidates: what comes after is not known"
            )
        self.protocol.probes.require_labels(columns)
        usual = tuple(rank for rank in DEFAULT_RANKS if rank <= known)
        gallery, probes = self.protocol.gallery, self.protocol.probes
        return Identification(gallery, probes, columns, k=self.candidates.k, ranks=ranks or usual, n_blocks=n_blocks)


def read(
    log: CandidateFile,
    protocol: Protocol | None,
    directory: Path,
    *,
    people: Templates | None = None,
    k: int | None = None,
    is_similarity: bool = False,
    advance: Advance = lambda _: None,
) -> SearchLog:
    """The searches of `log`.

    Parameters
    ----------
    protocol : who is enrolled and who searches; None if the log says so itself.
    directory : where rows are kept meanwhile.
    people : labels by subject, where there is no protocol.
    k : candidates kept of each search; None keeps lists as they are, and 50 of whole ones.
    is_similarity : the user says that higher scores are more alike, whatever they look like.
    advance : told the rows read.

    Raises
    ------
    InputError : a row that occurs twice or names somebody unknown, or scores that are distances; the message names
        the line.
    """
    if log.is_whole != (protocol is None):
        names = "--enrolled and --searches"
        needs = "says itself who is enrolled" if log.is_whole else "does not say whose searches and templates these are"
        raise InputError(f"format {log.format} {needs}: {'leave' if log.is_whole else 'give'} {names}")
    with ExitStack() as stack:
        rows = Spool(directory, stack, np.int32, np.int32, np.float64)
        reader = _Reader(log, protocol, rows, Repeats(directory, stack))
        reader.read(advance)
        found = reader.protocol(people)
        return _Ranking(log, found, reader, rows).log(k, is_similarity=is_similarity)


class _Names:
    """Numbers of ids, and the subject of each; closed to new ones if they are given."""

    def __init__(self, known: Templates | None) -> None:
        self.is_closed = known is not None
        self.number: dict[str, int] = {} if known is None else {name: i for i, name in enumerate(known.template_ids)}
        self.subject: list[str] = []

    def __len__(self) -> int:
        return len(self.number)

    def numbers(self, ids: Texts) -> Ints32:
        """(n,) number of each id, -1 for one that is not known."""
        of = self.number
        if self.is_closed:
            return np.fromiter((of.get(name, -1) for name in ids), np.int32, len(ids))
        return np.fromiter((of.setdefault(name, len(of)) for name in ids), np.int32, len(ids))

    def join(self, ids: Named, subjects: Named) -> int:
        """Takes note of the subject of each id; the first row that contradicts what is known, or -1."""
        numbers = self.numbers(ids.ids)
        self.subject += [""] * (len(self) - len(self.subject))
        pairs, rows = np.unique(ids.of_row.astype(np.int64) * len(subjects.ids) + subjects.of_row, return_index=True)
        for row, pair in sorted(zip(rows.tolist(), pairs.tolist(), strict=True)):
            number, subject = int(numbers[pair // len(subjects.ids)]), subjects.ids[pair % len(subjects.ids)]
            if self.subject[number] not in ("", subject):
                return int(row)
            self.subject[number] = subject
        return -1


class _Reader:
    """Reads a log once: numbers instead of ids, and which searches failed, were named or are misordered."""

    def __init__(self, log: CandidateFile, protocol: Protocol | None, rows: Spool, repeats: Repeats) -> None:
        self._log, self._protocol, self._rows, self._repeats = log, protocol, rows, repeats
        self.searches = _Names(protocol.probes if protocol else None)
        self.templates = _Names(protocol.gallery if protocol else None)
        self.n_rows = 0
        self.failed: set[int] = set()
        self.named: set[int] = set()
        self.steps, self.rising = 0, 0
        self.misordered: set[int] = set()
        self._last: tuple[int, int, float] = (-1, 0, 0.0)

    def read(self, advance: Advance) -> None:
        for part in self._log:
            self._add(part)
            self.n_rows += len(part.score)
            advance(len(part.score))
        again = self._repeats.found()
        if len(again):
            self._refuse_repeats(again)

    def protocol(self, people: Templates | None) -> Protocol:
        """Who is enrolled and who searches."""
        if self._protocol:
            return self._protocol
        return Protocol(_people_of(self.templates, None), _people_of(self.searches, people))

    def _add(self, part: Listed) -> None:
        search, template = self._numbers(part)
        self.failed |= set(np.unique(search[part.is_failed]).tolist())
        self.named |= set(np.unique(search).tolist())
        self._order_seen(search, part)
        kept = part.is_candidate
        self._rows.write(search[kept], template[kept], part.score[kept])
        self._repeats.add(_keys(search[kept], template[kept]))

    def _numbers(self, part: Listed) -> tuple[Ints32, Ints32]:
        for names, ids, subjects in (
            (self.searches, part.search, part.search_subject),
            (self.templates, part.template, part.template_subject),
        ):
            row = -1 if subjects is None else names.join(ids, subjects)
            if row >= 0:
                where = self._log.where(part.first + row)
                raise InputError(f"{where}: {ids.at(row)!r} is of another subject than before")
        search = self.searches.numbers(part.search.ids)[part.search.of_row]
        template = self.templates.numbers(part.template.ids)[part.template.of_row]
        for numbers, ids, what, file in (
            (search, part.search, "search", "--searches"),
            (np.where(part.is_candidate, template, 0), part.template, "template", "--enrolled"),
        ):
            if (numbers < 0).any():
                row = int((numbers < 0).argmax())
                where = self._log.where(part.first + row)
                raise InputError(f"{where}: {what} {ids.at(row)!r} is not in {file}; add it")
        return search, template

    def _order_seen(self, search: Ints32, part: Listed) -> None:
        """Compares recorded ranks with scores, candidate after candidate of one search."""
        if part.rank is None:
            return
        kept = part.is_candidate & ~np.isnan(part.score)
        if not kept.any():
            return
        whose = np.concatenate([[self._last[0]], search[kept]])
        rank = np.concatenate([[self._last[1]], part.rank[kept]])
        score = np.concatenate([[self._last[2]], part.score[kept]])
        same = whose[1:] == whose[:-1]
        wrong = same & (np.sign(np.diff(rank)) * np.sign(np.diff(score)) > 0)
        self.steps += int(same.sum())
        self.rising += int(wrong.sum())
        self.misordered |= set(whose[1:][wrong].tolist())
        self._last = (int(whose[-1]), int(rank[-1]), float(score[-1]))

    def _refuse_repeats(self, again: NDArray[np.uint64]) -> None:
        """Names a search that holds a template twice; keys are one to one, so that one of them is enough."""
        first: dict[tuple[int, int], str] = {}
        for part in self._log:
            search, template = self._numbers(part)
            for row in np.flatnonzero(part.is_candidate & (_keys(search, template) == again[0])).tolist():
                pair, where = (int(search[row]), int(template[row])), self._log.where(part.first + row)
                if pair in first:
                    raise InputError(
                        f"{first[pair]} and {where.rpartition(', ')[2]}: search {part.search.at(row)!r} holds "
                        f"{part.template.at(row)!r} twice, expected each candidate once"
                    )
                first[pair] = where


class _Ranking:
    """Makes candidates, ranks and notes of all rows together."""

    def __init__(self, log: CandidateFile, protocol: Protocol, reader: _Reader, rows: Spool) -> None:
        self._log, self._protocol, self._reader, self._rows = log, protocol, reader, rows
        self._m = len(protocol.probes)
        subjects = [np.asarray(side.subject_ids, dtype=object) for side in (protocol.gallery, protocol.probes)]
        number = np.unique(np.concatenate(subjects), return_inverse=True)[1]
        self._gallery_subject, self._probe_subject = np.split(number, [len(protocol.gallery)])
        self._is_mated = np.isin(self._probe_subject, self._gallery_subject)

    def log(self, k: int | None, *, is_similarity: bool) -> SearchLog:
        """The log of the searches, with `k` candidates of each."""
        m = self._m
        length, n_scored = np.zeros(m, np.int64), np.zeros(m, np.int64)
        mate, has_mate = np.full(m, -np.inf), np.zeros(m, dtype=bool)
        low, high = np.float64(np.inf), np.float64(-np.inf)
        for search, template, score in self._rows.parts():
            ok = ~np.isnan(score)
            length += np.bincount(search, minlength=m)
            n_scored += np.bincount(search[ok], minlength=m)
            is_mate = self._is_mate(search, template)
            has_mate[search[is_mate]] = True
            np.maximum.at(mate, search[is_mate & ok], score[is_mate & ok])
            low, high = score[ok].min(initial=low), score[ok].max(initial=high)
        failed = self._failed(length, n_scored)
        if self._log.is_whole:
            self._refuse_missing_mates(has_mate)
        longest = int(length.max(initial=0))
        kept = max(1, min(longest, DEFAULT_K if self._log.is_whole else longest) if k is None else min(k, longest))
        above, (scores, rows) = self._above(mate), self._best(kept)
        if not is_similarity:
            self._refuse_distances(above, n_scored, has_mate & ~failed & np.isfinite(mate))
        mate_score, above_mate = self._mates(mate, above, has_mate, failed, longest)
        scores[failed], rows[failed] = -np.inf, -1
        scores[~failed & (n_scored == 0), 0] = NOBODY
        n = len(self._protocol.gallery)
        digest = digest_of(self._protocol.gallery.digest, self._protocol.probes.digest, scores, rows)
        every = np.arange(m, dtype=np.int64)
        found = Candidates(digest, frozenset({(0, n)}), every, scores, rows, mate_score, above_mate)
        return SearchLog(
            found,
            self._protocol,
            longest,
            self._log.is_whole,
            self._reader.n_rows,
            (float(low), float(high)) if low <= high else (np.nan, np.nan),
            self._notes(length, failed),
        )

    def _is_mate(self, search: Ints32, template: Ints32) -> Bools:
        return np.asarray(np.equal(self._gallery_subject[template], self._probe_subject[search]))

    def _failed(self, length: Ints, n_scored: Ints) -> Bools:
        """(m,) searches that failed: by return code, without a row, or with nan for every score."""
        is_named = np.zeros(self._m, dtype=bool)
        is_named[list(self._reader.named)] = True
        failed: Bools = ~is_named | ((length > 0) & (n_scored == 0))
        failed[list(self._reader.failed)] = True
        return failed

    def _above(self, mate: Floats) -> Ints:
        """(m,) non-mates at or above the mate's score."""
        above = np.zeros(self._m, np.int64)
        for search, template, score in self._rows.parts():
            over = (score >= mate[search]) & ~self._is_mate(search, template)
            above += np.bincount(search[over], minlength=self._m)
        return above

    def _best(self, k: int) -> tuple[Floats, Ints]:
        """(m, k) scores and templates of the best candidates, best first, equal scores in the order of enrolment."""
        scores, rows = np.full((self._m, k), -np.inf), np.full((self._m, k), -1, dtype=np.int64)
        for search, template, score in self._rows.parts():
            better = np.flatnonzero(score >= scores[search, -1])
            touched, place = np.unique(search[better], return_inverse=True)
            old_rows, old_scores = rows[touched].ravel(), scores[touched].ravel()
            whose = np.concatenate([np.repeat(np.arange(len(touched)), k), place.ravel()])
            s = np.concatenate([old_scores, score[better]])
            r = np.concatenate([old_rows, template[better].astype(np.int64)])
            order = np.lexsort((np.where(r < 0, np.iinfo(np.int64).max, r), -s, whose))
            size = np.bincount(whose, minlength=len(touched))
            rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
            chosen = order[rank < k]
            scores[touched], rows[touched] = s[chosen].reshape(-1, k), r[chosen].reshape(-1, k)
        return scores, rows

    def _mates(self, mate: Floats, above: Ints, has_mate: Bools, failed: Bools, longest: int) -> tuple[Floats, Ints]:
        """(m,) score of each mate and the non-mates above it.

        A mate that failed has no score. One beyond the end of a list has one that no threshold and no known rank
        reaches.
        """
        is_beyond = self._is_mated & ~has_mate & ~failed
        score = np.where(failed | np.isinf(mate), np.nan, mate)
        score[is_beyond] = NOBODY
        above = np.where(np.isnan(score), 0, above)
        above[is_beyond] = max(1, longest)
        return score, above

    def _refuse_missing_mates(self, has_mate: Bools) -> None:
        lost = np.flatnonzero(self._is_mated & ~has_mate)
        if len(lost):
            probes = self._protocol.probes
            assert probes.subject_ids is not None
            raise InputError(
                f"{self._log.path}: search {probes.template_ids[lost[0]]!r} is of {probes.subject_ids[lost[0]]!r}, who "
                f"is enrolled, but no row compares them ({len(lost)} of {self._m} searches); expected every comparison"
            )

    def _refuse_distances(self, above: Ints, n_scored: Ints, has_mate: Bools) -> None:
        """Refuses lists whose scores rise with the rank, and whole ones whose mates stand mostly in the lower half."""
        log, reader = self._log, self._reader
        way = "without --distance" if log.is_distance else "with --distance"
        if reader.rising * 2 > reader.steps:
            raise InputError(
                f"{log.path}: scores rise with the recorded rank in {reader.rising:,} of {reader.steps:,} steps, as "
                f"distances do; run it again {way}, or with --similarity if this is a finding"
            )
        counted = has_mate & (n_scored > 1) & log.is_whole
        place = above[counted] / (n_scored[counted] - 1)
        if len(place) and place.mean() > 0.5 + CLEARLY / np.sqrt(12 * len(place)):
            raise InputError(
                f"{log.path}: mates stand behind {place.mean():.1%} of the others, as they do when distances are taken "
                f"for similarities or the reverse; run it again {way}, or with --similarity if this is a finding"
            )

    def _notes(self, length: Ints, failed: Bools) -> tuple[str, ...]:
        reader, notes = self._reader, []
        missing = self._m - len(reader.named)
        if missing:
            notes.append(f"{missing:,} of {self._m:,} searches have no row in the file and are counted as failed")
        if reader.misordered:
            notes.append(
                f"in {len(reader.misordered):,} of {self._m:,} searches the recorded ranks contradict the scores; the "
                "scores are counted"
            )
        ok = length[~failed]
        if len(ok) and ok.min() != ok.max():
            notes.append(f"lists hold {int(ok.min()):,} to {int(ok.max()):,} candidates")
        return tuple(notes)


def _keys(search: Ints32, template: Ints32) -> NDArray[np.uint64]:
    """(n,) key of each search and template, one to one."""
    return mixed((search.astype(np.uint64) << np.uint64(32)) | template.astype(np.uint32).astype(np.uint64))


def _people_of(names: _Names, people: Templates | None) -> Templates:
    """Searches or templates that a log itself names, with the labels of their subjects."""
    subjects = texts(names.subject)
    labels: dict[str, Texts] = {}
    sources: tuple[Source, ...] = ()
    if people is not None:
        row = {name: i for i, name in enumerate(people.template_ids)}
        unknown = [name for name in names.subject if name not in row]
        if unknown:
            raise InputError(f"subject {unknown[0]!r} has no row in --labels ({len(unknown)} have none); add them")
        rows = np.array([row[name] for name in names.subject], dtype=np.int64)
        labels = {column: values[rows] for column, values in people.labels.items()}
        sources = people.sources
    return without_vectors(texts(list(names.number)), subjects, labels, sources=sources)
