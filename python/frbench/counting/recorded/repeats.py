"""Finds keys that occur twice among more keys than memory holds.

Keys are 64-bit hashes in 64 nameless files, by their highest bits; each file is sorted on its own. A key that occurs
twice is always found. Two things of one key are found too, and the caller looks at the things themselves: among 10^8
of them that happens with a probability of 3e-4 (n^2 / 2^65).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench.counting.recorded.spool import Spool
from frbench.inputs.tables import Texts

Keys = NDArray[np.uint64]
BUCKET_BITS = 6
POSITIONS = 256
SEED = 20260101
TABLE: Keys = np.random.default_rng(SEED).integers(0, 1 << 64, (POSITIONS, 256), dtype=np.uint64)


class Repeats:
    """Keys that have been added, on disk in `directory` until `stack` is closed."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._buckets = [Spool(directory, stack, np.uint64) for _ in range(1 << BUCKET_BITS)]

    def add(self, keys: Keys) -> None:
        """Adds keys."""
        bucket = (keys >> np.uint64(64 - BUCKET_BITS)).astype(np.uint8)
        ordered = keys[np.argsort(bucket, kind="stable")]
        ends = np.cumsum(np.bincount(bucket, minlength=len(self._buckets)))
        for spool, part in zip(self._buckets, np.split(ordered, ends[:-1]), strict=True):
            spool.write(part)

    def found(self) -> Keys:
        """The keys that were added more than once, increasing."""
        return np.concatenate([_twice(spool) for spool in self._buckets])


def _twice(spool: Spool) -> Keys:
    (keys,) = spool.all()
    keys.sort()
    return np.unique(keys[1:][keys[1:] == keys[:-1]])


def hashes(texts: Texts) -> Keys:
    """(n,) 64-bit hash of each text: the sum of one random number for every byte at its place, and a last mix.

    Source: simple tabulation hashing (Zobrist 1970), with addition in place of exclusive or.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    letters = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    starts = np.cumsum(lengths) - lengths
    place = np.arange(len(letters)) - np.repeat(starts, lengths)
    sums = np.zeros(len(letters) + 1, dtype=np.uint64)
    np.cumsum(TABLE[place % POSITIONS, letters], out=sums[1:])
    return mixed(sums[starts + lengths] - sums[starts] + lengths.astype(np.uint64))


def mixed(keys: Keys) -> Keys:
    """(n,) keys whose bits all depend on all bits of the given ones, one to one.

    Source: Steele, Lea & Flood (2014), the finaliser of SplitMix64.
    """
    x = keys + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
