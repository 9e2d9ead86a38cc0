"""Rereading: a tally alone says what the run that counted it said."""

from __future__ import annotations

from pathlib import Path

import pytest

from frbench import files
from frbench.counting.calibrate import Target
from frbench.errors import EdgeNotInPlan, InputError
from frbench.page import render
from frbench.results.verify import verify_results
from frbench.runs.reread import read_tally
from tests.page.test_page import identify, latency, verify
from tests.worlds.worlds import two_groups


def kept(tally, directory: Path) -> Path:
    """The file of a tally."""
    files.save_tally(tally, directory / "tally.safetensors")
    return directory / "tally.safetensors"


def test_a_tally_says_what_its_run_said(tmp_path: Path):
    """The same thresholds and groups give the same results."""
    tally = two_groups().tally
    expected = verify_results(tally, thresholds=[0.5], groupings=[("sex",)], points=[], failed="reject")

    assert expected == read_tally(kept(tally, tmp_path), groupings=[("sex",)], thresholds=[0.5]).results


def test_groups_are_those_that_were_counted_unless_chosen(tmp_path: Path):
    """All columns together, or a part of them."""
    path = kept(verify((("f", "n"), ("m", "n"))).tally, tmp_path)

    assert ["sex,region"] == read_tally(path, groupings=(), thresholds=[0.5]).results["groupings"]
    assert ["sex"] == read_tally(path, groupings=[("sex",)], thresholds=[0.5]).results["groupings"]
    with pytest.raises(InputError, match="was not counted by 'age', only by sex, region"):
        read_tally(path, groupings=[("age",)], thresholds=[0.5])


def test_a_threshold_at_a_rate_is_an_edge_that_does_not_exceed_it(tmp_path: Path):
    """Of 13 non-mated comparisons 3 are failed, 6 at .5, 1 at 1 and 4 at 0 lie on the axis; one in ten allows one."""
    path = kept(two_groups().tally, tmp_path)
    tally = files.load_tally(path)
    found = read_tally(path, groupings=(), targets=[Target("fmr", "0.1")]).results["operating_points"][0]

    n = tally.pick(mated=False).trials
    assert found["n"] == n
    assert found["k"] <= 0.1 * n
    edge = tally.plan.edges.index(found["threshold"])
    assert tally.pick(mated=False).at_or_above(edge) == found["k"]
    assert edge == 0 or tally.pick(mated=False).at_or_above(edge - 1) > 0.1 * n


def test_searches_are_read_too(tmp_path: Path):
    """FPIR on all non-mated searches, and a page."""
    section = read_tally(kept(identify().tally, tmp_path), groupings=(), targets=[Target("fpir", "0.05")])

    assert "all non-mated searches" == section.results["operating_points"][0]["population"]
    assert "FPIR" in render([section], title="t")


def test_what_a_tally_cannot_say_is_refused(tmp_path: Path):
    """Times, rates of the other kind, and thresholds between edges."""
    with pytest.raises(InputError, match="counts latency"):
        read_tally(kept(latency().tally, tmp_path), groupings=())
    path = kept(two_groups().tally, tmp_path)
    with pytest.raises(InputError, match=r"expected fmr=0\.1"):
        read_tally(path, groupings=(), targets=[Target("fpir", "0.1")])
    with pytest.raises(EdgeNotInPlan):
        read_tally(path, groupings=(), thresholds=[0.3])
