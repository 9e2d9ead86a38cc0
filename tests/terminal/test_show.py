"""What the terminal tables say."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from frbench.terminal.show import show
from tests.page.test_page import identify, latency, verify

REGIONS = (("f", "n"), ("f", "s"), ("m", "n"), ("m", "s"))
TWO = [("sex",), ("region",)]


def printed(results: dict[str, Any]) -> str:
    """The tables as text, white space reduced."""
    out = io.StringIO()
    show(results, Console(file=out, width=200))
    return re.sub(r"[ \t]+", " ", out.getvalue())


def grouped(results: dict[str, Any]) -> dict[str, Any]:
    """Results of one grouping by sex with the same groups again as another column."""
    again = {
        part: [e | {"grouping": "region"} for e in results[part] if e["grouping"] == "sex"]
        for part in ("estimates", "groups", "ratios")
        if part in results
    }
    both = {part: [*results[part], *rows] for part, rows in again.items()}
    return results | both | {"groupings": ["sex", "region"]}


def test_groups_of_several_groupings_are_named_with_their_column():
    """Beside a region n, a sex n could not be told from it: in rates, pairs and ratios the column stands before."""
    text = printed(verify(REGIONS, groupings=TWO).results)

    for name in ("sex=f", "sex=f x m", "region=n", "region=n x s"):
        assert re.search(rf"^{name} \d", text, re.MULTILINE)
    assert re.search(r"^FMR within sex=\w / within sex=\w:", text, re.MULTILINE)
    assert re.search(r"^FMR within region=\w / within region=\w:", text, re.MULTILINE)
    assert re.search(r"^all \d", text, re.MULTILINE)


@pytest.mark.parametrize("make", [identify, latency])
def test_groups_of_several_groupings_are_named_in_searches(make: Any):
    """Identification and latency name the column in every table."""
    text = printed(grouped(make().results))

    assert re.search(r"^sex=f \d", text, re.MULTILINE)
    assert re.search(r"^region=f \d", text, re.MULTILINE)
    assert re.search(r"^overall \d", text, re.MULTILINE)


@pytest.mark.parametrize("make", [verify, identify, latency])
def test_groups_of_one_grouping_have_their_plain_names(make: Any):
    """With one grouping the column goes without saying."""
    text = printed(make().results)

    assert "sex=" not in text
    assert re.search(r"^f \d", text, re.MULTILINE)


def test_labels_are_text_and_no_markup():
    """A label in square brackets is printed as it is."""
    assert "[/red]" in printed(verify((("[/red]",), ("m",))).results)


def test_printed_threshold_makes_the_same_float32():
    """Nine digits tell a float32 from its neighbours."""
    exact = float(np.float32(0.9258040189743042))
    results = verify().results
    for e in (*results["estimates"], *results["ratios"]):
        e["threshold"] = exact
    found = re.search(r"^threshold (\S+)", printed(results | {"thresholds": [exact]}), re.MULTILINE)
    assert found
    assert float(np.float32(found[1])) == exact


def test_distinct_probes_stand_beside_the_batch():
    """Four probes in requests of 64 are noted; a group with enough is not."""
    text = printed(latency(batch=64, probes=(4, 700)).results)

    assert re.search(r"^group batch probes requests", text, re.MULTILINE)
    assert re.search(r"^f 64 4 60 ", text, re.MULTILINE)
    assert "f, batch 64: each batch repeats the group's 4 probes" in text
    assert "m, batch" not in text


def test_latency_of_an_earlier_release_is_printed():
    """Without numbers of probes there is no column of them."""
    results = latency().results
    for group in results["groups"]:
        group.pop("probes", None)

    assert re.search(r"^group batch requests", printed(results), re.MULTILINE)


def test_rates_of_a_list_without_labels_are_not_of_people():
    """Where subjects are not known, comparisons are mated or not, as the list says."""
    details = {"n_subjects": 800, "subjects_known": False}
    text = printed(verify((("",),), groupings=[], kind="pairs", details=details).results)

    assert "comparisons of non-mated pairs" in text
    assert "two people" not in text
    assert "comparisons of two people" in printed(verify().results)


def test_no_difference_is_never_printed_without_what_would_have_been_detected():
    """Every line that says so names the ratio; runs of older versions, which have none, are still printed."""
    results = verify().results
    lines = [line for line in printed(results).splitlines() if "no difference was detected" in line]
    contrast = {**results["contrasts"][0], "value": 1.2, "low": 0.8, "high": 1.8, "detectable": 1.63, "reason": ""}
    older = {k: v for k, v in results.items() if k not in ("contrasts", "highest")}
    older["ratios"] = [{k: v for k, v in contrast.items() if k != "detectable"}]

    assert all("would have been" in line for line in lines)
    assert "and one of 1.63 would have been with 80% power" in printed(results | {"contrasts": [contrast]})
    assert "and none would have been" in printed(results | {"contrasts": [contrast | {"detectable": None}]})
    assert "1.2 (95% interval 0.8 to 1.8; no difference was detected)" in printed(older)
