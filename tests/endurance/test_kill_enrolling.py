"""A server killed while it enrols; `make endurance` does it a thousand times."""

from __future__ import annotations

from tests.endurance.kill_while_enrolling import survive


def test_what_a_killed_server_acknowledged_is_there() -> None:
    """SIGKILL loses no change that was answered, tears no batch, and the audit log has a line of each."""
    acknowledged, _ = survive(kills=4, seed=7)

    assert acknowledged > 0
