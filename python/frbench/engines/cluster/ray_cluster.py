"""Ray, imported without a word, with a cluster that this process joins or has for itself, and its end.

Only this module imports Ray. What Ray would print, ask of the network or leave behind by itself is kept from it here.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from frbench import files
from frbench.engines.cluster.ending import handlers_kept, undisturbed, without_orphans
from frbench.engines.cluster.parts import STORE_BYTES
from frbench.errors import EngineUnavailable, InputError

CONNECT_S = 10.0
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


@contextmanager
def connected(address: str | None, processors: int) -> Iterator[ModuleType]:
    """Ray, with this process in a cluster for as long as the work inside takes.

    address : of a cluster that runs, HOST:PORT or auto; None for the one that this process has joined already, else
    for one of this machine alone, which takes itself to have so many `processors`.

    Raises
    ------
    EngineUnavailable : Ray is not installed, or the cluster cannot be reached or started. InputError : this process
    has joined another one.
    """
    if address is not None:
        _require_listener(address)
    if "ray" in sys.modules and _imported().is_initialized():
        if address is not None:
            raise InputError("this process has joined a Ray cluster, and its workers are there; leave address out")
        yield _imported()
        return
    with local_cluster(processors) if address is None else _initialised(f"at {address}", address=address) as ray:
        yield ray


@contextmanager
def local_cluster(processors: int) -> Iterator[ModuleType]:
    """Ray, with a cluster of this machine alone for as long as the work inside takes: small, quiet, gone afterwards.

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
        ) as ray:
            yield ray
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sentence(error: BaseException) -> str:
    """What an error says, in one line without a trailing stop."""
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


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
def _initialised(where: str, **options: Any) -> Iterator[ModuleType]:
    ray = _imported()
    try:
        with handlers_kept():
            _initialise(ray, where, options)
        yield ray
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
            f"no Ray cluster {where}: {sentence(error)}; start one with `ray start --head`, or leave --address out"
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
        worker.print_to_stdstream = lambda *_, **__: None
    return ray


def _remove_orphans(folder: Path) -> None:
    """Removes what clusters of programs that were killed have left."""
    for path in folder.glob(f"{TEMPORARY}*"):
        pid = path.name.removeprefix(TEMPORARY).partition("-")[0]
        if pid.isdecimal() and not files.is_alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
