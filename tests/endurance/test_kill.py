"""A sweep killed at a random moment; `make endurance` does it 50 times."""

from __future__ import annotations

from tests.endurance.kill_and_resume import survive


def test_a_killed_sweep_resumes_to_the_same_tally() -> None:
    """SIGKILL costs time, never a count: the resumed tally file equals an undisturbed one, byte for byte."""
    survive(kills=2, seed=7, images=6000)
