"""Digests that say whose trials a plan counts, apart from what a matcher made of them.

Digests of ids and labels, never of vectors: templates that two matchers made of the same images have one population,
in whatever order their files hold them, and their tallies can be compared trial by trial.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from frbench.inputs.arrays import Bools, Ints
from frbench.inputs.texts import Texts, lists, order_of
from frbench.plan import digest_of

Population = dict[str, str]


def of_templates(
    template_ids: Texts, subject_ids: Texts, columns: Sequence[str], groups: Sequence[tuple[str, ...]], group: Ints
) -> Population:
    """Digests of the ids, the subjects and the labels of templates, by the order of their ids.

    Parameters
    ----------
    template_ids, subject_ids : (n,) str.
    groups : label values of `columns`.
    group : (n,) number of each one's group.
    """
    order = order_of(template_ids)
    used, number = np.unique(group[order], return_inverse=True)
    return {
        "templates": _of_texts(template_ids, order),
        "subjects": _of_texts(subject_ids, order),
        "labels": digest_of(json.dumps([columns, [groups[g] for g in used]]), number.astype(np.int64)),
    }


def of_gallery(template_ids: Texts, subject_ids: Texts) -> Population:
    """Digest of who is enrolled, with which templates."""
    order = order_of(template_ids)
    return {"gallery": digest_of(_of_texts(template_ids, order), _of_texts(subject_ids, order))}


def of_pairs(template_ids: Texts, a: Ints, b: Ints, mated: Bools) -> Population:
    """Digest of which pairs of `template_ids` (n,) are compared, in either order, and which of them are mated.

    a, b : (m,) rows of both sides; mated is (m,).
    """
    keys = _keys(template_ids, a, b)
    order = np.argsort(keys)
    return {"pairs": digest_of(keys[order], mated[order])}


def of_excluded(template_ids: Texts, a: Ints, b: Ints) -> Population:
    """Digest of which pairs of `template_ids` (n,) are left out, in either order; a, b : (m,) rows of both sides."""
    return {"excluded": digest_of(np.sort(_keys(template_ids, a, b)))}


def pair_keys(a: Ints, b: Ints, n: int) -> Ints:
    """(m,) one number for each pair of `n` rows, the same in either order of its rows."""
    return np.minimum(a, b) * n + np.maximum(a, b)


def _keys(template_ids: Texts, a: Ints, b: Ints) -> Ints:
    """(m,) one number for each pair, the same for any order of the templates."""
    place = np.empty(len(template_ids), dtype=np.int64)
    place[order_of(template_ids)] = np.arange(len(template_ids))
    return pair_keys(place[a], place[b], len(template_ids))


def _of_texts(values: Texts, order: Ints) -> str:
    """Digest of the texts at `order`, as the JSON of their list."""
    return digest_of(f"[{', '.join(json.dumps(part)[1:-1] for part in lists(values, order))}]")
