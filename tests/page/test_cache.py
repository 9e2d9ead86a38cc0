"""User cache: a text is made once, whatever happens to its file, and never other than it was made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frbench.page.assets import library
from frbench.page.cache import kept

KEY = ("maker", "1.0")


@dataclass
class Maker:
    """Makes one text, and says how often it was asked to."""

    text: str = "function f() { return 'größer'; }\n"
    asked: int = 0

    def __call__(self) -> str:
        """The text."""
        self.asked += 1
        return self.text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def file_in(home: Path) -> Path:
    """The one file of the cache."""
    (found,) = (home / "frbench").iterdir()
    return found


def test_a_text_is_made_once(home: Path):
    """And is what was made; its file is its user's alone."""
    maker = Maker()

    assert [kept("vega", KEY, maker) for _ in range(3)] == [maker.text] * 3
    assert maker.asked == 1
    assert file_in(home).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("home")
def test_another_key_is_another_text():
    """A new version of the maker is asked again, and the old text is still there for the old one."""
    old, new = Maker("old"), Maker("new")

    assert [kept("vega", ("1",), old), kept("vega", ("2",), new), kept("vega", ("1",), new)] == ["old", "new", "old"]
    assert (old.asked, new.asked) == (1, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_file_is_never_read(home: Path, at: int, bit: int, cut: bool):
    """A file that lost its end, or one bit anywhere: the text is made again, and kept again."""
    maker = Maker()
    kept("vega", KEY, maker)
    path = file_in(home)
    whole = path.read_bytes()
    at %= len(whole)
    path.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    before = maker.asked

    assert [kept("vega", KEY, maker) for _ in range(2)] == [maker.text] * 2
    assert maker.asked == before + 1
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_trusted(tmp_path: Path, mode: int):
    """What is in it goes into pages as a program."""
    maker = Maker()
    kept("vega", KEY, maker)
    file_in(tmp_path).chmod(mode)

    assert kept("vega", KEY, maker) == maker.text
    assert maker.asked == 2
    assert file_in(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_not_trusted(home: Path):
    """As where a program is run as root with the home of somebody else."""
    maker = Maker()
    kept("vega", KEY, maker)
    os.chown(file_in(home), 65534, -1)

    assert kept("vega", KEY, maker) == maker.text
    assert maker.asked == 2


def test_where_nothing_can_be_kept_it_is_made_each_time(home: Path, monkeypatch: pytest.MonkeyPatch):
    """The cache is a file, or the place of the text a directory: no error."""
    maker = Maker()
    kept("vega", KEY, maker)
    path = file_in(home)
    path.unlink()
    path.mkdir()
    (home / "file").write_text("")

    for cache in (home, home / "file"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        assert kept("vega", KEY, maker) == maker.text
    assert maker.asked == 3


@pytest.mark.parametrize("named", ["", "relative/cache"])
def test_without_an_absolute_place_the_home_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str):
    """As the XDG specification has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", named)

    kept("vega", KEY, Maker())

    assert [path.parent.name for path in (tmp_path / "home").rglob("vega-*")] == ["frbench"]
    assert not (tmp_path / "relative").exists()


@pytest.fixture
def forgotten() -> Iterator[None]:
    """This process has not made the library of pages yet, and forgets what the test made."""
    library.cache_clear()
    yield
    library.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_pages_have_the_same_library_from_the_cache(home: Path):
    """Made, read, and made again where the file is damaged: one script, which ends no element of its page."""
    made = library()
    library.cache_clear()
    read = library()
    path = file_in(home)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"vegaEmbed", b"vegaEvil!"))
    library.cache_clear()

    assert made == read == library()
    assert path.read_bytes() == whole
    assert "window.vegaEmbed=" in made
    assert "</script" not in made
