"""Test files of what changed since the last commit but one: `make check` runs them.

python -m tests.changed
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT

TESTS, PACKAGE = Path("tests"), Path("python/frbench")
# Seconds for every change: who may import whom.
ALWAYS = TESTS / "test_layers.py"
# Kills, floods and leaks are minutes, whatever changed.
NEVER = TESTS / "endurance"


def changed() -> list[Path]:
    """Files that differ from the last commit but one, with those that git does not know yet."""
    before = "HEAD~1" if _git("rev-parse", "--quiet", "--verify", "HEAD~1") else "HEAD"
    names = [*_git("diff", "--name-only", before), *_git("ls-files", "--others", "--exclude-standard")]
    return [Path(name) for name in names if (ROOT / name).exists()]


def mirrors_of(path: Path) -> list[Path]:
    """Test files of one: itself, its mirror, that of its folder, or those beside the mirror that import it.

    Of these the first that there are; `make test` runs the rest.
    """
    if path.parts[0] == TESTS.name and path.name.startswith("test_"):
        return [path]
    if path.suffix != ".py" or not path.is_relative_to(PACKAGE):
        return []
    module = path.relative_to(PACKAGE).with_suffix("")
    folder = module.parent
    mirrors = [TESTS / folder / f"test_{module.name}.py"]
    if folder.name:
        mirrors += [TESTS / place / f"test_{folder.name}.py" for place in (folder, folder.parent)]
    there = [each for each in mirrors if (ROOT / each).exists()]
    return there[:1] or list(_importing(module))


def chosen(paths: list[Path]) -> list[Path]:
    """Test files to run after these changed."""
    found = {test for path in paths for test in mirrors_of(path)}
    return sorted({each for each in found if not each.is_relative_to(NEVER)} | {ALWAYS})


def without(paths: list[Path]) -> list[Path]:
    """Modules among them of which no test would be run."""
    return [path for path in paths if path.is_relative_to(PACKAGE) and path.suffix == ".py" and not mirrors_of(path)]


def _importing(module: Path) -> Iterator[Path]:
    package = ".".join(("frbench", *module.parent.parts))
    imports = re.compile(rf"from {package}(\.{module.name} import| import .*\b{module.name}\b)")
    for test in sorted((ROOT / TESTS / module.parent).glob("test_*.py")):
        if imports.search(test.read_text()):
            yield test.relative_to(ROOT)


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


if __name__ == "__main__":
    paths = changed()
    for path in without(paths):
        print(f"no unit test of {path}: make test has others", file=sys.stderr)
    print(*chosen(paths), sep="\n")
