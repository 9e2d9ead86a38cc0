"""Leakage: what is found in input that is wrong, and nothing in input that is not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from frbench import files
from frbench.errors import InputError
from frbench.reading.audits import leakage
from frbench.tally import Tally
from frbench.templates import Templates, load
from tests.commands.test_cli import World, world  # noqa: F401
from tests.worlds import worlds


def words(findings: list[leakage.Finding]) -> list[str]:
    """What is said."""
    return [str(finding) for finding in findings]


def distinct(n: int, d: int = 5) -> np.ndarray:
    """Rows that all differ."""
    return worlds.unit_rows(np.random.default_rng(n).normal(size=(n, d)))[0]


def rows(subjects: str, *same: tuple[int, int], d: int = 5, failed: tuple[int, ...] = ()) -> Templates:
    """Templates of one subject a letter, in which the second row of each pair is a copy of the first."""
    unit = distinct(len(subjects), d)
    for first, second in same:
        unit[second] = unit[first]
    return worlds.templates(unit, list(subjects), failed=failed)


def test_a_row_under_two_subjects_is_found():
    """t0 and t3 are one row: two of six rows, one example."""
    found = leakage.in_comparisons(rows("aabbcd", (0, 3)))

    assert words(found) == ["2 of 6 rows are identical to a row of another subject: t0 = t3"]
    assert (found[0].kind, found[0].count, found[0].of) == ("duplicate-across-subjects", 2, 6)


def test_a_row_twice_under_one_subject_is_another_finding():
    """Its mated comparison cannot fail."""
    found = leakage.in_comparisons(rows("aabbcd", (0, 1), (2, 4)))

    assert words(found) == [
        "2 of 6 rows are identical to a row of another subject: t2 = t4",
        "2 of 6 rows are identical to another row of the same subject: t0 = t1",
    ]


def test_only_three_examples_are_shown():
    """Of five pairs, and dots for the others."""
    found = leakage.in_comparisons(rows("abcdefghij", *((i, i + 5) for i in range(5))))

    assert words(found) == ["10 of 10 rows are identical to a row of another subject: t0 = t5, t1 = t6, t2 = t7, ..."]


def test_failed_rows_are_not_equal_to_each_other():
    """They are zeros because nobody made anything of their images."""
    assert leakage.in_comparisons(rows("abcd", failed=(0, 2))) == []


def test_rows_that_begin_alike_are_not_equal():
    """Four components and more are the same, the last one is not."""
    unit = distinct(4, 9)
    unit[1, :8] = unit[0, :8]

    assert leakage.in_comparisons(worlds.templates(unit, list("abcd"))) == []


def test_rows_without_subjects_each_are_their_own():
    """A list of pairs may know no people: equal rows are of two images then."""
    found = replace(rows("aabb", (0, 1)), subject_ids=None)

    assert [f.kind for f in leakage.in_comparisons(found)] == ["duplicate-across-subjects"]


@given(worlds.random_templates(max_n=20, max_d=3))
def test_equal_rows_are_those_of_brute_force(found: Templates):
    """Every scored row of which there is another with the same bytes is counted once."""
    content = [row.tobytes() for row in found.unit]
    scored = [i for i in range(len(found)) if not found.failed[i]]
    equal = {i for i in scored if any(content[i] == content[j] for j in scored if j != i)}

    assert sum(f.count for f in leakage.in_comparisons(found)) == len(equal)


def test_a_probe_that_is_enrolled_is_found():
    """The first probe is a row of its subject's gallery, the second one of another's."""
    unit = distinct(6)
    unit[3], unit[4] = unit[0], unit[1]
    everything = worlds.templates(unit, list("abcaca"))
    found = leakage.in_searches(everything.take([0, 1, 2]), everything.take([3, 4, 5]))

    assert words(found) == [
        "1 of 3 probes is identical to a row of the gallery, of the same subject: t3",
        "1 of 3 probes is identical to a row of the gallery, of another subject: t4",
    ]


def test_an_id_in_both_files_is_found():
    """A name of an image is in the gallery and searched; row numbers name nothing."""
    gallery, probes = rows("ab"), worlds.templates(distinct(5)[3:], list("ab"))
    numbered = [replace(t, template_ids=worlds.text_array(["0", "1"])) for t in (gallery, probes)]

    assert words(leakage.in_searches(gallery, probes)) == [
        "2 of 2 probes are of the same id as a row of the gallery: t0, t1"
    ]
    assert leakage.in_searches(*numbered) == []


def test_a_split_of_different_rows_has_no_findings():
    """Gallery and probes of one file share no id."""
    found = rows("aabbcd")

    assert leakage.in_searches(found.take([0, 2, 4]), found.take([1, 3, 5])) == []


def test_subjects_of_training_are_found(tmp_path: Path):
    """Two of three tested subjects are in the list."""
    path = tmp_path / "train.csv"
    path.write_text("subject_id,images\na,7\nc,2\nz,9\n")
    listed = leakage.read_subjects(path)

    assert words(leakage.trained(rows("aabbc"), listed, "train.csv")) == [
        "2 of 3 subjects are among the training subjects of train.csv: a, c"
    ]
    assert leakage.trained(rows("bb"), listed, "train.csv") == []
    assert leakage.trained(replace(rows("aa"), subject_ids=None), listed, "train.csv") == []


def test_a_list_of_training_subjects_without_their_column_is_refused(tmp_path: Path):
    """The message names file and column."""
    path = tmp_path / "train.csv"
    path.write_text("person\na\n")

    with pytest.raises(InputError, match=r"train\.csv.*subject_id"):
        leakage.read_subjects(path)


def saved(directory: Path, raw: np.ndarray) -> Templates:
    """Templates read from a file of these rows."""
    np.save(directory / "t.npy", raw)
    return load(directory / "t.npy", threads=1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_of_length_one_among_others_are_found(tmp_path: Path, dtype: type):
    """Fifty rows normalised and then rounded to their type, and fifty of length 3; each row is looked at."""
    unit = np.random.default_rng(1).normal(size=(100, 16))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    mixed, longer = unit.copy(), 3 * unit
    mixed[50:] *= 3

    assert words(leakage.lengths(saved(tmp_path, mixed.astype(dtype)))) == [
        "50 of 100 rows looked at have length 1 and the others 3 to 3; all are normalised, but were they made in the "
        "same way?"
    ]
    for raw in (unit, longer):
        assert leakage.lengths(saved(tmp_path, raw.astype(dtype))) == []


def test_failed_rows_have_no_length(tmp_path: Path):
    """NaN, infinity and zeros among rows of length one are failures, not another pipeline."""
    unit = distinct(10)
    unit[0], unit[1], unit[2, 0] = np.nan, 0, np.inf

    assert leakage.lengths(saved(tmp_path, unit)) == []


def test_a_part_of_a_file_was_made_as_the_whole_was(tmp_path: Path):
    """Gallery and probes of one file have its lengths; templates without a file have none."""
    mixed = distinct(100)
    mixed[::2] *= 9
    found = saved(tmp_path, mixed)

    assert leakage.lengths(found.take([0, 2])) == leakage.lengths(found) != []
    assert leakage.lengths(rows("ab")) == []


def of_bins(nonmated: list[int], mated: list[int]) -> Tally:
    """A tally of three bins."""
    return worlds.tally_of(worlds.small_plan(edges=(0.25, 0.5)), [[*nonmated, 9], [*mated, 9]])


def test_distances_read_as_scores_are_found():
    """40 mated in the lowest bin, non-mated 10, 0 and 90: a mated one is higher in none, and as high in 10 of 100."""
    found = leakage.polarity(of_bins([10, 0, 90], [40, 0, 0]))

    assert [f.kind for f in found] == ["polarity"]
    assert str(found[0]) == (
        "mated comparisons score lower than non-mated ones; are these distances? "
        "(a mated score is the higher one in 5.0% of pairs)"
    )


def test_labels_out_of_step_are_found():
    """Mated comparisons that score as all others do: their labels are of other rows."""
    found = leakage.polarity(of_bins([20, 60, 20], [20, 60, 20]))

    assert [f.kind for f in found] == ["no-separation"]
    assert "do the labels belong to these rows? (a mated score is the higher one in 50.0% of pairs)" in str(found[0])


def test_a_matcher_that_works_and_too_few_trials_have_no_finding():
    """A mated score is the higher one in most pairs; of 29 mated comparisons nobody can tell."""
    assert leakage.polarity(of_bins([90, 10, 0], [5, 5, 40])) == []
    assert leakage.polarity(of_bins([10, 0, 90], [29, 0, 0])) == []
    assert leakage.polarity(of_bins([0, 0, 0], [40, 0, 0])) == []


@given(worlds.random_worlds())
@worlds.FEW
def test_the_share_of_pairs_is_that_of_brute_force(world: worlds.World):  # noqa: F811
    """Every mated bin against every non-mated bin, ties one half."""
    non, mated = (world.tally.pick(mated=m).bins[:-1].tolist() for m in (False, True))
    if sum(mated) < leakage.MIN_MATED or not sum(non):
        return
    won = sum(
        m * n * (1.0 if i > j else 0.5 if i == j else 0.0) for i, m in enumerate(mated) for j, n in enumerate(non)
    )
    share = won / sum(mated) / sum(non)
    found = leakage.polarity(world.tally)

    assert bool(found) == (share <= leakage.APART)
    if found:
        said = float(re.search(r"in (.*)% of pairs", str(found[0])).group(1))
        # Printed with one digit.
        assert said == pytest.approx(100 * share, abs=0.0501)


def test_a_run_notes_what_it_found(world: World):  # noqa: F811
    """Duplicates and training subjects stand in the manifest and behind the tables; the results are as they were."""
    unit = np.load(world.templates)
    unit[3] = unit[0]
    np.save(world.templates, unit)
    train = world.file("train.csv", "subject_id\ns7\n")
    code, out, _ = world.verify("--thresholds", "0.5", "--train-subjects", train)

    duplicate = "2 of 40 rows are identical to a row of another subject: t0 = t3"
    assert code == 0
    assert files.read_json(world.out / "manifest.json")["notes"][0] == duplicate
    assert f"note: {duplicate}" in out
    assert "note: 1 of 20 subjects are among the training subjects of" in out
