"""Puts the templates of two systems in one order, and picks the people on whom a fusion is fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.counting.layout import subjects_of
from frbench.errors import InputError, NotComparable
from frbench.inputs.arrays import Bools, Ints
from frbench.templates import Templates

SALT = "frbench.calibration"


@dataclass(frozen=True, eq=False)
class Twins:
    """Templates of two systems: row i of both is of the same image."""

    a: Templates
    b: Templates

    def __len__(self) -> int:
        return len(self.a)

    @classmethod
    def of(cls, a: Templates, b: Templates, columns: Sequence[str]) -> Twins:
        """`a` and `b`, rows of `b` put in the order of `a` by template id.

        Raises
        ------
        NotComparable : other template ids, subjects, or labels in `columns`; the message names the first difference.
        InputError : subjects are not known.
        """
        row = {name: i for i, name in enumerate(b.template_ids)}
        if missing := [name for name in a.template_ids if name not in row]:
            raise NotComparable(
                f"A and B have other template ids: {missing[0]!r}, among {len(missing):,} of A, is not in B; "
                "only templates of the same images can be fused"
            )
        if len(b) > len(a):
            known = set(a.template_ids)
            other = next(name for name in b.template_ids if name not in known)
            raise NotComparable(f"A and B have other template ids: {other!r} of B is not in A")
        same = b.take([row[name] for name in a.template_ids])
        _refuse_others("subjects", subjects_of(a), subjects_of(same), a)
        for column in columns:
            _refuse_others(f"labels {column}", a.labels[column], same.labels[column], a)
        return cls(a, same)

    def split(self, share: float) -> tuple[Twins, Twins]:
        """Those of about `share` of the subjects, to fit on, and those of all others, to count.

        A hash of the subject decides, so that a subject is on the same side in every run.
        """
        is_fitted_on = drawn(subjects_of(self.a), share)
        return self.take(np.flatnonzero(is_fitted_on)), self.take(np.flatnonzero(~is_fitted_on))

    def take(self, rows: Ints) -> Twins:
        """Those rows."""
        return Twins(self.a.take(rows), self.b.take(rows))


def drawn(subjects: NDArray[np.object_], share: float) -> Bools:
    """(n,) whether a hash of each subject falls into the first `share` of all hashes.

    Raises
    ------
    InputError : a share that is not above 0 and below 1.
    """
    if not 0 < share < 1:
        raise InputError(f"--calibration-share is {share}, expected above 0 and below 1")
    names, inverse = np.unique(subjects, return_inverse=True)
    hashes = (hashlib.blake2b(f"{SALT}\0{name}".encode(), digest_size=8).digest() for name in names)
    limit = int(share * 2**64)
    taken = np.array([int.from_bytes(h, "little") < limit for h in hashes], dtype=bool)
    return np.asarray(taken[inverse])


def _refuse_others(what: str, of_a: NDArray[np.object_], of_b: NDArray[np.object_], a: Templates) -> None:
    other = of_a != of_b
    if other.any():
        row = int(other.argmax())
        raise NotComparable(
            f"A and B have other {what}: template {a.template_ids[row]!r} has {of_a[row]!r} in A and {of_b[row]!r} in B"
        )
