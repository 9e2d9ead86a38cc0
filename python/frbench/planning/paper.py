"""Says what a search will take, from the rates of machines: for a person, or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from frbench.engines.ann.hnsw import HNSW
from frbench.engines.cluster.runners import GIB
from frbench.errors import InputError
from frbench.planning import measured
from frbench.planning.hardware import Hardware
from frbench.planning.sizing import SHARE_OF_MEMORY, Sizing
from frbench.runs.progress import TerminalProgress, scaled

NO_SHARE = "the hardware file has no settled_share"
NO_NETWORK = "the hardware has no network_bytes_per_s: probes are taken to travel in no time"
NO_STORAGE = "the hardware has no storage_bytes_per_s: files are taken to lie in memory already"
NO_PRICE = "the hardware has no price_per_hour"


def planned(given: dict[str, Any]) -> str:
    """The plan of a search, as a person or a machine reads it."""
    links = _links(given)
    hardware = _measured(given) if given["hardware"] is None else _read(given)
    sizes = given["gallery_size"], given["probes"], given["dimension"]
    sizing = Sizing(*sizes, hardware, k=given["k"], hnsw_links=links)
    return json.dumps(_values(sizing)) if given["as_json"] else "\n".join(_lines(sizing))


def _measured(given: dict[str, Any]) -> Hardware:
    asked = {"path": given["templates"], "threads": given["threads"] or 0, "workers": given["workers"] or 1}
    with TerminalProgress().step("measure", measured.STEPS, "steps") as advance:
        return measured.measure(given["dimension"], given["k"], **asked, advance=advance)


def _read(given: dict[str, Any]) -> Hardware:
    """The hardware of a file, with as many workers on a machine as were asked for."""
    for option in ("templates", "threads"):
        if given[option] is not None:
            raise InputError(f"--{option} is of a measurement, and --hardware has its rates already; leave one out")
    found = Hardware.read(given["hardware"])
    return found if given["workers"] is None else replace(found, workers=given["workers"])


def _links(given: dict[str, Any]) -> int | None:
    """M of the index that was asked for."""
    if given["index"] is None:
        if given["parameters"]:
            raise InputError("--build is of an index: say which with --index")
        return None
    return HNSW.parameters(given["parameters"], n=given["gallery_size"], d=given["dimension"])["M"]


def _values(sizing: Sizing) -> dict[str, Any]:

    def own(*names: str) -> dict[str, Any]:
        return {name: getattr(sizing, name) for name in names}

    def known(name: str, value: float | None, reason: str) -> dict[str, Any]:
        return {name: value, f"{name}_reason": reason if value is None else None}

    return {
        "schema": "frbench.plan",
        "schema_version": 1,
        **own("gallery", "probes", "dimension", "k", "pairs"),
        **known("settled_pairs", sizing.settled, NO_SHARE),
        **own("machines", "workers", "rows_of_worker", "worker_bytes"),
        "index": None if sizing.hnsw_links is None else {"family": HNSW.name, "M": sizing.hnsw_links},
        "worker_index_bytes": sizing.index_bytes,
        "worker_disk_bytes": sizing.disk_bytes,
        **own("program_bytes", "prepare_s", "read_s", "compare_s", "merge_s"),
        **known("storage_s", sizing.storage_s, NO_STORAGE),
        **known("travel_s", sizing.travel_s, NO_NETWORK),
        "hours": sizing.hours,
        **known("price", sizing.price, NO_PRICE),
        "currency": sizing.hardware.currency,
        "hardware": asdict(sizing.hardware),
        "assumed": list(sizing.assumed),
    }


def _lines(sizing: Sizing) -> list[str]:
    hardware = sizing.hardware
    what = "all pairs of them, 1:1" if sizing.probes is None else f"{sizing.probes:,} probes, lists of {sizing.k}"
    settled = NO_SHARE if sizing.settled is None else f"{sizing.settled:.3g} ({hardware.settled_share:.2g} of all)"
    disk = f", and {sizing.disk_bytes / GIB:,.1f} GiB of its disk" if sizing.disk_bytes else ""
    storage = NO_STORAGE if sizing.storage_s is None else _time(sizing.storage_s)
    travel = NO_NETWORK if sizing.travel_s is None else _time(sizing.travel_s)
    price = NO_PRICE if sizing.price is None else f"{sizing.price:,.2f} {hardware.currency}".rstrip()
    index = f", {sizing.index_bytes / GIB:,.2f} GiB of it for the index" if sizing.index_bytes else ""
    worker = f"{sizing.rows_of_worker:,} rows, at most {sizing.worker_bytes / GIB:,.2f} GiB of memory{index}{disk}"
    rates = f"{scaled(hardware.comparisons_per_s)} comparisons/s a worker at dimension {hardware.dimension}"
    return [
        f"gallery    {sizing.gallery:,} rows of dimension {sizing.dimension}; {what}",
        f"pairs      {sizing.pairs:.3g}",
        f"settled    {settled}",
        f"hardware   {', '.join(text for text in (hardware.name, rates, hardware.source) if text)}",
        f"machines   {sizing.machines:,} of {hardware.memory_gib:,.1f} GiB; workers on each: {hardware.workers}",
        f"a worker   {worker}",
        f"program    about {sizing.program_bytes / GIB:,.2f} GiB of memory for labels{_too_large(sizing)}",
        *(f"{step:<11}{_time(getattr(sizing, f'{step}_s'))}" for step in ("prepare", "read", "compare", "merge")),
        f"storage    {storage}",
        f"travel     {travel}",
        f"hours      {sizing.hours:,.3g}",
        f"price      {price}",
        *(f"assumed: {each}" for each in sizing.assumed),
    ]


def _too_large(sizing: Sizing) -> str:
    has_room = sizing.program_bytes <= SHARE_OF_MEMORY * sizing.hardware.memory_gib * GIB
    return "" if has_room else ": more than a machine has room for, so it needs a larger one"


def _time(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 3600:,.2f} h"
