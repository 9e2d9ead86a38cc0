"""What a server takes and gives back; `make endurance` looks longer."""

from __future__ import annotations

from tests.endurance.leaks import used


def test_a_server_gives_back_what_it_takes() -> None:
    """Memory, disk and open files stay as they were after searches, and after galleries that came and went."""
    before, between, after = used(searches=2000, cycles=60)

    between.check(before)
    after.check(before)
