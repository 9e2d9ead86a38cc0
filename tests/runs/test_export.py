"""Export: every number of the results stands in a table, and kept pairs come back as bob files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from frbench.counting.recorded.score_files import Recorded
from frbench.errors import FormatError, InputError
from frbench.results.verify import verify_results
from frbench.runs.export import bob_lines, tables, write_tables, write_tail
from tests.worlds import worlds

WORLD = worlds.two_groups()


def run(directory: Path, results: dict[str, Any] | None = None) -> Path:
    """A run directory with results alone."""
    found = results or verify_results(
        WORLD.tally, thresholds=[0.5, 0.75], groupings=[("sex",)], points=[], failed="reject"
    )
    (directory / "results.json").write_text(json.dumps(found))
    return directory


def leaves(value: Any) -> list[Any]:
    """Every scalar of nested results."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def test_every_scalar_of_the_results_stands_in_a_table(tmp_path: Path):
    """None is lost on the way, whatever key it has."""
    found = json.loads((run(tmp_path) / "results.json").read_text())
    cells = [cell for rows in tables(found).values() for row in rows for cell in row.values()]

    for leaf in leaves(found):
        assert leaf in cells


def test_tables_are_tidy(tmp_path: Path):
    """Accepted comparisons by threshold are rows that repeat the words of their cell, and nothing else of it."""
    found = tables(json.loads((run(tmp_path) / "results.json").read_text()))

    assert found["cells_accepted"][2:4] == [
        {"grouping": "sex", "mated": False, "group_a": "f", "group_b": "m", "threshold": 0.5, "accepted": 5},
        {"grouping": "sex", "mated": False, "group_a": "f", "group_b": "m", "threshold": 0.75, "accepted": 0},
    ]
    assert found["cells"][1] == {
        "grouping": "sex", "mated": False, "group_a": "f", "group_b": "m", "trials": 12, "unscored": 3
    }  # fmt: skip
    assert len(found["run"]) == 1


def test_lists_by_rank_and_objects_within_rows_are_tables_of_their_own():
    """Misses by rank and threshold; quantiles of each group and batch."""
    results = {
        "thresholds": [0.5, 0.6],
        "groups": [{"group": "f", "n": 9, "misses": {"1": [3, 4], "10": [1, 2]}, "rank_hits": {"1": 8}}],
        "timings": [{"group": "f", "batch": 64, "quantiles": [{"q": 0.5, "value_ns": 7.0}], "mean": {"value": 1.5}}],
    }
    found = tables(results)

    assert found["groups"] == [{"group": "f", "n": 9}]
    assert found["groups_misses"] == [
        {"group": "f", "rank": rank, "threshold": t, "misses": k}
        for rank, t, k in ((1, 0.5, 3), (1, 0.6, 4), (10, 0.5, 1), (10, 0.6, 2))
    ]
    assert found["groups_rank_hits"] == [{"group": "f", "rank": 1, "rank_hits": 8}]
    assert found["timings"] == [{"group": "f", "batch": 64, "mean_value": 1.5}]
    assert found["timings_quantiles"] == [{"group": "f", "batch": 64, "q": 0.5, "value_ns": 7.0}]


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_written_tables_are_read_back(tmp_path: Path, to: str):
    """Undefined values are empty or null, floats keep every bit."""
    out = tmp_path / "tables"
    paths = write_tables(run(tmp_path), to, out)
    expected = tables(json.loads((tmp_path / "results.json").read_text()))

    assert sorted(path.name for path in paths) == sorted(f"{name}.{to}" for name in expected)
    for path in paths:
        rows = expected[path.stem]
        names = list(dict.fromkeys(name for row in rows for name in row))
        if to == "parquet":
            assert pq.read_table(path).to_pylist() == [{name: row.get(name) for name in names} for row in rows]
        else:
            with path.open(newline="") as file:
                for row, text in zip(rows, csv.DictReader(file), strict=True):
                    assert [as_text(row.get(name), text[name]) for name in names] == list(text.values())


def as_text(value: Any, text: str) -> str:
    """`text`, if it says `value`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return text if float(text) == value else f"{value!r}"
    return "" if value is None else str(value)


TAIL = (
    "group_a,group_b,rank,score,template_a,subject_a,template_b,subject_b\n"
    "all,all,1,0.9,t1,ann,t5,bea\nall,all,2,0.1,t2,ann,t5,bea\n"
)


@pytest.mark.parametrize("to", ["bob4", "bob5"])
def test_kept_pairs_come_back_as_a_bob_file(tmp_path: Path, to: str):
    """A kept score is a float32: its shortest text is that of another float64, so that all digits are written."""
    (tmp_path / "tail.csv").write_text(TAIL if to == "bob5" else TAIL.rpartition("all,all,2")[0])
    path = write_tail(run(tmp_path), to, tmp_path / "x")
    [part] = Recorded.open(str(path), to).files[0]

    assert part.score[0] == np.float32(0.9).astype(np.float64) != 0.9
    assert part.reference is not None
    assert part.reference.ids.tolist() == (["t1", "t2"] if to == "bob5" else ["ann"])


def test_lines_keep_every_bit_and_failures():
    """repr of a float64, and nan."""
    names = [worlds.text_array([letter] * 3) for letter in "cmrt"]

    assert list(bob_lines("bob4", *names, [0.1 + 0.2, math.nan, -1e-320])) == [
        "c r t 0.30000000000000004\n",
        "c r t nan\n",
        "c r t -1e-320\n",
    ]
    assert next(bob_lines("bob5", *names, [1.0] * 3)) == "c m r t 1.0\n"


def test_what_cannot_be_exported_is_refused(tmp_path: Path):
    """A blank separates columns; pairs without scores or subjects are no bob file; a run has results."""
    names = [worlds.text_array([text]) for text in ("c", "m", "r r", "t")]
    with pytest.raises(InputError, match="id 'r r' is empty or has a blank"):
        list(bob_lines("bob4", *names, [0.5]))
    with pytest.raises(InputError, match="count it with --keep-pairs"):
        write_tail(run(tmp_path), "bob4", tmp_path)
    (tmp_path / "tail.csv").write_text(TAIL.replace("bea", ""))
    with pytest.raises(InputError, match="names no subjects"):
        write_tail(tmp_path, "bob4", tmp_path)
    with pytest.raises(FormatError, match="not a file of a frbench run"):
        write_tables(tmp_path / "nowhere", "csv", tmp_path)
