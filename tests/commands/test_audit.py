"""Audits on the command line: whose errors, declared numbers, failures, hubs, and recorded runs side by side."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from frbench import files
from tests.commands.test_cli import SCHEMA, World, world  # noqa: F401
from tests.reading.systems.test_compare import SCHEMA as COMPARISON

AT = ("--thresholds", "0.3,0.6", "--group", "sex")


def results(w: World, *arguments: object) -> dict:
    """Results of a run that must succeed and follow the schema."""
    code, _, error = w.verify(*AT, *arguments)
    assert code == 0, error
    found = json.loads((w.out / "results.json").read_text())
    jsonschema.validate(found, SCHEMA)
    return found


def fail(w: World, row: int) -> None:
    """Makes one template a failed one."""
    matrix = np.load(w.templates)
    matrix[row] = 0
    np.save(w.templates, matrix)


def test_errors_of_subjects_are_those_of_the_run(world: World):  # noqa: F811
    """subjects.csv has 20 people; their false matches are twice, their false non-matches once those of the results."""
    found = results(world, "--per-subject")
    table = list(csv.DictReader(io.StringIO((world.out / "subjects.csv").read_text())))

    overall = {e["metric"]: e["k"] for e in found["estimates"] if (e["grouping"], e["threshold"]) == ("all", 0.3)}
    assert len(table) == 20
    assert sum(int(row["false_matches_0.3"]) for row in table) == 2 * overall["fmr"]
    assert sum(int(row["false_nonmatches_0.3"]) for row in table) == overall["fnmr"]
    assert [row["group"] for row in found["subjects"]["rows"]] == [g for g in ("all", "female", "male") for _ in (0, 1)]
    for row in found["subjects"]["rows"][:1]:
        assert (row["false_matches"]["errors"], row["false_nonmatches"]["errors"]) == (overall["fmr"], overall["fnmr"])


def test_the_table_of_subjects_is_of_this_run_alone(world: World):  # noqa: F811
    """A run without --per-subject leaves none behind from the one before."""
    results(world, "--per-subject")
    found = results(world)

    assert "subjects" not in found
    assert not (world.out / "subjects.csv").exists()


def test_shares_and_sentences_are_printed(world: World):  # noqa: F811
    """The worst subjects, where the table lies, and a line for each declared number."""
    code, out, _ = world.verify(*AT, "--per-subject", "--declared", "780,1560,41")

    assert code == 0
    assert "errors in which the worst 1% of subjects took part" in out
    assert f"subjects: {world.out / 'subjects.csv'}" in out
    assert "declared: 780 are unordered pairs, each once" in out
    assert "declared: 1,560 are ordered pairs, both directions" in out
    assert "declared: 41 are none of the usual counts; images are nearest, 40: 1 more are declared" in out


def test_counts_are_in_every_run(world: World):  # noqa: F811
    """Rows, subjects and conventions stand in results.json; sentences only where numbers were declared."""
    found = results(world)

    assert (found["counts"]["rows"], found["counts"]["subjects"], found["counts"]["run"]["pairs"]) == (40, 20, 780)
    assert "reconciliation" not in found
    assert results(world, "--declared", "20")["reconciliation"][0]["explanation"] == (
        "20 are unordered mated pairs or subjects"
    )


def test_a_list_of_pairs_is_held_against_its_own_images(world: World):  # noqa: F811
    """Three images make three pairs, of which the list has two."""
    listed = world.file("pairs.csv", "template_a,template_b\nt0,t1\nt0,t2\n")
    found = results(world, "--pairs", listed, "--declared", "2", "--per-subject")

    assert (found["counts"]["rows"], found["counts"]["run"]["pairs"]) == (3, 2)
    # Of the three images two are of one person, so there are two non-mated pairs as well.
    assert (
        found["reconciliation"][0]["explanation"]
        == "2 are unordered non-mated pairs or ordered mated pairs or subjects"
    )
    assert len((world.out / "subjects.csv").read_text().splitlines()) == 21


def test_failures_are_counted_by_group_and_printed(world: World):  # noqa: F811
    """One failed template of a woman: 39 of 780 comparisons have no score, and every policy has its rates."""
    fail(world, 0)
    found = results(world)["failures"]["rows"]
    _, out, _ = world.verify(*AT)

    assert (found[0]["fta"]["k"], found[0]["fta"]["n"]) == (39, 780)
    assert {row["group"]: row["fta"]["k"] for row in found[:3]} == {"all": 39, "female": 19, "male": 0}
    assert "failed templates, by what is done about them" in out
    assert "FNMR exclude" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--declared", "1e6"), "--declared is '1e6', expected numbers with commas"),
        (("--scores", "s.txt", "--format", "bob4", "--per-subject"), "--per-subject does not apply to recorded files"),
        (("--scores", "s.txt", "--format", "bob4", "--declared", "5"), "--declared does not apply to recorded files"),
    ],
)
def test_mistakes_are_one_sentence(world: World, arguments: tuple[str, ...], said: str):  # noqa: F811
    """Exit code 2, no traceback."""
    given = () if "--scores" in arguments else (world.templates, "--labels", world.labels)
    code, _, error = world.run("verify", *given, "--out", world.out, *arguments)

    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_without_subjects_there_are_no_errors_of_theirs(world: World):  # noqa: F811
    """A list that says which pairs are mated needs no labels, but this does."""
    listed = world.file("pairs.csv", "template_a,template_b,mated\n0,1,true\n0,2,false\n")
    code, _, error = world.run(
        "verify", world.templates, "--pairs", listed, "--out", world.out, "--per-subject", "--thresholds", "0.5"
    )

    assert code == 2
    assert "--per-subject needs to know who is who" in error


def test_hubs_of_a_gallery_are_found(world: World):  # noqa: F811
    """A template that lies where all others lean to is in nearly all lists; the results name it."""
    matrix = np.load(world.templates) + 2
    matrix[4] = 1
    np.save(world.templates, matrix)
    code, out, error = world.run(
        *("identify", world.templates, "--labels", world.labels, "--out", world.out, "--no-report"),
        *("--nonmated-subjects", 5, "--thresholds", "0.5", "-k", 3),
    )
    found = files.read_json(world.out / "results.json")
    jsonschema.validate(found, SCHEMA)

    assert code == 0, error
    assert (found["hubness"]["k"], found["hubness"]["rows"]) == (3, 15)
    assert found["hubness"]["template"] == "t4"
    assert found["hubness"]["most"] > found["hubness"]["expected_most"]
    assert "hubs: template t4 is among the first 3" in out


def scores(directory: Path, name: str, seed: int, *, order: int = 1, templates: int = 30) -> Path:
    """Comparisons of two systems as four columns: the same claims and probes, other scores, in either order."""
    random = np.random.default_rng(seed)
    lines = [
        f"s{claimed} s{real} p{real}_{i} {(claimed == real) + 0.5 * random.normal():.4f}\n"
        for claimed in range(templates)
        for real in range(templates)
        for i in range(2)
    ]
    path = directory / name
    path.write_text("".join(lines[::order]))
    return path


def test_two_recorded_systems_are_compared(world: World):  # noqa: F811
    """The same claims and probes in another order are the same trials; one trial less is refused with exit code 3."""
    for name, seed, order, n in (("a", 1, 1, 30), ("b", 2, -1, 30), ("c", 3, 1, 29)):
        path = scores(world.directory, f"{name}.txt", seed, order=order, templates=n)
        given = ("--format", "bob4", "--at", "fmr=0.01", "--no-report", "--out", world.directory / name)
        code, _, error = world.run("verify", "--scores", path, *given)
        assert code == 0, error
    runs = [world.directory / name for name in "abc"]
    code, out, error = world.run("compare", runs[0], runs[1], "--out", world.out)
    found = files.read_json(world.out / "comparison.json")
    jsonschema.validate(found, COMPARISON)

    assert code == 0, error
    assert next(row for row in found["rows"] if row["metric"] == "fnmr")["low"] is not None
    assert "The same trials in both" in out
    code, _, error = world.run("compare", runs[0], runs[2])
    assert code == 3
    assert "only the same trials can be compared" in error


def test_recorded_scores_of_unnamed_templates_cannot_be_compared(world: World):  # noqa: F811
    """Two columns name nobody."""
    path = world.file("s.txt", "1 0.9\n1 0.8\n-1 0.4\n-1 0.3\n")
    world.run("verify", "--scores", path, "--format", "bob2", "--thresholds", "0.5", "--out", world.out, "--quiet")
    code, _, error = world.run("compare", world.out, world.out, "--threshold-a", 0.5, "--threshold-b", 0.5)

    assert code == 3
    assert "names no templates" in error


def test_scores_that_tell_nothing_apart_are_noted(world: World):  # noqa: F811
    """Mated scores that are no higher than others are not refused, and a note says so."""
    random = np.random.default_rng(1)
    lines = [f"s{c} s{r} p{r} {random.normal():.4f}\n" for c in range(40) for r in range(40)]
    path = world.file("s.txt", "".join(lines))
    given = ("--format", "bob4", "--thresholds", "0.5", "--no-report", "--out", world.out)
    code, out, error = world.run("verify", "--scores", path, *given)

    assert code == 0, error
    assert "note: mated comparisons score no higher than non-mated ones" in out
