"""`frbench transfer`: what a user types, gets and does wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from frbench import files
from frbench.cli import app
from frbench.errors import EdgeNotInPlan, FormatError, InputError
from frbench.reading.groups.thresholds import realised
from frbench.tally import Tally
from tests.reading.groups.test_thresholds import by_edge
from tests.worlds import worlds

SEX = ("sex",)
# At most 10 of 1,000 for everybody at .3 on the first, where the second has 300 + 20 of 20,000.
SET_ON = by_edge((90, 40, 10, 2), (50, 40, 10, 1))
USED_ON = by_edge((900, 400, 300, 8), (50, 40, 20, 1), n=10_000)


def saved(directory: Path, tally: Tally, *, failed: str = "reject") -> Path:
    """A run directory."""
    directory.mkdir()
    files.write_json(directory / "results.json", {"schema": "frbench.results", "failed_policy": failed})
    files.save_tally(tally, directory / "tally.safetensors")
    return directory


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A threshold is set on the first and used on the second."""
    return saved(tmp_path / "a", SET_ON), saved(tmp_path / "b", USED_ON)


def run(*arguments: object) -> Result:
    """The command, with exceptions let through, which the command line turns into a sentence and a code."""
    return CliRunner().invoke(app, ["transfer", *map(str, arguments)], catch_exceptions=False)


def text(*arguments: object) -> str:
    """What the command prints, white space reduced."""
    return re.sub(r"[ \t]+", " ", run(*arguments).output)


def test_a_threshold_of_one_run_is_read_on_another(runs: tuple[Path, Path]):
    """.3 keeps 1 in 100 on the first with 20 of 2,000; on the second women have 300 of 10,000, and need .4."""
    out = text(*runs, "--at", "fmr=0.01", "--group", "sex")

    assert f"threshold 0.3, promised fmr=0.01\nset on: {runs[0]}, achieved 20 / 2,000\nused on: {runs[1]}\n" in out
    assert "fmr=0.01 rests on 20 false matches, fewer than 30" in out
    assert re.search(r"^f 3\.00e-2 \S+ - \S+ 300 / 10,000 3 broken not estimable *$", out, re.MULTILINE)
    assert re.search(r"^m 2\.00e-3 \S+ - \S+ 20 / 10,000 0\.2 kept", out, re.MULTILINE)
    assert "highest FMR: f, 3 times the promise" in out
    assert "threshold that keeps the promise here for everybody: 0.4 (achieved 9 / 20,000)" in out
    assert "within every group of sex: 0.4, which f needs" in out
    assert "FNMR of overall; f; m: not estimable, 0 mated comparisons" in out
    assert "with many groups some verdicts are chance" in out


def test_json_is_what_the_functions_say(runs: tuple[Path, Path]):
    """With both runs, the counts behind the threshold and the policy; in both ways to call it."""
    two = json.loads(run(*runs, "--at", "fmr=0.01", "--json").output)
    one = json.loads(run(runs[1], "--threshold", 0.3, "--promised", "fmr=0.01", "--group", "sex", "--json").output)

    expected = realised(USED_ON, 0.3, "0.01", SEX).to_json()
    for made in (two, one):
        assert expected.items() <= json.loads(json.dumps(made)).items()
        assert (made["used_on"], made["grouping"], made["failed_policy"]) == (str(runs[1]), "sex", "reject")
    assert one["set_on"] is None
    assert {"run": str(runs[0]), "threshold": 0.3, "k": 20, "n": 2000}.items() <= two["set_on"].items()


def test_runs_without_groups_have_everybody_alone(tmp_path: Path):
    """No group, no worst, and no sentence of groups."""
    plain = saved(tmp_path / "plain", worlds.World(worlds.two_groups().templates, columns=()).tally)
    out = text(plain, "--threshold", 0.75, "--promised", "fmr=0.5")

    # 1 of 18 of two_groups is at or above .75.
    assert re.search(r"^overall 5\.56e-2 \S+( - \S+| estimable) 1 / 18 0\.111 ", out, re.MULTILINE)
    for words in ("highest FMR", "within every group", "some verdicts"):
        assert words not in out


def test_groups_that_are_left_out_are_named(tmp_path: Path):
    """Rows without a label are no group."""
    people = worlds.templates([worlds.X, worlds.Y, worlds.HALF], list("abc"), sex=["f", "f", ""])
    out = text(saved(tmp_path / "few", worlds.World(people).tally), "--threshold", 0.5, "--promised", "fmr=1")

    assert "unlabelled is left out: rows without a label are no group" in out
    assert "within every group of sex: " in out
    assert "highest FMR" not in out


def test_a_promise_that_cannot_be_held_here_has_its_reason(runs: tuple[Path, Path]):
    """20,000 comparisons cannot show 1 in 100,000, of everybody or of a group."""
    out = text(runs[1], "--threshold", 0.3, "--promised", "fmr=1e-5")

    assert "for everybody: 20000 trials cannot show a rate of 1e-5; at least 100000 are needed" in out
    assert "within every group of sex: none, not every group can show the rate; f: 10000 trials cannot show" in out


def test_failed_templates_are_treated_as_in_the_runs(tmp_path: Path):
    """13 of 18 comparisons are completed: with the policy of the run they alone count, unless another is chosen."""
    directory = saved(tmp_path / "run", worlds.two_groups().tally, failed="exclude")
    given = (directory, "--threshold", 0.5, "--promised", "fmr=0.5", "--json")
    own, other = json.loads(run(*given).output), json.loads(run(*given, "--failed", "reject").output)

    assert (own["failed_policy"], own["everybody"]["fmr"]["n"]) == ("exclude", 13)
    assert (other["failed_policy"], other["everybody"]["fmr"]["n"]) == ("reject", 18)


def test_runs_with_two_policies_are_refused(runs: tuple[Path, Path], tmp_path: Path):
    """A promise of completed comparisons is another promise; one policy can be chosen for both."""
    other = saved(tmp_path / "c", USED_ON, failed="exclude")
    with pytest.raises(InputError, match=r"differently \(.*a: reject, .*c: exclude\); choose one with --failed"):
        run(runs[0], other, "--at", "fmr=0.01")
    assert run(runs[0], other, "--at", "fmr=0.01", "--failed", "reject").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("a",),
        ("a", "--at", "fmr=0.01"),
        ("a", "b"),
        ("a", "b", "c", "--at", "fmr=0.01"),
        ("a", "--threshold", 0),
        ("a", "--promised", "fmr=0.01"),
        ("a", "b", "--threshold", 0.3, "--promised", "fmr=0.01"),
        ("a", "b", "--at", "fmr=0.01", "--threshold", 0.3),
    ],
)
def test_there_are_two_ways_to_ask(arguments: tuple[object, ...]):
    """Everything else is refused with both of them."""
    with pytest.raises(InputError, match=r"expected SET_ON_RUN USED_ON_RUN --at .*, or USED_ON_RUN --threshold"):
        run(*arguments)


@pytest.mark.parametrize("rate", ["fmr=0.1,0.01", "fpir=0.1", "fmr=2", "fmr", ""])
def test_a_promise_is_one_rate_of_false_matches(rate: str):
    """The message names the option that was typed."""
    for given in (("a", "b", "--at", rate), ("a", "--threshold", 0.3, "--promised", rate)):
        with pytest.raises(InputError, match=f"^{given[-2]} is '{rate}', expected one rate above 0 and at most 1"):
            run(*given)


def test_a_threshold_that_was_not_counted_is_refused(runs: tuple[Path, Path]):
    """The message names the run and says how to recount it."""
    with pytest.raises(EdgeNotInPlan, match=rf"^{runs[1]}: threshold 0.35 .* recount with --thresholds 0.35"):
        run(runs[1], "--threshold", 0.35, "--promised", "fmr=0.01")


def test_a_group_that_was_not_counted_is_refused(runs: tuple[Path, Path]):
    """The message names the columns that were."""
    with pytest.raises(InputError, match=r"groups of race asked for, .* counted are: sex"):
        run(runs[1], "--threshold", 0.3, "--promised", "fmr=0.01", "--group", "sex,race")


def test_a_rate_that_the_first_run_cannot_show_is_refused(runs: tuple[Path, Path]):
    """There is no threshold to carry."""
    with pytest.raises(InputError, match=rf"^{runs[0]}: no threshold for fmr=1e-4 .* 2000 trials cannot show"):
        run(*runs, "--at", "fmr=1e-4")


def test_directories_without_a_run_are_refused(runs: tuple[Path, Path], tmp_path: Path):
    """No tally, no results, or a directory that is not there."""
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=rf"^{directory} holds no tally.safetensors, expected the directory of a"):
            run(runs[0], directory, "--at", "fmr=0.01")
    (runs[1] / "results.json").unlink()
    with pytest.raises(FormatError, match=r"results.json is not a file of a frbench run"):
        run(*runs, "--at", "fmr=0.01")


@pytest.mark.parametrize("kind", ["identify", "latency"])
def test_runs_of_searches_are_refused(tmp_path: Path, kind: str):
    """FMR is a rate of comparisons."""
    plan = worlds.small_plan(kind=kind)
    directory = saved(tmp_path / kind, worlds.tally_of(plan, [[0, 0, 0], [0, 0, 0]]))
    with pytest.raises(InputError, match=rf"is a run of `frbench {kind}`, expected one of `frbench verify`"):
        run(directory, "--threshold", 0.5, "--promised", "fmr=0.01")


def test_help_has_both_examples():
    """Worth reading: what a verdict means, and two commands to copy."""
    out = run("--help").output

    assert "frbench transfer out/a out/b --at fmr=1e-3 --group race" in out
    assert "frbench transfer out/b --threshold 0.62 --promised fmr=1e-3" in out
    assert "not settled" in out
