"""Which tests `make check` runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT
from tests.changed import chosen, mirrors_of, without


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("python/frbench/reading/metrics.py", ["tests/reading/test_metrics.py"]),
        ("python/frbench/engines/gpu/kernels.py", ["tests/engines/test_gpu.py"]),
        ("python/frbench/tally.py", ["tests/test_tally.py"]),
        ("tests/test_tally.py", ["tests/test_tally.py"]),
        ("tests/worlds/worlds.py", []),
        ("README.md", []),
    ],
)
def test_a_file_has_the_tests_of_its_mirror_or_its_folder(path: str, expected: list[str]):
    """A module of its own name, else of the name of its folder."""
    assert mirrors_of(Path(path)) == list(map(Path, expected))


def test_a_module_without_a_mirror_has_the_tests_beside_it_that_import_it():
    """The rules of a fusion have no test file of their own."""
    found = mirrors_of(Path("python/frbench/counting/fusion/rule.py"))

    assert found == [Path("tests/counting/fusion/test_fusion.py")]
    assert "fusion.rule import" in (ROOT / found[0]).read_text()


def test_modules_without_a_test_are_named():
    """Rather than passed over."""
    bare = Path("python/frbench/v1/__init__.py")

    assert without([bare, Path("README.md")]) == [bare]


def test_endurance_is_left_out_and_the_order_of_stages_is_always_there():
    """`make check` takes less than a minute."""
    assert chosen([Path("tests/endurance/test_kill.py")]) == [Path("tests/test_layers.py")]
