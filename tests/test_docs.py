"""The documents: what they point to is there, and those that everybody reads stay short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "frbench"
# Pages whose paths may begin below the package.
OF_THE_PACKAGE = ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/words.md")
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benches/README.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
FOLDERS = ("python", "rust", "tests", "docs", "benches", "protos", "examples", "studies")
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s]+)\)")
NAME = r"[\w.{},*<>-]+"
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/(?:{NAME}/)*(?:{NAME})?")
MODULE = re.compile(rf"(?:{NAME}/)*{NAME}\.(?:py|json)|(?:{NAME}/)+")
# Places for a name, in a path that says where something goes.
PLACE = re.compile(r"<\w+>")
# Files that a run writes: named as files are, and not of this repository.
WRITTEN = {"results.json", "manifest.json", "tally.safetensors"}
MOST_LINES = {"ARCHITECTURE.md": 100, "CONTRIBUTING.md": 120}


def text_of(page: str) -> str:
    """A page without its blocks of code, which hold commands and what they print."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def in_backticks(page: str) -> list[str]:
    """What a page has between backticks, each on one line."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text_of(page))]


def spelled_out(path: str) -> Iterator[str]:
    """The paths of one with braces: `a/{b,c}` is `a/b` and `a/c`."""
    found = re.search(r"\{([^{}]*)\}", path)
    if found is None:
        yield path
        return
    for choice in found[1].split(","):
        yield from spelled_out(f"{path[: found.start()]}{choice.strip()}{path[found.end() :]}")


def is_there(path: str, root: Path) -> bool:
    """Whether a file or folder of this path is below `root`; with stars, whether one at least is."""
    pattern = PLACE.sub("*", path).rstrip("/")
    return any(root.glob(pattern)) if "*" in pattern else (root / pattern).exists()


def headings(path: Path) -> set[str]:
    """Names by which links reach the headings of a page."""
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str):
    """To a file or folder of this repository, and to a heading that it has."""
    for link in LINK.findall(text_of(page)):
        path, _, heading = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not heading or heading in headings(target), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES)
def test_every_path_in_a_page_is_there(page: str):
    """Paths between backticks that begin with a folder of this repository; braces, stars and places spelled out."""
    named = [path for path in in_backticks(page) if PATH.fullmatch(path)]
    assert [path for one in named for path in spelled_out(one) if not is_there(path, ROOT)] == []


@pytest.mark.parametrize("page", OF_THE_PACKAGE)
def test_every_module_in_a_page_is_there(page: str):
    """Paths between backticks of the package, or from the root of the repository or of rust/."""
    named = {path for path in in_backticks(page) if MODULE.fullmatch(path)} - WRITTEN
    roots = (PACKAGE, ROOT, ROOT / "rust")
    assert named
    assert (
        sorted(path for one in named for path in spelled_out(one) if not any(is_there(path, root) for root in roots))
        == []
    )


@pytest.mark.parametrize("page", MOST_LINES)
def test_a_page_that_everybody_reads_is_short(page: str):
    """What does not fit belongs to a decision or to a page of its own."""
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= MOST_LINES[page]


def test_every_decision_is_in_the_index_and_says_what_was_asked():
    """Numbers count up from 1, and each has a question, a decision, its cost, its evidence and what would change it."""
    parts = ["Question", "Decision", "What it costs", "Evidence", "What would change it"]
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")

    assert [int(path.name[:3]) for path in pages] == list(range(1, len(pages) + 1))
    assert LINK.findall(index) == [path.name for path in pages]
    for path in pages:
        assert re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE) == parts, path.name


def test_braces_and_stars_are_spelled_out():
    """The reader of paths finds what is there, and misses what is not."""
    assert list(spelled_out("rust/{dot,count}/mod.rs")) == ["rust/dot/mod.rs", "rust/count/mod.rs"]
    assert is_there("docs/*.md", ROOT)
    assert is_there("tests/test_<module>.py", ROOT)
    assert not is_there("docs/*.nothing", ROOT)
