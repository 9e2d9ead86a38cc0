"""`frbench compare`: what a user types, gets and does wrong."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from frbench import files
from frbench.commands.compare import command as compare_command
from frbench.commands.compare import show
from frbench.errors import FormatError, InputError, NotComparable
from frbench.finished_run import FinishedRun
from frbench.page.comparison import NBSP, render_comparison
from frbench.reading.systems.compare import compare
from tests.commands.test_cli import World, world  # noqa: F401
from tests.page.test_page import Resources, latency
from tests.reading.systems.test_compare import SCHEMA, A, B, identified, older, people, verified


def saved(run: FinishedRun, directory: Path) -> Path:
    """A run directory."""
    directory.mkdir()
    files.write_json(directory / "results.json", run.results)
    files.write_json(directory / "manifest.json", {"schema": "frbench.manifest", **run.manifest})
    files.save_tally(run.tally, directory / "tally.safetensors")
    return directory


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two run directories."""
    return saved(A, tmp_path / "old"), saved(B, tmp_path / "new")


def run(*arguments: object) -> Result:
    """The command, with exceptions let through, which the command line turns into a sentence and a code."""
    return CliRunner().invoke(compare_command, list(map(str, arguments)), catch_exceptions=False)


AT = ("--threshold-a", 0.6, "--threshold-b", 0.5)


def test_a_comparison_is_printed_and_kept(runs: tuple[Path, Path], tmp_path: Path):
    """The table names both runs, thresholds, groups and counts; comparison.json follows its schema."""
    done = run(*runs, *AT, "--out", tmp_path / "out")

    found = files.read_json(tmp_path / "out" / "comparison.json", schema="frbench.comparison")
    jsonschema.validate(found, SCHEMA)
    assert done.exit_code == 0
    for text in (str(runs[0]), str(runs[1]), "thresholds 0.6 of A and 0.5 of B, held fixed", "FNMR", "f x m"):
        assert text in done.output
    fnmr = next(r for r in found["rows"] if r["metric"] == "fnmr")
    assert f"{fnmr['a']['k']:,} / {fnmr['a']['n']:,}" in done.output
    assert f"{fnmr['ratio']:.3g} [{fnmr['ratio_low']:.3g}, {fnmr['ratio_high']:.3g}]" in done.output


def test_json_is_the_file(runs: tuple[Path, Path], tmp_path: Path):
    """`--json` prints what is written, and nothing else."""
    done = run(*runs, *AT, "--json", "--out", tmp_path / "out")

    assert json.loads(done.output) == files.read_json(tmp_path / "out" / "comparison.json")


def test_quiet_prints_nothing(runs: tuple[Path, Path]):
    """For scripts that read the file."""
    assert run(*runs, *AT, "--quiet").output == ""


def test_searches_have_a_table_without_a_threshold(tmp_path: Path):
    """Ranks alone."""
    both = (saved(identified(people(s)), tmp_path / str(s)) for s in (2, 3))
    output = run(*both, *AT).output

    assert "without a threshold" in output
    assert "FNIR rank 1" in output


def test_one_threshold_alone_is_refused(runs: tuple[Path, Path]):
    """Scores of two systems have nothing in common."""
    with pytest.raises(InputError, match="both --threshold-a and --threshold-b"):
        run(*runs, "--threshold-a", 0.6)


def test_a_directory_that_is_no_run_is_refused(runs: tuple[Path, Path], tmp_path: Path):
    """The message names the file."""
    with pytest.raises(FormatError, match=r"results\.json is not a file of a frbench run"):
        run(runs[0], tmp_path)


def test_what_is_not_comparable_is_refused(runs: tuple[Path, Path], tmp_path: Path):
    """A run of before, and code 3."""
    with pytest.raises(NotComparable, match="does not say whose trials"):
        run(runs[0], saved(older(), tmp_path / "older"), *AT)


def test_colours_and_widths_do_not_change_the_words():
    """A wide console prints each row on a line of its own."""
    text = io.StringIO()
    found = {"a": {"name": "old"}, "b": {"name": "new"}, "failed_policy": "reject", "notes": ["a note"]}
    show({**found, "settings": [], "rows": []}, Console(file=text, width=100))

    assert "A: old" in text.getvalue()
    assert "a note" in text.getvalue()


def test_the_command_line_compares_and_refuses(world: World):  # noqa: F811
    """Two runs of the same labels have a comparison; after a label was changed the code is 3, in one sentence."""
    at = ("--at", "fmr=0.1", "--group", "sex", "--quiet")
    runs = [world.directory / name for name in ("a", "b", "c")]
    for run_directory in runs[:2]:
        world.verify(*at, "--out", run_directory)
    world.rows[0] = "t0,s0,male"
    world.rows[1] = "t1,s0,male"
    world.write_labels()
    world.verify(*at, "--out", runs[2])

    code, out, err = world.run("compare", *runs[:2])
    assert (code, err) == (0, "")
    assert "(fmr=0.1 of all non-mated pairs), set again without each block" in " ".join(out.split())
    code, out, err = world.run("compare", runs[0], runs[2])
    assert (code, out) == (3, "")
    assert err.startswith("frbench: error: ")
    assert err.endswith("have other labels of the templates: only the same trials can be compared\n")


def test_the_page_shows_both_systems_by_group(runs: tuple[Path, Path], tmp_path: Path):
    """Rates with counts, paired differences, and the differentials of each; nothing from outside."""
    run(*runs, *AT, "--out", tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    found = files.read_json(tmp_path / "out" / "comparison.json")
    page = Resources()
    page.feed(text)

    for row in found["rows"]:
        for side in ("a", "b"):
            assert f"{row[side]['k']:,} / {row[side]['n']:,}" in text
    assert "paired 95% interval" in text
    assert all(link.startswith("#") for link in page.fetched)


def test_differentials_stand_side_by_side_at_one_target(tmp_path: Path):
    """The ratio of women to men in each system, where both set a threshold at the same rate."""
    one, other = verified(people(2), at=0.6), verified(people(3), at=0.5, thresholds=(0.5,))
    run(saved(one, tmp_path / "a"), saved(other, tmp_path / "b"), "--out", tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()

    assert "Differences between groups, at FMR 0.1" in text
    for side, threshold in ((one, 0.6), (other, 0.5)):
        contrast = next(c for c in side.results["contrasts"] if c["threshold"] == threshold)
        counts = (f"{k:,}{NBSP}/{NBSP}{n:,}" for k, n in zip(contrast["k"], contrast["n"], strict=True))
        assert " and ".join(counts) in text


def test_several_systems_are_each_compared_with_the_first(tmp_path: Path):
    """One file of all comparisons, one page with a chapter each."""
    third = saved(verified(people(4), at=0.6), tmp_path / "third")
    both = [saved(verified(people(s), at=0.6), tmp_path / str(s)) for s in (2, 3)]
    done = run(*both, third, "--out", tmp_path / "out", "--json")

    found = json.loads(done.output)
    assert ["frbench.comparison"] * 2 == [each["schema"] for each in found["comparisons"]]
    assert [str(both[1]), str(third)] == [each["b"]["name"] for each in found["comparisons"]]
    assert 2 == (tmp_path / "out" / "report.html").read_text().count('<section id="part')
    with pytest.raises(InputError, match="of one run, got 2"):
        run(*both, third, *AT)
    with pytest.raises(InputError, match="times have no thresholds"):
        run(timed_run(tmp_path / "t1"), timed_run(tmp_path / "t2"), *AT)


def timed_run(directory: Path) -> Path:
    """A latency run."""
    section = latency()
    manifest = {**section.manifest, "plan": section.tally.plan.digest}
    return saved(FinishedRun(section.results, manifest, section.tally), directory)


def test_an_interval_on_the_page_is_in_the_unit_of_its_difference():
    """Percent beside percent: no end of a difference of misses has an exponent where the other has none."""
    page = render_comparison([compare(A, B, thresholds=(0.6, 0.5))])
    ends = re.findall(r"[+−]([\d.]+(?:e-\d+|%)) to [+−]([\d.]+(?:e-\d+|%))", page)  # noqa: RUF001

    assert any(low.endswith("%") for low, _ in ends)
    assert [pair for pair in ends if pair[0].endswith("%") != pair[1].endswith("%")] == []
