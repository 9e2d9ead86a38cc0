"""A planted world: a group 50 times larger than another, a tight cluster, and a group that is enrolled last.

Every group finds its mates without fail in an exact search. A graph does not lead everybody there alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frbench.counting.identify import Identification
from frbench.templates import Templates
from tests.worlds import worlds

SIZES = {"large": 2500, "tight": 250, "late": 50}
# Templates of a group about its centre, and probes about their mates, in units of the length of a template.
SPREAD = {"large": 1.0, "tight": 0.4, "late": 1.0}
PROBES = {"large": 700, "tight": 250, "late": 250}
D = 128


def planted(seed: int = 1, *, k: int = 10) -> Identification:
    """Rows in the order of SIZES, the group "late" last; 240 probes of nobody enrolled."""
    random = np.random.default_rng(seed)
    gallery, probes, subjects, groups = [], [], [], []
    for name, n in SIZES.items():
        centre = _unit(_noise(random, 1))
        rows = _unit(centre + SPREAD[name] * _noise(random, n))
        mates = np.arange(PROBES[name]) % n if PROBES[name] > n else np.arange(PROBES[name]) * n // PROBES[name]
        gallery.append(rows)
        probes.append(_unit(rows[mates] + SPREAD[name] * _noise(random, len(mates))))
        subjects += [f"{name}{i}" for i in mates]
        groups += [name] * len(mates)
    strangers = _unit(_noise(random, 240))
    names = [f"{name}{i}" for name, n in SIZES.items() for i in range(n)]
    return Identification(
        worlds.templates(np.concatenate(gallery), names, group=[name for name, n in SIZES.items() for _ in range(n)]),
        worlds.templates(
            np.concatenate([*probes, strangers]),
            [*subjects, *(f"nobody{i}" for i in range(240))],
            group=[*groups, *(("large", "tight", "late")[i % 3] for i in range(240))],
        ),
        ("group",),
        k=k,
        ranks=(1,),
    )


def exchanged(task: Identification, seed: int) -> Identification:
    """The same vectors and people, whose labels were dealt anew: groups of the same sizes that mean nothing."""
    assert task.gallery.subject_ids is not None
    assert task.probes.subject_ids is not None
    subjects = sorted({*task.gallery.subject_ids, *task.probes.subject_ids})
    own = dict(zip(task.gallery.subject_ids, task.gallery.labels["group"], strict=True))
    own |= dict(zip(task.probes.subject_ids, task.probes.labels["group"], strict=True))
    dealt = dict(zip(subjects, np.random.default_rng(seed).permutation([own[s] for s in subjects]), strict=True))
    return Identification(
        _relabelled(task.gallery, dealt), _relabelled(task.probes, dealt), task.columns, k=task.k, ranks=task.ranks
    )


def _relabelled(found: Templates, dealt: dict[str, str]) -> Templates:
    assert found.subject_ids is not None
    return worlds.templates(found.unit, list(found.subject_ids), group=[str(dealt[s]) for s in found.subject_ids])


def _noise(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    return random.normal(size=(n, D)) / np.sqrt(D)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
