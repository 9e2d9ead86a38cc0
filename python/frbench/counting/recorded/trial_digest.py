"""Digests which comparisons were read, in whatever order and from however many files they came."""

from __future__ import annotations

import numpy as np

from frbench.counting.recorded.repeats import Keys, hashes, mixed
from frbench.counting.recorded.score_files import Comparisons, ScoreFile
from frbench.plan import digest_of

WORD = (1 << 64) - 1
# Makes the reference side of a comparison another one than the probe side.
REFERENCE = np.uint64(0xD1B54A32D192ED03)


class TrialDigest:
    """Sums of the keys of all comparisons added so far and of their mixes, modulo 2^64, and how many they are.

    Two sets that differ have one digest with a probability of 2^-128, as far as keys are random; keys are hashes that
    nobody chose, and no protection against somebody who wants two files to look alike.
    """

    def __init__(self) -> None:
        self._sums = [0, 0]
        self._n = 0

    def add(self, keys: Keys) -> None:
        """Takes these comparisons in."""
        for i, each in enumerate((keys, mixed(keys))):
            self._sums[i] = (self._sums[i] + int(each.sum(dtype=np.uint64))) & WORD
        self._n += len(keys)

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the comparisons so far."""
        return digest_of(*(str(number) for number in (*self._sums, self._n)))


def keys_of(found: Comparisons, file: ScoreFile) -> Keys:
    """(n,) key of each comparison, the same in either order of its sides if they are alike."""
    assert found.probe is not None
    assert found.reference is not None
    side = np.uint64(0) if file.is_symmetric else REFERENCE
    probe = mixed(hashes(found.probe.ids))[found.probe.of_row]
    reference = mixed(hashes(found.reference.ids) ^ side)[found.reference.of_row]
    return mixed(probe + reference)


def keys_with_subjects(found: Comparisons, file: ScoreFile) -> Keys:
    """(n,) key of each comparison and of whose templates it compares, the same in either order as in `keys_of`."""
    sums = np.zeros(len(found), dtype=np.uint64)
    sides = (found.probe, found.probe_subject), (found.reference, found.reference_subject)
    for side, (template, subject) in zip((np.uint64(0), REFERENCE), sides, strict=True):
        assert template is not None
        assert subject is not None
        salt = np.uint64(0) if file.is_symmetric else side
        whose = mixed(hashes(subject.ids))[subject.of_row]
        sums += mixed((hashes(template.ids) ^ salt)[template.of_row] + whose)
    return mixed(sums)
