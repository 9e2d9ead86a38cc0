"""Recording: what is kept of recorded comparisons, and which of them are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.recorded import column_stream, comparisons
from frbench.counting.recorded.comparisons import Matching, Recording
from frbench.counting.recorded.people import without_vectors
from frbench.counting.recorded.score_files import Recorded
from frbench.errors import InputError
from frbench.plan import Cell, Party, blocks_of
from frbench.templates import Templates
from tests.worlds import worlds

HAND = "a a p1 0.9\nb a p1 0.2\na b p2 0.1\nb b p2 0.8\na c p3 0.4\nb c p3 nan\n"


@contextmanager
def read(
    directory: Path, text: str, format: str = "bob4", *, sex: str = "", n_blocks: int = 4, **options
) -> Iterator[Recording]:
    """The recording of a file of `text`; `sex` gives subjects a, b, c, ... a label each."""
    path = directory / ("s.csv" if "csv" in format else "s.txt")
    path.write_text(text)
    names = worlds.text_array([chr(ord("a") + i) for i in range(len(sex))])
    people: Templates | None = without_vectors(names, names, {"sex": worlds.text_array(list(sex))}) if sex else None
    with ExitStack() as stack:
        source = Recorded.open(str(path), format, **options)
        columns = ("sex",) if sex else ()
        yield comparisons.read(source, directory, people=people, columns=columns, n_blocks=n_blocks, stack=stack)


def test_a_recording_by_hand(tmp_path: Path):
    """Two mated comparisons, of a and of b; four others, one without a score, of which only one shares nobody.

    In order: b with a takes both, then nobody is left for a with c, nor for b with c.
    """
    with read(tmp_path, HAND, sex="fmf") as found:
        trials = dict(zip(found.keys, found.trials, strict=True))
        independent = dict(zip(found.keys, found.independent, strict=True))

        f, m = 0, 1
        assert trials == {Cell(True, f, f): 1, Cell(False, f, m): 3, Cell(True, m, m): 1, Cell(False, f, f): 1}
        assert independent == {Cell(True, f, f): 1, Cell(False, f, m): 1, Cell(True, m, m): 1, Cell(False, f, f): 1}
        assert found.independent_nonmated == 1
        assert (len(found), found.unscored, found.lowest, found.highest) == (6, 1, 0.1, 0.9)
        assert found.subjects.names == ["a", "b", "c"]
        assert found.took_part.tolist() == [[True, True, True], [True, True, False]]
        [(place, score)] = list(found.spool.parts())
        blocks = dict(zip("abc", blocks_of(worlds.text_array(list("abc")), 4).tolist(), strict=True))
        low, high = sorted((blocks["a"], blocks["b"]))
        number = found.keys.index(Cell(False, f, m))
        assert place[1] == (number * 4 + low) * 4 + high
        assert score[:5].tolist() == [0.9, 0.2, 0.1, 0.8, 0.4]


def test_parties_count_each_subject_once(tmp_path: Path):
    """All three take part in non-mated comparisons, a and b in mated ones."""
    with read(tmp_path, HAND, sex="fmf", n_blocks=1) as found:
        assert found.parties(mated=False) == (Party(((0, 0),), (2,)), Party(((1, 1),), (1,)))
        assert found.parties(mated=True) == (Party(((0, 0),), (1,)), Party(((1, 1),), (1,)))


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), max_size=4), st.integers(1, 40))
@worlds.FEW
def test_trials_without_a_common_subject_are_taken_in_order(parts: list[list[tuple[int, int]]], at_once: int):
    """Against a loop over all of them; however they are cut into parts."""
    found, taken, n = Matching(), set(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparisons, "LOOKED_AT_ONCE", at_once)
        for part in parts:
            a, b = np.array(part, dtype=np.int32).reshape(-1, 2).T
            found.add(a, b, 10)
            for pair in part:
                if not taken & set(pair):
                    taken |= set(pair)
                    n += 1

    assert found.n == n


@pytest.mark.parametrize(
    ("format", "text", "named"),
    [
        ("bob4", "a b p1 0.5\nb b p1 0.5\na b p1 0.4\n", "line 1 and line 3 hold the same comparison, 'p1' with 'a'"),
        ("bob5", "a m1 b p1 0.5\na m1 b p1 0.5\n", "line 1 and line 2 hold the same comparison, 'p1' with 'm1'"),
        ("csv", "probe,reference,mated,score\nx,y,1,0\nz,y,0,0\ny,x,1,0\n", "line 2 and line 4 hold the same"),
        ("csv", "probe,reference,mated,score\nx,y,1,0\nz,z,1,0\n", "line 3: compares a template with itself"),
        (
            "csv",
            "probe_subject,reference_subject,mated,score\na,b,false,0\na,a,false,0\n",
            "line 3: mated is false, but the subjects are 'a' and 'a'",
        ),
    ],
)
def test_comparisons_that_cannot_be_are_refused(tmp_path: Path, format: str, text: str, named: str):
    """The message names the file and both lines."""
    with pytest.raises(InputError, match=named) as refusal, read(tmp_path, text, format):
        pass
    assert str(refusal.value).startswith(str(tmp_path))


def test_a_repeat_is_found_blocks_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Line 1 again on line 5,001, in files read 1 KiB at a time."""
    monkeypatch.setattr(column_stream, "BLOCK_BYTES", 1024)
    lines = [f"s{i % 70} s{i % 30} p{i} 0.5\n" for i in range(5000)]

    with (
        pytest.raises(InputError, match=r"line 1 and line 5001 hold the same comparison.*--format bob5 tells"),
        read(tmp_path, "".join([*lines, lines[0]])),
    ):
        pass


def test_different_comparisons_of_one_key_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Keys only point at comparisons to look at: if all had one key, none would be refused."""
    monkeypatch.setattr(comparisons, "keys_of", lambda found, _: np.zeros(len(found), np.uint64))

    with read(tmp_path, HAND) as found:
        assert len(found) == 6


def test_two_models_of_one_subject_are_two_comparisons(tmp_path: Path):
    """bob5 tells them apart."""
    with read(tmp_path, "a m1 b p1 0.5\na m2 b p1 0.5\n", "bob5") as found:
        assert len(found) == 2


def test_scores_alone_know_nobody(tmp_path: Path):
    """Kinds are counted, and nothing is said of people."""
    with read(tmp_path, "1 0.9\n-1 0.4\n-1 nan\n", "bob2") as found:
        assert dict(zip(found.keys, found.trials, strict=True)) == {Cell(True, 0, 0): 1, Cell(False, 0, 0): 2}
        assert (found.knows_subjects, len(found.subjects), found.unscored) == (False, 0, 1)
        assert found.parties(mated=False) == ()


def test_a_subject_without_labels_is_named_with_its_line(tmp_path: Path):
    """d is in no labels file."""
    with (
        pytest.raises(InputError, match=r"line 2: subject 'd' has no row in --labels"),
        read(tmp_path, "a b p1 0.5\na d p2 0.5\n", sex="ff"),
    ):
        pass


def test_groups_need_subjects_and_labels(tmp_path: Path):
    """Each refusal says what is missing."""
    with (
        pytest.raises(InputError, match="names no subjects, so there are no groups"),
        read(tmp_path, "1 0.5\n", "bob2", sex="f"),
    ):
        pass
    path = tmp_path / "s.txt"
    path.write_text(HAND)
    with ExitStack() as stack, pytest.raises(InputError, match="expected --labels FILE"):
        comparisons.read(Recorded.open(str(path), "bob4"), tmp_path, columns=("sex",), n_blocks=4, stack=stack)


def test_too_many_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A place is one int32."""
    monkeypatch.setattr(comparisons, "MAX_PLACES", 10)
    monkeypatch.setattr(column_stream, "BLOCK_BYTES", 64)
    with pytest.raises(InputError, match="pairs of groups and 4 blocks are too many"), read(tmp_path, HAND, sex="fmf"):
        pass


def population(directory: Path, text: str, **options) -> dict[str, str] | None:
    """Whose comparisons a file of `text` holds."""
    with read(directory, text, **options) as found:
        return found.population


def test_the_population_is_that_of_the_comparisons_in_any_order(tmp_path: Path):
    """Other scores, or the rows turned around, are of the same people; another comparison is not."""
    lines = HAND.splitlines(keepends=True)
    plain = population(tmp_path, HAND)

    assert plain == population(tmp_path, "".join(lines[::-1]).replace("0.9", "0.7"))
    assert plain["pairs"] != population(tmp_path, "".join(lines[:-1]))["pairs"]
    # The probe of the last comparison is another's: the same templates, other people.
    other = population(tmp_path, HAND.replace("b c p3", "b d p3"))
    assert (plain["pairs"] == other["pairs"], plain["subjects"] == other["subjects"]) == (True, False)


def test_the_population_holds_the_labels_that_are_grouped_by(tmp_path: Path):
    """The same comparisons with another label of one person."""
    one, other = (population(tmp_path, HAND, sex=sex) for sex in ("fmf", "fmm"))

    assert {part for part in one if one[part] != other[part]} == {"labels"}


def test_scores_of_unnamed_templates_have_no_population(tmp_path: Path):
    """Nobody can tell whether two such files are of the same comparisons."""
    assert population(tmp_path, "1 0.9\n-1 0.4\n", format="bob2") is None
