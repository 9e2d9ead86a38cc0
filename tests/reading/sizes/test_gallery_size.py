"""Rates by gallery size, from the hand vector to the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given

import frbench
from frbench import cli
from frbench.counting import identify
from frbench.counting.gallery_hits import hits_of
from frbench.counting.identify import Identification, search_all
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.plan import EVERYBODY, Group
from frbench.reading import metrics
from frbench.reading.sizes.gallery_size import checked_sizes, gallery_sizes
from tests.counting.test_identify import T, hand_vector
from tests.worlds import worlds

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())


def rows(sized: dict[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    """Rows whose fields are as wanted."""
    return [row for row in sized["rows"] if all(row[name] == value for name, value in wanted.items())]


def hand_sizes(sizes: Sequence[int]) -> dict[str, Any]:
    """The hand vector of metrics.md 1.6 at other sizes, ranks 1 and 4."""
    task, candidates = hand_vector()
    hits = hits_of(task, task.plan((T,)), candidates, ReferenceEngine(), (T,))
    return gallery_sizes(hits, sizes, ranks=(1, 4), groupings=[("sex",)])


def test_the_hand_vector_at_every_size():
    """u1 has 2 of 4 rows at or above .6: 1 - C(2, n) / C(4, n) is 1/2, 5/6, 1, 1; u2 has none, u3 failed.

    Rank 1 at .6: m1 always; m2 and m3 unless the one better non-mate is among n - 1 of 3; m4 never.
    """
    sized = hand_sizes([1, 2, 3, 4])
    fpir = [row["value"] for row in rows(sized, metric="fpir", group="overall")]
    fnir = [row["value"] for row in rows(sized, metric="fnir", group="overall", rank=1, threshold=T)]

    # Means of three and of four shares, right to rounding.
    assert fpir == pytest.approx([1 / 6, 5 / 18, 1 / 3, 1 / 3], rel=1e-14)
    assert fnir == pytest.approx([(2 * d / 3 + 1) / 4 for d in range(4)], rel=1e-14)
    assert {row["state"] for row in sized["rows"]} == {"measured"}
    assert {row["false_matches"] for row in rows(sized, metric="fpir")} == {2}


def test_larger_sizes_of_a_small_run_are_refused_with_a_reason():
    """Nothing is said of a gallery of 5 from one of 4, and nothing of FNIR in any larger one."""
    sized = hand_sizes([5])

    assert {row["state"] for row in sized["rows"]} == {"not estimable"}
    assert {row["value"] for row in sized["rows"]} == {None}
    assert all(row["reason"] for row in sized["rows"])
    reasons = {row["reason"] for row in rows(sized, metric="fnir")}
    assert reasons == {"FNIR is not extrapolated; it is no lower than at 4 rows"}


@given(worlds.searches(max_n=60))
@worlds.FEW
def test_at_the_size_searched_rates_are_the_measured_ones(task: Identification):
    """Value and interval at n = N are those of metrics.fpir and metrics.fnir, for every group, rank and threshold."""
    engine = CpuEngine(threads=1)
    candidates = search_all(task, engine)
    plan = task.plan(worlds.EDGES)
    tally = identify.count(task, plan, candidates)
    hits = hits_of(task, plan, candidates, engine, worlds.EDGES)
    sized = gallery_sizes(hits, [len(task.gallery)], ranks=task.ranks, groupings=[("sex",)])

    for row in sized["rows"]:
        group = EVERYBODY if row["grouping"] == "all" else Group.within(("sex",), row["group"])
        if row["metric"] == "fpir":
            expected = metrics.fpir(tally, row["threshold"], group=group)
        else:
            expected = metrics.fnir(tally, row["threshold"], rank=row["rank"], group=group)
        # The same shares, summed as floats: up to 60 roundings, and the square root of a variance that may be 0.
        for name in ("value", "low", "high"):
            number = getattr(expected, name)
            assert row[name] == (None if number is None else pytest.approx(number, rel=1e-6, abs=1e-12))
        assert row["searches"] == expected.n
        assert row["state"] == ("measured" if expected.n else "not estimable")


def test_a_full_list_is_not_extrapolated():
    """Three rows reach the threshold and lists hold one: measured exactly, and refused above, with what to do."""
    gallery = worlds.templates([worlds.HALF] * 3, ["a", "b", "c"])
    probes = worlds.templates([worlds.X] * 20, [f"p{i}" for i in range(20)])
    task = Identification(gallery, probes, (), k=1, ranks=(1,), n_blocks=16)
    engine = ReferenceEngine()
    hits = hits_of(task, task.plan((0.5,)), search_all(task, engine), engine, (0.5,))
    measured, larger = rows(gallery_sizes(hits, [1, 9], ranks=(1,), groupings=[]), metric="fpir")

    assert (measured["value"], measured["false_matches"]) == (1, 60)
    assert larger["reason"] == "20 candidate lists end above the threshold; raise --candidates"


def test_sizes_are_sorted_and_checked():
    """Each once, increasing; 0 and more than a hundred billion are mistakes."""
    assert checked_sizes([300, 10, 300]) == (10, 300)
    for size in (0, -5, 10**12):
        with pytest.raises(InputError, match=f"--gallery-sizes has {size}, expected 1 to 100,000,000,000 gallery rows"):
            checked_sizes([1, size])


def people(directory: Path, n: int = 1200) -> tuple[Path, Path]:
    """Templates of n people in 12 dimensions, two rows of each of the first fifty, and their labels."""
    random = np.random.default_rng(3)
    subjects = [*range(n), *range(50)]
    np.save(directory / "t.npy", random.normal(size=(n, 12))[subjects] + random.normal(0, 0.1, (len(subjects), 12)))
    lines = [f"t{i},s{s},{'f' if s % 2 else 'm'}" for i, s in enumerate(subjects)]
    (directory / "l.csv").write_text("\n".join(["template_id,subject_id,sex", *lines]) + "\n")
    return directory / "t.npy", directory / "l.csv"


def test_the_command_line_reports_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Measured at 100 and 600, extrapolated at a million; in results.json by its schema, and in the tables."""
    templates, labels = people(tmp_path)
    command = ["identify", str(templates), "--labels", str(labels), "--group", "sex", "--nonmated-subjects", "600"]
    command += ["--at", "fpir=0.2", "--gallery-sizes", "600,100,1000000", "--out", str(tmp_path / "out"), "--no-report"]

    cli.app.main(command, standalone_mode=False)

    results = json.loads((tmp_path / "out" / "results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    sized = results["gallery_sizes"]
    small, searched, large = rows(sized, metric="fpir", group="overall")
    fpir = next(e for e in results["estimates"] if e["metric"] == "fpir" and e["group"] == "overall")
    assert [r["size"] for r in (small, searched, large)] == [100, 600, 1_000_000]
    assert [r["state"] for r in (small, searched, large)] == ["measured", "measured", "extrapolated"]
    # Sums of 600 shares in another order.
    assert [searched[x] for x in ("value", "low", "high")] == pytest.approx([fpir[x] for x in ("value", "low", "high")])
    assert small["value"] < searched["value"] < large["value"]
    assert large["false_matches"] >= fpir["k"]
    assert any(c["model"] == large["model"] and c["is_passed"] for c in sized["checks"])
    text = capsys.readouterr().out
    assert f"extrapolated: {large['model']}" in text
    assert "models fitted to parts of the gallery, a 16th to a half, against all of it" in text


def test_without_the_option_nothing_is_said_of_sizes(tmp_path: Path):
    """The key is there only if it was asked for."""
    templates, labels = people(tmp_path, 100)
    command = ["identify", str(templates), "--labels", str(labels), "--at", "fpir=0.2", "--quiet"]

    cli.app.main([*command, "--out", str(tmp_path / "out"), "--no-report"], standalone_mode=False)

    assert "gallery_sizes" not in json.loads((tmp_path / "out" / "results.json").read_text())


def test_recorded_lists_have_no_other_sizes(tmp_path: Path):
    """Another program's candidate lists are of one gallery, whose templates nobody gave."""
    command = ["identify", "--candidates", str(tmp_path / "log.txt"), "--gallery-sizes", "100"]
    with pytest.raises(InputError, match="--gallery-sizes needs templates to search"):
        cli.app.main(command, standalone_mode=False)
