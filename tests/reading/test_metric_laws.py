"""What no metric may depend on: the order of templates, the names of groups, and the order in which tiles are added."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frbench.plan import Group
from frbench.reading import cllr, curves, metrics, thresholds
from frbench.tally import Tally
from tests.worlds import worlds
from tests.worlds.rates import fnmr_at_fmr

SEX = ("sex",)
Metric = Callable[..., Any]

METRICS: dict[str, Metric] = {
    "fmr": lambda tally, **options: metrics.fmr(tally, tally.plan.edges[0], **options),
    "fnmr": lambda tally, **options: metrics.fnmr(tally, tally.plan.edges[-1], **options),
    "fta": metrics.fta,
    "eer": curves.eer,
    "auc": curves.auc,
    "min_cllr": cllr.min_cllr,
    "at_fmr": lambda tally, **options: unnamed(thresholds.at_fmr(tally, "0.1", **options)),
    "fnmr_at_fmr": lambda tally, **options: fnmr_at_fmr(tally, "0.1", **options),
}


def unnamed(found: thresholds.Threshold) -> thresholds.Threshold:
    """The threshold without the sentence that names its population."""
    return dataclasses.replace(found, point=dataclasses.replace(found.point, population=""))


def all_of(tally: Tally, **options: Any) -> dict[str, Any]:
    """What every metric finds."""
    return {name: metric(tally, **options) for name, metric in METRICS.items()}


@given(world=worlds.random_worlds(max_n=25), seed=st.integers(0, 2**32 - 1))
@worlds.FEW
def test_the_order_of_templates_changes_nothing(world: worlds.World, seed: int):
    """Shuffled templates have the same values, intervals, counts and reasons."""
    order = np.random.default_rng(seed).permutation(len(world.templates))
    shuffled = dataclasses.replace(world, templates=world.templates.take(order))

    assert all_of(world.tally) == all_of(shuffled.tally)


@given(world=worlds.random_worlds(max_n=25))
@worlds.FEW
def test_the_names_of_groups_change_nothing(world: worlds.World):
    """Calling f z, and m a, moves what was found to the new names and nothing else."""
    world = dataclasses.replace(world, columns=SEX)
    new = {"f": "z", "m": "a", "": ""}
    labels = worlds.text_array([new[label] for label in world.templates.labels["sex"]])
    renamed = dataclasses.replace(world, templates=dataclasses.replace(world.templates, labels={"sex": labels}))
    for a, b in [("f", "f"), ("f", "m"), ("m", "m")]:
        before = all_of(world.tally, group=Group(SEX, (a, b)))
        assert before == all_of(renamed.tally, group=Group(SEX, (new[a], new[b])))


@given(world=worlds.random_worlds(max_n=20), random=st.randoms(use_true_random=False))
@worlds.FEW
def test_the_order_in_which_tiles_are_added_changes_nothing(world: worlds.World, random: Any):
    """Two halves of the tiles, counted apart and added in any order, have the metrics of the whole."""
    world = dataclasses.replace(world, n_blocks=min(world.n_blocks, 4))
    tiles = world.plan.tiles()
    random.shuffle(tiles)
    half = len(tiles) // 2
    parts = [
        sum((world.tile(*tile) for tile in some), start=Tally.zero(world.plan)) for some in (tiles[:half], tiles[half:])
    ]

    assert all_of(parts[1] + parts[0]) == all_of(world.tally)
