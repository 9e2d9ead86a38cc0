"""Servers that are killed, started again, or have no time cost nothing but time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from frbench.counting.layout import Layout
from frbench.counting.sweep import Checkpoint, sweep
from frbench.counting.verify import AllPairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.remote import RemoteEngine
from frbench.engines.servers import CALLS_AT_ONCE, FIRST_PAUSE_S, GALLERIES_KEPT, Lent, Server, Servers
from frbench.errors import EngineUnavailable, InputError
from frbench.service import client
from frbench.service.client import Client, Credentials
from frbench.tally import Tally
from tests.worlds import servers, worlds

N, BLOCKS = 120, 10
UNIT = worlds.unit_rows(np.random.default_rng(8).normal(size=(N, 16)))[0]
PEOPLE = worlds.templates(UNIT, [f"s{i // 3}" for i in range(N)], sex=["f" if i % 6 < 3 else "m" for i in range(N)])
WORLD = worlds.World(PEOPLE, edges=tuple(np.linspace(-1, 1, 41).tolist()), n_blocks=BLOCKS)


def lent(seed: int = 0, *, n: int = 9) -> Lent:
    """Rows under a name of their own."""
    unit = worlds.unit_rows(np.random.default_rng(seed).normal(size=(n, 4)))[0]
    return Lent(f"lent-{seed}-{time.monotonic_ns()}", unit)


def counted(engine: RemoteEngine, *, during: Callable[[int], None] = lambda _: None, **options: object) -> Tally:
    """All tiles; `during` is told how many were added before each is."""
    counter = AllPairs(Layout.of(PEOPLE, ("sex",), BLOCKS), engine)
    n_added = [0]

    def advance(_: int) -> None:
        during(n_added[0])
        n_added[0] += 1

    count = partial(counter.count, WORLD.plan)
    return sweep(WORLD.plan, count, advance=advance, workers=engine.parallel, **options)


def cpu_tally() -> Tally:
    """What one machine counts."""
    return WORLD.counted_by(CpuEngine())


def test_three_servers_share_a_sweep(three_servers: list[servers.Running]):
    """Each has some of the tiles, together they have all, and the tally is that of one machine."""
    engine = RemoteEngine([each.target for each in three_servers])
    tally = counted(engine)
    shares = [each["tiles"] for each in engine.describe()["servers"]]
    engine.close()

    assert tally == cpu_tally()
    assert len(shares) == 3
    assert sum(shares) == BLOCKS * (BLOCKS + 1) // 2


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_server_that_is_killed_in_a_sweep_is_done_without(after: int):
    """SIGKILL after some tiles: the others count what it had begun, and the loss is written down."""
    with servers.several(3) as found:
        engine = RemoteEngine([each.target for each in found])
        tally = counted(engine, during=lambda n: found[1].kill() if n == after else None)
        described = engine.describe()
        engine.close()

    assert tally == cpu_tally()
    assert all(found[1].target in reason for reason in described["lost"])
    assert sum(each.get("tiles", 0) for each in described["servers"]) == BLOCKS * (BLOCKS + 1) // 2


def test_a_sweep_without_servers_ends_and_is_resumed_by_others(tmp_path: Path):
    """When the last one is killed the error names each; what was counted is kept, and other servers go on."""
    checkpoint = Checkpoint(tmp_path, interval_s=0)
    with servers.several(2) as found:
        engine = RemoteEngine([each.target for each in found])

        def kill(n: int) -> None:
            if n == 12:
                for each in found:
                    each.kill()

        with pytest.raises(EngineUnavailable, match="no server is left") as error:
            counted(engine, during=kill, checkpoint=checkpoint)
        engine.close()
    assert all(each.target in str(error.value) for each in found)
    kept = checkpoint.resume(WORLD.plan)
    assert 12 <= len(kept.tiles) < len(WORLD.plan.tiles())

    with servers.several(1) as found:
        engine = RemoteEngine([found[0].target])
        assert counted(engine, checkpoint=checkpoint) == cpu_tally()
        engine.close()


def test_a_server_that_was_started_again_is_lent_the_rows_again():
    """It has forgotten them: the next tile finds out, sends them, and is counted."""
    with servers.running() as first:
        engine, port = RemoteEngine([first.target]), first.port
        assert counted(engine) == cpu_tally()
        first.kill()
        with servers.running("--listen", f"127.0.0.1:{port}"):
            _until_answered(engine.servers.all[0].client)
            assert counted(engine) == cpu_tally()
            engine.close()


def test_an_interruption_waits_for_no_server(monkeypatch: pytest.MonkeyPatch):
    """The server stands still while it has tiles; they are given up, and no thread is left that asks for them."""
    with servers.running() as still:
        engine = RemoteEngine([still.target])

        def interrupt(n: int) -> None:
            if n == 12:
                still.freeze()
                # What was lent is asked back for so long, in vain.
                monkeypatch.setattr(client, "QUICK_S", 0.5)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            counted(engine, during=interrupt)
        engine.close()
        for thread in threading.enumerate():
            if thread.name.startswith("frbench-"):
                thread.join(servers.WAIT_S)
                assert not thread.is_alive()


def _until_answered(client: Client) -> None:
    """Returns when the connection stands again."""
    end = time.monotonic() + servers.WAIT_S
    while True:
        try:
            client.info()
        except EngineUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def ask(server: Server, _: Sequence[str]) -> str:
    """Work that any server can do."""
    server.client.info()
    return server.client.target


def test_a_lost_server_is_tried_again_after_a_pause(caplog: pytest.LogCaptureFixture):
    """Not before it, so that nobody waits for it; once it answers it has its share again."""
    now = [0.0]
    with servers.running() as first, servers.running() as other:
        pool = Servers([first.target, other.target], clock=lambda: now[0])
        first.kill()
        assert {pool.run(ask, ()) for _ in range(4)} == {other.target}
        assert [len(server.lost) for server in pool.all] == [1, 0]
        assert f"a server is set aside, others do its work: {first.target}" in caplog.text

        with servers.running("--listen", f"127.0.0.1:{first.port}") as again:
            _until_answered(pool.all[0].client)
            assert {pool.run(ask, ()) for _ in range(4)} == {other.target}
            now[0] += FIRST_PAUSE_S
            other.kill()
            assert {pool.run(ask, ()) for _ in range(4)} == {again.target}
        pool.close()


def test_servers_that_are_not_there_at_the_start_are_done_without(server: servers.Running):
    """One of two is enough; none of two is an error that names both."""
    nobody = ["grpc://127.0.0.1:1", "grpc://127.0.0.1:2"]
    pool = Servers([nobody[0], server.target])
    assert pool.run(ask, ()) == server.target
    pool.close()

    with pytest.raises(EngineUnavailable, match=r"no server is left: .*127\.0\.0\.1:1 .*127\.0\.0\.1:2 "):
        Servers(nobody)


def test_no_server_is_given_more_than_two_calls(three_servers: list[servers.Running]):
    """Twelve calls that wait for each other by six fill three servers, and each has two."""
    pool = Servers([each.target for each in three_servers])
    barrier, most = threading.Barrier(pool.at_once, timeout=60), [0]

    def meet(server: Server, names: Sequence[str]) -> str:
        barrier.wait()
        most[0] = max(most[0], *(each.running for each in pool.all))
        return ask(server, names)

    where = pool.map([meet] * (2 * pool.at_once), ())
    pool.close()

    assert most == [CALLS_AT_ONCE]
    assert {each.target for each in three_servers} == set(where)


def test_what_was_lent_is_taken_back(server: servers.Running):
    """Four matrices at most are on a server, the last ones used, and none when the pool is closed."""
    all_lent = [lent(seed) for seed in range(GALLERIES_KEPT + 2)]
    pool = Servers([server.target])
    with Client(server.target) as client:

        def there() -> list[str]:
            names = {each.name for each in client.galleries()}
            return [each.name for each in all_lent if any(name.startswith(each.name) for name in names)]

        for each in all_lent:
            assert pool.run(lambda s, names: s.client.gallery(*names).n_templates, (each,)) == len(each.unit)
        assert there() == [each.name for each in all_lent[-GALLERIES_KEPT:]]
        pool.close()
        assert there() == []


def test_a_mistake_of_the_caller_is_not_a_loss(server: servers.Running):
    """What every server refuses is refused at once, and no server is set aside for it."""
    pool = Servers([server.target])
    with pytest.raises(InputError, match="name"):
        pool.run(lambda s, _: s.client.create_gallery("No Such Name", 3), ())

    assert pool.run(ask, ()) == server.target
    assert pool.all[0].lost == []
    pool.close()


def test_a_closed_pool_does_nothing(server: servers.Running):
    """Work that is handed to it, or waits for a server, ends with a sentence."""
    pool = Servers([server.target])
    pool.close()

    with pytest.raises(EngineUnavailable, match="closed"):
        pool.run(ask, ())


def test_a_server_that_allows_few_calls_is_waited_for(tmp_path: Path):
    """A hundred calls a second, one at once: the sweep takes longer and counts the same."""
    digest = hashlib.sha256(b"secret").hexdigest()
    text = f'[[tokens]]\nname = "x"\nsha256 = "{digest}"\nscopes = ["admin"]\nrate_per_s = 100.0\nburst = 1\n'
    with servers.running(*servers.configured(tmp_path, text)) as slow:
        engine = RemoteEngine([slow.target], credentials=Credentials(token="secret"))
        assert counted(engine) == cpu_tally()
        assert engine.describe()["lost"] == []
        engine.close()
