"""Messages that no client would send; `make endurance` sends a hundred thousand."""

from __future__ import annotations

from tests.endurance.garbage import SLACK_BYTES, bombard
from tests.worlds.servers import running


def test_garbage_is_refused_and_the_server_goes_on() -> None:
    """Each message gets a status of the contract, none ends or fills the server, and good ones are answered after."""
    with running() as server:
        statuses, before, after = bombard(server, 2000)

    assert statuses["INVALID_ARGUMENT"] > 500
    assert after - before < SLACK_BYTES
