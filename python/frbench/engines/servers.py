"""Work handed to whichever server is free, and to another one when that one is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from frbench.errors import AlreadyOnServer, EngineUnavailable, FormatError, FrbenchError, NotOnServer, ServerBusy
from frbench.inputs.arrays import Floats32
from frbench.service import wire
from frbench.service.client import DEFAULT_TIMEOUT_S, Client
from frbench.service.credentials import ANYBODY, Credentials

# Two calls: one travels while the other is computed.
CALLS_AT_ONCE = 2
# Galleries that a server holds for this program at the same time.
GALLERIES_KEPT = 4
IDLE_S = 600
# Bytes of one call of an enrolment, so that no call comes near its deadline.
CALL_BYTES = 1 << 30
# After this long a server that was lost is tried again, after twice as long the next time.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
# A busy server is asked again after this long at the latest, and is lost when it was busy for longer than PATIENCE_S.
LONGEST_WAIT_S = 5.0
PATIENCE_S = 600.0

Done = TypeVar("Done")
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Lent:
    """Unit rows (n, d) that servers are lent, and the name under which they have them."""

    name: str
    unit: Floats32


class Server:
    """One server: what it was lent, what it has done, and why it was lost."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.info: wire.Server | None = None
        self.done: Counter[str] = Counter()
        self.lost: list[str] = []
        self.running = 0
        self.failures = 0
        self.back_at = 0.0
        self._made: set[str] = set()
        self._held: OrderedDict[str, None] = OrderedDict()
        self._lives = 0
        self._lending = threading.Lock()

    def lend(self, lent: Sequence[Lent]) -> list[str]:
        """Names under which the server holds these rows; those that it does not hold are sent.

        They are others after `forget`: nobody takes a gallery that is being filled again for the one that was full.
        """
        with self._lending:
            if self.info is None:
                self.info = self.client.info()
            names = [f"{each.name}-{self._lives}" for each in lent]
            for name, each in zip(names, lent, strict=True):
                if name not in self._held:
                    self._send(name, each.unit)
                self._held[name] = None
                self._held.move_to_end(name)
            while len(self._held) > max(GALLERIES_KEPT, len(lent)):
                dropped, _ = self._held.popitem(last=False)
                self._made.discard(dropped)
                with suppress(NotOnServer):
                    self.client.drop_gallery(dropped)
            return names

    def forget(self, names: Sequence[str]) -> None:
        """Notes that the server has lost these, and so everything that it held when it had them."""
        with self._lending:
            if any(name in self._held for name in names):
                self._held.clear()
                self._made.clear()
                self._lives += 1

    def close(self) -> None:
        """Takes back what was lent, if that can be done at once, and ends the connection."""
        if not self.failures and self._lending.acquire(blocking=False):
            # What cannot be dropped now is dropped by the server, when it was idle for long enough.
            with suppress(FrbenchError):
                for name in self._held:
                    self.client.drop_gallery(name)
            self._lending.release()
        self.client.close()

    def _send(self, name: str, unit: Floats32) -> None:
        # A server that has time for one call now and then is not asked for the same gallery each time.
        if name not in self._made:
            with suppress(AlreadyOnServer):
                self.client.create_gallery(name, unit.shape[1], is_ephemeral=True, idle_s=IDLE_S)
            self._made.add(name)
        try:
            self._fill(name, unit)
        except NotOnServer as error:
            self._made.discard(name)
            raise EngineUnavailable(f"{error}, though it was made a moment ago") from error

    def _fill(self, name: str, unit: Floats32) -> None:
        step = max(1, CALL_BYTES // unit[:1].nbytes)
        for start in range(0, len(unit), step):
            part = unit[start : start + step]
            numbers = [str(row) for row in range(start, start + len(part))]
            held = self.client.enrol(name, part, numbers, is_unit=True).gallery.n_templates
        if held != len(unit):
            raise EngineUnavailable(f"{self.client.target} holds {held} of {len(unit)} rows that it was sent")


Work = Callable[[Server, Sequence[str]], Done]


class Servers:
    """Servers that share work, handed to them by any thread.

    Raises
    ------
    EngineUnavailable : none can be reached.
    InputError : a target is no address, or its server refuses the caller.
    """

    def __init__(
        self,
        targets: Sequence[str],
        *,
        credentials: Credentials = ANYBODY,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.all = [Server(Client(each, credentials=credentials, timeout_s=timeout_s)) for each in targets]
        self._clock = clock
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="frbench-call")
        try:
            self._greet()
        except FrbenchError:
            self.close()
            raise

    @property
    def at_once(self) -> int:
        """Calls that all servers together are given at the same time."""
        return CALLS_AT_ONCE * len(self.all)

    def run(self, work: Work[Done], lent: Sequence[Lent]) -> Done:
        """What `work` returns, done on one server that holds what is `lent`; `work` is told under which names.

        Raises
        ------
        EngineUnavailable : no server is left.
        """
        waited_s = 0.0
        while True:
            pause_s = 0.0
            with self._free_server() as server:
                try:
                    done = _on(server, work, lent)
                except ServerBusy as busy:
                    pause_s = min(busy.retry_s, LONGEST_WAIT_S)
                    waited_s += pause_s
                    if waited_s > PATIENCE_S:
                        self._set_aside(server, busy)
                except (EngineUnavailable, FormatError) as error:
                    self._set_aside(server, error)
                else:
                    server.failures = 0
                    return done
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, pause_s)

    def map(self, works: Sequence[Work[Done]], lent: Sequence[Lent]) -> list[Done]:
        """What each of `works` returns, in their order, done side by side."""
        if len(works) == 1:
            return [self.run(works[0], lent)]
        futures = [self._threads.submit(self.run, work, lent) for work in works]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """Cancels what is under way, takes back what was lent, and ends the connections."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for server in self.all:
            server.close()

    def _greet(self) -> None:
        """Asks each server who it is; those that do not answer are set aside."""
        for server in self.all:
            try:
                server.lend(())
            except EngineUnavailable as error:
                self._set_aside(server, error)
        with self._changed:
            self._in_service()

    @contextmanager
    def _free_server(self) -> Iterator[Server]:
        with self._changed:
            while (server := self._least_busy()) is None:
                self._changed.wait()
            server.running += 1
        try:
            yield server
        finally:
            with self._changed:
                server.running -= 1
                self._changed.notify_all()

    def _least_busy(self) -> Server | None:
        free = [s for s in self._in_service() if s.running < (1 if s.failures else CALLS_AT_ONCE)]
        return min(free, key=lambda server: server.running, default=None)

    def _in_service(self) -> list[Server]:
        if self._is_closed:
            raise EngineUnavailable("the connections to the servers were closed")
        found = [server for server in self.all if not server.failures or server.back_at <= self._clock()]
        if not found:
            raise EngineUnavailable(f"no server is left: {'; '.join(server.lost[-1] for server in self.all)}")
        return found

    def _set_aside(self, server: Server, why: FrbenchError) -> None:
        with self._changed:
            now = self._clock()
            if self._is_closed or (server.failures and now < server.back_at):
                return
            pause_s = min(FIRST_PAUSE_S * 2**server.failures, LONGEST_PAUSE_S)
            server.failures, server.back_at = server.failures + 1, now + pause_s
            server.lost.append(str(why))
        log.warning("frbench: a server is set aside, others do its work: %s", why)


def _on(server: Server, work: Work[Done], lent: Sequence[Lent]) -> Done:
    """What `work` returns; a server that was started again is lent the rows again."""
    names = server.lend(lent)
    try:
        return work(server, names)
    except NotOnServer:
        server.forget(names)
    names = server.lend(lent)
    try:
        return work(server, names)
    except NotOnServer as error:
        server.forget(names)
        raise EngineUnavailable(f"{error}, though it was sent a moment ago") from error
