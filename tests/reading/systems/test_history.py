"""History: runs that may stand in one line, in which order, with which figures, and which may not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import altair
import pytest
from click.testing import CliRunner

from frbench.commands.history import command as history_command
from frbench.counting.load.measure import Trial
from frbench.counting.load.objective import Objective
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.page.history import render_history
from frbench.reading.systems.history import UNKNOWN, read
from frbench.reading.systems.run_figures import Name, rates_of
from frbench.reading.systems.timed import ONE_PROCESS
from tests.commands.test_compare import saved
from tests.page.test_page import Resources, latency, specs_of
from tests.reading.systems.test_compare import A, B, identified, older, people
from tests.reading.systems.test_times import latency_of, load_of


def made(run: FinishedRun, when: str) -> FinishedRun:
    """A run that was made then."""
    return replace(run, manifest={**run.manifest, "created": when, "frbench": "1.0"})


def timed(directory: Path, cores: int) -> Path:
    """A latency run on a machine of so many cores."""
    section = latency()
    manifest = {**section.manifest, "machine": {"cores": cores}, "plan": section.tally.plan.digest}
    return saved(FinishedRun(section.results, manifest, section.tally), directory)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs v2, v10 and v1 of the same people, made in this order."""
    for name, run, when in (("v2", A, "2026-01-01"), ("v10", B, "2026-01-02"), ("v1", A, "2026-01-03")):
        saved(made(run, when), tmp_path / name)
    return tmp_path


def test_runs_stand_in_the_order_of_time_or_of_version(runs: Path):
    """Version 10 comes after version 2."""
    by_time, by_version = (read(runs, order=order).lines[0].runs for order in ("time", "version"))

    assert ["v2", "v10", "v1"] == [run.name for run in by_time]
    assert ["v1", "v2", "v10"] == [run.name for run in by_version]


def test_every_figure_is_that_of_the_run(runs: Path):
    """Value, interval, numerator, denominator and threshold, and the reason where one is missing."""
    line = read(runs).lines[0]
    estimates = [e for e in B.results["estimates"] if e["metric"] == "fnmr" and e["grouping"] == "sex"]
    assert estimates
    for expected in estimates:
        at = f"threshold {expected['threshold']:.9g}"
        name = Name("fnmr", at, "", "sex", expected["group_a"], expected["group_b"])
        figure = {run.name: f for run, f in line.points(name)}["v10"]
        for field in ("value", "low", "high", "k", "n", "threshold", "reason"):
            assert expected[field] == getattr(figure, field)


def test_one_threshold_set_at_two_targets_is_a_figure_of_each():
    """What was asked for names a figure, for the threshold is another one in every run."""
    points = [{"at": at, "population": "all non-mated pairs", "threshold": 0.5} for at in ("fmr=0.1", "fmr=0.2")]
    estimate = {
        "metric": "fmr", "grouping": "all", "group_a": "all", "group_b": "all", "threshold": 0.5, "value": 0.1,
        "low": None, "high": None, "level": 0.95, "k": 1, "n": 10, "reason": "few",
    }  # fmt: skip
    given = {**estimate, "threshold": 0.6}
    found = rates_of({"kind": "verify", "operating_points": points, "estimates": [estimate, given]})

    assert ["fmr=0.1", "fmr=0.2", "threshold 0.6"] == [name.at for name in found]


def test_other_people_are_kept_apart_and_the_difference_is_named(runs: Path):
    """Their figures never stand in one line."""
    saved(made(identified(people(2)), "2026-01-04"), runs / "search")
    saved(made(older(), "2026-01-05"), runs / "older")
    lines = read(runs).lines

    assert [3, 1, 1] == [len(line.runs) for line in lines]
    by_run = {line.runs[0].name: line for line in lines}
    assert [] == list(lines[0].differs)
    assert ["kind of run"] == by_run["search"].differs
    assert UNKNOWN in by_run["older"].differs


def test_times_of_two_machines_are_kept_apart(tmp_path: Path):
    """They say nothing of each other."""
    for name, cores in (("a", 2), ("b", 2), ("c", 4)):
        timed(tmp_path / name, cores)
    lines = read(tmp_path).lines

    assert [["a", "b"], ["c"]] == [[run.name for run in line.runs] for line in lines]
    assert ["machine"] == lines[1].differs
    p50 = Name("p50", "request of 1", "", "all", "all", "all")
    expected = latency().results["groups"][0]["quantiles"][0]
    figure = lines[0].runs[0].figures[p50]
    assert (expected["value_ns"], expected["low_ns"], expected["high_ns"]) == (figure.value, figure.low, figure.high)


def test_damaged_runs_are_left_out_and_named(runs: Path):
    """One of them does not hide the others."""
    (runs / "v1" / "tally.safetensors").write_bytes(b"")
    (runs / "load").mkdir()
    (runs / "load" / "results.json").write_text("{}")
    found = read(runs)

    assert ["v2", "v10"] == [run.name for run in found.lines[0].runs]
    assert {"v1", "load"} == {name for name, _ in found.left_out}


def test_a_directory_without_runs_is_refused(tmp_path: Path):
    """With the reason why what is there is none."""
    with pytest.raises(InputError, match=r"holds no run, expected directories with results\.json"):
        read(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(InputError, match="is not a file of a frbench run"):
        read(tmp_path)


def test_json_holds_every_figure_of_every_run(runs: Path):
    """As many points as the runs have estimates."""
    found = json.loads(json.dumps(read(runs).to_json(), allow_nan=False))
    n = sum(len(figure["points"]) for line in found["populations"] for figure in line["figures"])

    assert ("frbench.history", 1, "time") == (found["schema"], found["schema_version"], found["order"])
    assert n == sum(len(run.results["estimates"]) for run in (A, B, A))


def test_the_page_has_a_table_and_a_chart_of_every_figure(runs: Path):
    """With counts; it needs nothing but itself, and a hostile name is text."""
    (runs / "v1").rename(runs / "<script>alert(1)<")
    saved(made(older(), "2026-01-05"), runs / "older")
    text = render_history(read(runs))
    page = Resources()
    page.feed(text)

    assert "<script>alert(1)" not in re.sub(r"<script>const specs.*?</script>", "", text, flags=re.DOTALL)
    assert all(link.startswith("#") for link in page.fetched)
    assert page.scripts == 2
    for spec in specs_of(text).values():
        altair.Chart.from_dict(spec)
    fnmr = next(e for e in A.results["estimates"] if e["metric"] == "fnmr" and e["k"])
    assert f"{fnmr['k']:,} / {fnmr['n']:,}" in text
    assert "Apart, for other" in text
    assert len(page.ids) == len(set(page.ids))
    assert set(specs_of(text)) <= set(page.ids)


def test_the_command_prints_writes_and_refuses(runs: Path):
    """A table, JSON, a page."""
    run = CliRunner().invoke
    page = runs / "h.html"
    text = run(history_command, [str(runs), "--out", str(page)]).output
    assert "fnmr" in text
    assert f"history: {page}" in text
    assert "frbench.history" == json.loads(run(history_command, [str(runs), "--json"]).output)["schema"]
    assert "" == run(history_command, [str(runs), "--quiet"]).output
    assert 2 == run(history_command, [str(runs / "none")]).exit_code


def test_load_runs_stand_in_a_line(tmp_path: Path):
    """Percentiles, answers a second and requests without an answer, each with the counts of its run."""
    for number, every in enumerate((0, 40, 10)):
        saved(made(load_of("", every=every), f"2026-01-0{number + 1}"), tmp_path / f"v{number}")
    (line,) = read(tmp_path).lines
    at = "300 requests a second"

    assert line.kind == "load"
    for run, figure in line.points(Name("unanswered", at, "", "sex", "m", "m")):
        own = json.loads((tmp_path / run.name / "results.json").read_text())
        (group,) = (g for g in own["groups"] if g["group"] == "m")
        assert (figure.k, figure.n) == (group["failed"], group["requests"])
    speeds = [figure for _, figure in line.points(Name("answers_per_second", at, "", "all", "all", "all"))]
    assert all(speed.low < speed.value < speed.high for speed in speeds)
    assert Name("p50", at, "", "sex", "f", "f") in line.names


def test_load_of_other_scenarios_is_kept_apart(tmp_path: Path):
    """As are other deadlines: what differs is named."""
    saved(load_of("a"), tmp_path / "a")
    other = load_of("b")
    saved(replace(other, results={**other.results, "timeout_s": 1.0}), tmp_path / "b")
    lines = read(tmp_path).lines

    assert [len(line.runs) for line in lines] == [1, 1]
    assert lines[1].differs == ["deadlines (--timeout)"]


def test_throughput_has_the_interval_of_its_processes(tmp_path: Path):
    """Three processes have one; a single one says why not."""
    for name, medians in (("a", (2.0, 2.1, 1.9)), ("b", (2.0,))):
        saved(latency_of("", *medians), tmp_path / name)
    (line,) = read(tmp_path).lines
    (_, three), (_, one) = line.points(Name("probes_per_second", "request of 64", "", "all", "all", "all"))

    assert three.low < three.value < three.high
    assert (one.low, one.reason) == (None, ONE_PROCESS)


def test_what_is_not_estimable_says_why_on_the_terminal(tmp_path: Path):
    """And in the page, in one sentence where no run has it; an objective is no target of a rate."""
    slo = (Objective.parse("p99=20ms"), 300.0, [Trial(300.0, 1000, 0, True)])
    for name in ("a", "b"):
        saved(load_of(name, runs=1, slo=slo, saturation=900.0), tmp_path / name)
    text = " ".join(CliRunner().invoke(history_command, [str(tmp_path)]).output.split())
    page = render_history(read(tmp_path))

    assert ONE_PROCESS in text
    assert "p99.9 at 300 requests a second of a; b: not estimable" in text
    assert re.search(r"Not estimable in any run: [\d,]+ requests, at least 4,603 are needed", page)
    assert "Requests a second that meet the objective, p99=20ms" in page
    assert "threshold at P99" not in page


def test_results_that_lack_an_entry_are_left_out(runs: Path):
    """Valid JSON of a run, and yet none: the others are shown, and what is missing is named."""
    for name, entry in (("v1", "estimates"), ("v2", "kind")):
        path = runs / name / "results.json"
        found = json.loads(path.read_text())
        del found[entry]
        path.write_text(json.dumps(found))
    history = read(runs)

    assert [run.name for run in history.lines[0].runs] == ["v10"]
    reasons = dict(history.left_out)
    assert "damaged at 'estimates'" in reasons["v1"]
    assert "lacks 'kind', expected a finished run" in reasons["v2"]
