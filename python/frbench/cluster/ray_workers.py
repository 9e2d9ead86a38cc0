"""Workers on Ray: actors that each hold an object, on this machine or on a cluster. Only this module knows Ray.

A worker that is lost is replaced, and what it was asked is asked again: calls change nothing, so that the answer is
the same. Arguments travel through Ray's store of objects, which is kept small.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from frbench import files, scratch
from frbench.cluster.ending import Calls, handlers_kept, undisturbed, without_orphans
from frbench.errors import EngineUnavailable, FrbenchError, InputError

STORE_BYTES = 384 << 20
# Pieces that are on their way to the workers while the answer to another one is awaited.
AHEAD = 1
# Losses of one worker in a row after which it is given up: something kills it.
MOST_LOSSES = 5
START_S = 180.0
CONNECT_S = 10.0
ASK_AGAIN_S = 1.0
# A call that is under way when workers are ended takes no longer: it asks again after the time above.
CLOSE_S = 10.0
# Of this machine alone. Ray takes 127.0.0.1 for a name of the address that other machines see.
LOCAL = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
TEMPORARY = "frbench-ray-"
# What Ray would do or print by itself, and a program that counts does not want.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # A thread that asks after the end must not start another cluster.
    "RAY_ENABLE_AUTO_CONNECT": "0",
}

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
        self._ray = _imported()
        self._cluster = ExitStack()
        self._actors: list[Any] = []
        try:
            self._connect(max(scratch.processors(), (n or 1) * max(1, threads)))
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
            raise EngineUnavailable(f"Ray does not take what workers are sent: {_sentence(error)}") from error

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

    def _connect(self, processors: int) -> None:
        if self._address is not None:
            _require_listener(self._address)
        if self._ray.is_initialized():
            if self._address is not None:
                raise InputError("this process has joined a Ray cluster, and its workers are there; leave address out")
            return
        if self._address is None:
            self._cluster.enter_context(local_cluster(processors))
        else:
            self._cluster.enter_context(_initialised(f"at {self._address}", address=self._address))

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


@contextmanager
def local_cluster(processors: int) -> Iterator[None]:
    """A Ray cluster of this machine alone, for as long as the work inside takes: small, quiet, and gone afterwards.

    Raises
    ------
    EngineUnavailable : Ray is not installed, or cannot be started.
    """
    folder = Path(tempfile.gettempdir())
    _remove_orphans(folder)
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        # Some ports of Ray listen on every address: only who has this token is answered. It is read on import.
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=folder))
    try:
        with _initialised(
            "on this machine",
            # Else a cluster that runs here, or that RAY_ADDRESS names, would be joined.
            address="local",
            num_cpus=processors,
            num_gpus=0,
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            _node_ip_address=LOCAL,
            _temp_dir=str(temporary),
        ):
            yield
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_listener(address: str) -> None:
    """Raises EngineUnavailable if nobody listens at HOST:PORT: Ray would ask again for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise EngineUnavailable(
            f"no Ray cluster at {address}: {why}; start one with `ray start --head`, or leave --address out"
        ) from error


@contextmanager
def _initialised(where: str, **options: Any) -> Iterator[None]:
    ray = _imported()
    try:
        with handlers_kept():
            _initialise(ray, where, options)
        yield
    finally:
        with undisturbed(), without_orphans():
            ray.shutdown()


def _initialise(ray: ModuleType, where: str, options: Mapping[str, Any]) -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except SystemExit as error:
        # Ray's answer to SIGTERM while it starts.
        raise KeyboardInterrupt from error
    except ray.exceptions.AuthenticationError as error:
        raise _unknown_here(where) from error
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        if "AuthToken" in str(error.__cause__):
            raise _unknown_here(where) from error
        raise EngineUnavailable(
            f"no Ray cluster {where}: {_sentence(error)}; start one with `ray start --head`, or leave --address out"
        ) from error


def _unknown_here(where: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"the Ray cluster {where} does not know this program; set RAY_AUTH_MODE=token here as on its machines, with "
        "their token in RAY_AUTH_TOKEN, or in ~/.ray/auth_token"
    )


def _imported() -> ModuleType:
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        with handlers_kept():
            import ray
            from ray._private import worker
    except ImportError as error:
        raise EngineUnavailable("--runner ray needs Ray, which is not installed: pip install 'frbench[ray]'") from error
    # It would print the end of each worker to standard output, where results go; `RayWorkers.lost` tells of those.
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _say_nothing
    return ray


def _say_nothing(*_: Any, **__: Any) -> None:
    """Instead of what Ray prints."""


def _remove_orphans(folder: Path) -> None:
    """Removes what clusters of programs that were killed have left."""
    for path in folder.glob(f"{TEMPORARY}*"):
        pid = path.name.removeprefix(TEMPORARY).partition("-")[0]
        if pid.isdecimal() and not files.is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _sentence(error: BaseException) -> str:
    """What an error says, in one line without a trailing stop."""
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


def _reason(error: BaseException) -> str:
    """Why a worker ended: the last line, less guesses of Ray that follow it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[-1] if lines else type(error).__name__
    return said.rpartition("Worker exit detail: ")[2].partition(" Some common causes")[0].rstrip(".")
