"""Reads a 1:N tally in the two ways in which such a system is used, as NIST reports them, and the CMC.

Identification: a threshold limits FPIR, and decisions are mostly automatic. Investigation: there is no threshold, a
person reviews a list of fixed length, and every non-mated search returns one.
"""

from __future__ import annotations

from dataclasses import dataclass

from frbench.estimate import Estimate, undefined
from frbench.plan import EVERYBODY, Group
from frbench.reading import metrics
from frbench.reading.thresholds import Target, Threshold, at_fpir
from frbench.tally import Tally

NIST_FPIR = "0.003"


@dataclass(frozen=True)
class Mode:
    """FNIR(N, R, T) of one way to use a system.

    gallery : N, templates enrolled. list_length : L, candidates returned. rank : R, candidates that are looked at.
    threshold : where T came from; None if there is none. fpir : at T; None without a threshold.
    note : what follows from the mode itself, or "".
    """

    name: str
    gallery: int
    list_length: int
    rank: int
    threshold: Threshold | None
    fpir: Estimate | None
    fnir: Estimate
    note: str = ""


@dataclass(frozen=True)
class Cmc:
    """Cumulative match characteristic: hits by rank, in a gallery of N templates of so many subjects.

    hits : for each of `ranks`, mated searches with the mate at or above it / mated searches.
    """

    gallery: int
    gallery_subjects: int
    ranks: tuple[int, ...]
    hits: tuple[Estimate, ...]


def identification(tally: Tally, fpir: Target = NIST_FPIR, *, group: Group = EVERYBODY) -> Mode:
    """FNIR(N, L, T) with T set so that FPIR(N, T) of everybody does not exceed `fpir`.

    Parameters
    ----------
    group : whose rates; T is set on all non-mated searches and then frozen.

    Raises
    ------
    InputError : the tally was not counted at rank L, the length of the lists.

    Source: NIST FRVT 1:N, identification performance: the threshold limits FPIR to 0.003.
    """
    rank = int(tally.plan.details["k"])
    found = at_fpir(tally, fpir)
    threshold = found.point.threshold
    positive = miss = undefined(found.point.reason)
    if threshold is not None:
        positive = metrics.fpir(tally, threshold, group=group)
        miss = metrics.fnir(tally, threshold, rank=rank, group=group)
    return Mode("identification", int(tally.plan.details["gallery"]), rank, rank, found, positive, miss)


def investigation(tally: Tally, *, rank: int = 1, group: Group = EVERYBODY) -> Mode:
    """FNIR(N, R, -inf): the mate is not within the top `rank` of a list without a threshold.

    Raises
    ------
    InputError : the tally was not counted at this rank.

    Source: NIST FRVT 1:N, investigation performance: threshold zero, a fixed number of candidates, rank 1.
    """
    details = tally.plan.details
    fnir = metrics.fnir(tally, None, rank=rank, group=group)
    note = (
        f"FPIR = 100% by construction: without a threshold every search returns {details['k']} candidates, and a "
        "reviewer must reject all of them when the person is not enrolled"
    )
    return Mode("investigation", int(details["gallery"]), int(details["k"]), rank, None, None, fnir, note)


def cmc(tally: Tally, *, group: Group = EVERYBODY) -> Cmc:
    """Share of mated searches whose mate is within each rank that was counted, with the N it belongs to.

    CMC(k) = 1 - FNIR(N, k, -inf). Closed set: non-mated searches are not in it, failed templates are misses, and ties
    count against the mate.

    Source: ISO/IEC 19795-1, cumulative match characteristic; Bolle et al. (2005), AutoID, for its dependence on N.
    """
    details = tally.plan.details
    ranks = tuple(int(rank) for rank in details["ranks"])
    hits = (metrics.tpir(tally, None, rank=rank, group=group) for rank in ranks)
    return Cmc(int(details["gallery"]), int(details["gallery_subjects"]), ranks, tuple(hits))
