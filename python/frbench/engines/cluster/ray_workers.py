"""Calls to workers on Ray, actors that each hold an object, on this machine or on a cluster.

A worker that is lost is replaced, and what it was asked is asked again: calls change nothing, so that the answer is
the same. Arguments travel through Ray's store of objects, which is kept small.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib.metadata import version
from typing import Any

from frbench.engines.cluster.ending import Calls, undisturbed
from frbench.engines.cluster.ray_cluster import connected, sentence
from frbench.errors import EngineUnavailable, FrbenchError, InputError
from frbench.inputs import scratch

# Pieces that are on their way to the workers while the answer to another one is awaited.
AHEAD = 1
# Losses of one worker in a row after which it is given up: something kills it.
MOST_LOSSES = 5
START_S = 180.0
ASK_AGAIN_S = 1.0
# A call that is under way when workers are ended takes no longer: it asks again after the time above.
CLOSE_S = 10.0
log = logging.getLogger(__name__)


class RayWorkers:
    """Actors that each hold what `make` returns, which is told its number of threads.

    Parameters
    ----------
    n : workers; None for one on each machine of a cluster, and one for each processor of this machine.
    threads : processors of each; 0 for its share of the machine.
    address : of a cluster that runs, HOST:PORT or auto; None starts one on this machine, for these workers alone.

    Raises
    ------
    EngineUnavailable : Ray is not installed, the cluster cannot be reached, or has too few processors.
    """

    def __init__(
        self, make: Callable[[int], Any], n: int | None = None, *, threads: int = 0, address: str | None = None
    ) -> None:
        if (n is not None and n < 1) or threads < 0:
            raise InputError(f"{n} workers of {threads} threads, expected 1 worker or more of 0 (its share) or more")
        self.lost: list[str] = []
        self._make, self._address = make, address
        self._changing = threading.Lock()
        self._calls = Calls()
        self._cluster = ExitStack()
        self._actors: list[Any] = []
        try:
            processors = max(scratch.processors(), (n or 1) * max(1, threads))
            self._ray = self._cluster.enter_context(connected(address, processors))
            self.n, self.threads = self._room(n, threads)
            self._actors = [self._started() for _ in range(self.n)]
            self._await_start()
        except BaseException:
            self.close()
            raise

    def share(self, value: Any) -> Any:
        """`value` as an argument that is sent to each machine once.

        Raises
        ------
        EngineUnavailable : the store of objects is full, or its machine is gone.
        """
        try:
            with self._calls.one():
                return self._ray.put(value)
        except self._ray.exceptions.RayError as error:
            raise EngineUnavailable(f"Ray does not take what workers are sent: {sentence(error)}") from error

    def map(self, method: str, pieces: Iterable[Sequence[tuple[Any, ...]]]) -> Iterator[list[Any]]:
        """For each piece, what the method of the first workers returns for these arguments, one tuple a worker.

        Raises
        ------
        EngineUnavailable : a worker is lost again and again, or all were ended.
        FrbenchError : what a worker raised.
        """
        waiting: deque[list[_Call]] = deque()
        for piece in pieces:
            waiting.append([_Call(self, method, worker, arguments) for worker, arguments in enumerate(piece)])
            if len(waiting) > AHEAD:
                yield [call.answer() for call in waiting.popleft()]
        while waiting:
            yield [call.answer() for call in waiting.popleft()]

    def describe(self) -> Mapping[str, Any]:
        """The runner, its version, and how many workers of how many threads there are."""
        return {
            "runner": "ray",
            "ray": self._ray.__version__,
            "address": "this machine" if self._address is None else self._address,
            "threads": self.threads,
        }

    def close(self) -> None:
        """Ends the workers, and the cluster that was started for them; what is waited for is given up."""
        with undisturbed():
            self._calls.close(CLOSE_S)
            # An actor or a cluster that is gone already is as wanted.
            for actor in self._actors:
                with suppress(Exception):
                    self._ray.kill(actor)
            self._actors = []
            self._cluster.close()

    def submit(self, method: str, worker: int, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        """The actor that was asked, and the reference of its answer."""
        with self._calls.one():
            actor = self._actors[worker]
            return actor, actor.call.remote(method, *arguments)

    def fetch(self, reference: Any) -> Any:
        """The answer, in turns, so that it is seen when the workers are ended.

        Raises
        ------
        FrbenchError : what the worker raised. Lost : the worker is no more.
        """
        errors = self._ray.exceptions
        while True:
            try:
                with self._calls.one():
                    return self._ray.get(reference, timeout=ASK_AGAIN_S)
            except errors.GetTimeoutError:
                continue
            except errors.RayTaskError as error:
                if isinstance(error.cause, FrbenchError | MemoryError | ValueError):
                    raise error.cause from None
                raise
            except errors.ActorUnavailableError:
                raise Lost("its process or machine cannot be reached") from None
            except errors.OutOfMemoryError:
                raise Lost("its machine has no memory left, and Ray ended it") from None
            except errors.RayError as error:
                raise Lost(_reason(error)) from None

    def replace(self, worker: int, actor: Any, why: str) -> None:
        """Starts another worker in place of `actor`, unless that was done already.

        Raises
        ------
        EngineUnavailable : no machine has room for it.
        """
        with self._changing:
            with self._calls.one():
                if self._actors[worker] is not actor:
                    return
                with suppress(Exception):
                    self._ray.kill(actor)
                self.lost.append(f"worker {worker}: {why}")
                log.warning("frbench: worker %d was lost, another one takes its place: %s", worker, why)
                self._actors[worker] = self._started()
            if not self._is_started(worker):
                raise EngineUnavailable(
                    f"worker {worker} was lost ({why}), and in {START_S:.0f} s no machine of the cluster had room for "
                    "another one; start machines or lower --workers, and the same command goes on"
                )

    def _room(self, n: int | None, threads: int) -> tuple[int, int]:
        """Workers, and threads of each."""
        machines = [int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"]]
        if n is None:
            n = len(machines) if len(machines) > 1 else max(1, machines[0] // max(1, threads))
        threads = threads or max(1, min(machines) // -(-n // len(machines)))
        if sum(each // threads for each in machines) < n:
            raise InputError(
                f"{n} workers of {threads} threads do not fit the {sum(machines)} processors of this Ray cluster; "
                "lower --workers or --threads"
            )
        return n, threads

    def _started(self) -> Any:
        actor = self._ray.remote(Holder)
        return actor.options(num_cpus=self.threads, max_restarts=0, max_task_retries=0).remote(self._make, self.threads)

    def _await_start(self) -> None:
        releases = [actor.release.remote() for actor in self._actors]
        if len(self._ray.wait(releases, num_returns=self.n, timeout=START_S)[0]) < self.n:
            raise EngineUnavailable(
                f"not all of {self.n} workers were started in {START_S:.0f} s; are others using Ray?"
            )
        for release in releases:
            self._require_this_release(release)

    def _require_this_release(self, release: Any) -> None:
        """Raises EngineUnavailable if a machine has another frbench, or none."""
        try:
            found = self._ray.get(release)
        except self._ray.exceptions.RayError as error:
            if not getattr(error, "actor_init_failed", False):
                # It was lost, as it may be at any time: the first call replaces it.
                return
            raise EngineUnavailable(
                f"workers cannot be started ({_reason(error)}); install frbench {version('frbench')} on every machine "
                "of the cluster, for the Python that runs Ray there"
            ) from error
        if found != version("frbench"):
            raise EngineUnavailable(
                f"a machine of the cluster has frbench {found}, this one {version('frbench')}; install the same on all"
            )

    def _is_started(self, worker: int) -> bool:
        """Whether a worker answers in time, if only by its end."""
        end = time.monotonic() + START_S
        with self._calls.one():
            release = self._actors[worker].release.remote()
        while time.monotonic() < end:
            with self._calls.one():
                if self._ray.wait([release], timeout=ASK_AGAIN_S)[0]:
                    return True
        return False


class Lost(Exception):
    """A worker is no more; the message says why."""


class _Call:
    """A question that is asked again when the worker that was asked is lost."""

    def __init__(self, workers: RayWorkers, method: str, worker: int, arguments: tuple[Any, ...]) -> None:
        self._workers, self._asked = workers, (method, worker, arguments)
        self._actor, self._reference = workers.submit(*self._asked)

    def answer(self) -> Any:
        """What the worker returned."""
        worker = self._asked[1]
        for losses in range(1, MOST_LOSSES + 1):
            try:
                return self._workers.fetch(self._reference)
            except Lost as error:
                if losses == MOST_LOSSES:
                    raise EngineUnavailable(f"worker {worker} was lost {losses} times in a row: {error}") from None
                self._workers.replace(worker, self._actor, str(error))
            self._actor, self._reference = self._workers.submit(*self._asked)
        raise AssertionError("the last loss is raised")


class Holder:
    """The actor: what it holds is made by the first call, so that a mistake is the answer to it."""

    def __init__(self, make: Callable[[int], Any], threads: int) -> None:
        self._make, self._threads = make, threads
        self._held: Any = None

    def release(self) -> str:
        """Version of frbench where the actor was started."""
        return version("frbench")

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method of the object returns."""
        if self._held is None:
            self._held = self._make(self._threads)
        return getattr(self._held, method)(*arguments)


def _reason(error: BaseException) -> str:
    """Why a worker ended: the last line, less guesses of Ray that follow it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else type(error).__name__
    return said.rpartition("Worker exit detail: ")[2].partition(" Some common causes")[0].rstrip(".")
