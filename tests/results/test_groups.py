"""What results.json says of groups: only with groups, of every grouping and threshold."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

import frbench
from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.operating_point import OperatingPoint
from frbench.results import groups
from tests.reading.groups.test_at_threshold import crowd
from tests.worlds import worlds

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
POINTS = [
    OperatingPoint("fmr=1e-2", "all non-mated pairs", 0.9, 9, 18),
    OperatingPoint("fmr=1e-2", "sex=f", None, 0, 3, "too few"),
]


def keys(**options) -> dict:
    """Keys of the crowd."""
    return groups.keys(crowd(), thresholds=[0.8, 0.9], points=POINTS, **options)


def test_without_groups_there_are_no_keys():
    """Results of a run without groups are what they were."""
    assert keys(groupings=[()]) == {}
    assert keys(groupings=[]) == {}


def test_every_grouping_and_threshold_has_its_differentials():
    """Two thresholds; the population that one of them was set on is named."""
    found = keys(groupings=[("sex",), ()])

    assert [(d["grouping"], d["threshold"], d["threshold_set_on"]) for d in found["differentials"]] == [
        ("sex", 0.8, []),
        ("sex", 0.9, ["all non-mated pairs"]),
    ]
    # One target of two points.
    assert [(g["grouping"], g["rate"]) for g in found["group_thresholds"]] == [("sex", "1e-2")]


def test_keys_follow_the_schema():
    """Of 1:1 and of 1:N."""
    found = keys(groupings=[("sex",)])
    people = worlds.templates([worlds.X, worlds.HALF, worlds.Y, worlds.HALF], list("abab"), sex=list("fmfm"))
    task = Identification(people.take([0, 1]), people.take([2, 3]), ("sex",), k=2, ranks=(1,), n_blocks=4)
    tally = count(task, task.plan(worlds.EDGES), search_all(task, ReferenceEngine()))
    searches = groups.keys(tally, thresholds=[0.5], groupings=[("sex",)], points=[])

    assert searches["group_thresholds"] == []
    for each in (found, searches):
        for name, rows in each.items():
            for row in rows:
                jsonschema.validate(row, {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})
