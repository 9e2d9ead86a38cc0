"""Turns calls of a server into bytes, and its answers into arrays.

Only this module knows how the messages of `protos/frbench/v1` are made. Every function is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypedDict, TypeVar, Unpack

import numpy as np
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from numpy.typing import NDArray

from frbench.errors import FormatError, InputError
from frbench.plan import Groups, Rectangle
from frbench.v1 import gallery_pb2, search_pb2, server_pb2, sweep_pb2, templates_pb2

SEARCH = "/frbench.v1.SearchService/Search"
# Bytes of components in one message of an enrolment.
BATCH_BYTES = 1 << 20
COMPONENT_TYPES = {
    "float32": templates_pb2.COMPONENT_TYPE_FLOAT32,
    "float16": templates_pb2.COMPONENT_TYPE_FLOAT16,
    "float64": templates_pb2.COMPONENT_TYPE_FLOAT64,
}


# Answers that are what their messages hold.
Gallery = gallery_pb2.Gallery
Enrolled = gallery_pb2.EnrolResponse
Removed = gallery_pb2.RemoveTemplatesResponse
Server = server_pb2.GetInfoResponse
Timing = search_pb2.Timing

Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Message)


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A call of one method: its path, the message that asks, and what reads the answer."""

    path: str
    request: bytes
    read: Callable[[bytes], Answer]


class Asked(TypedDict, total=False):
    """What a search may be asked beside its best templates.

    Parameters
    ----------
    threshold : leaves out what is below it, and counts what is not.
    floors : (n,) counts what reaches them, and leaves out nothing.
    rows_only : numbers of enrolment without template ids.
    case_reference : for the audit log of the server.
    is_unit : the rows were normalised by frbench and are taken as they are.
    """

    threshold: float | None
    floors: NDArray[np.float32] | None
    rows_only: bool
    case_reference: str
    is_unit: bool


@dataclass(frozen=True, eq=False)
class Candidates:
    """What was found for one probe, best first.

    Parameters
    ----------
    scores, rows : (c,) float32, and numbers of enrolment.
    template_ids : as many, or none.
    at_or_above : enrolled templates that reach the threshold or the floor; None if none was asked for.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]
    template_ids: tuple[str, ...]
    at_or_above: int | None


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a search: one list of candidates for each probe."""

    candidates: tuple[Candidates, ...]
    timing: Timing


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts (cells, t + 1) of one tile, what screened its pairs, and how many the definition settled."""

    tile: int
    counts: NDArray[np.uint64]
    strategy: str
    settled: int


@dataclass(frozen=True, eq=False)
class Kept:
    """The best pairs of one tile, cell after cell: (p,) cells, scores, and places of both sides."""

    tile: int
    cells: NDArray[np.int64]
    scores: NDArray[np.float32]
    probe_places: NDArray[np.int64]
    gallery_places: NDArray[np.int64]


# A side of comparisons: templates (n, d), ids, or numbers of enrolment (n,) of an integer type.
Side = NDArray[Any] | Sequence[str]


def create_gallery(name: str, dimension: int, *, is_ephemeral: bool = False, idle_s: int = 0) -> Call[Gallery]:
    """Makes an empty gallery."""
    request = gallery_pb2.CreateGalleryRequest(
        name=name, dimension=dimension, is_ephemeral=is_ephemeral, idle_seconds=idle_s
    )
    return _call("Gallery", "CreateGallery", request, lambda x: _read(gallery_pb2.CreateGalleryResponse, x).gallery)


def enrol_requests(
    gallery: str, matrix: NDArray[Any], template_ids: Sequence[str], *, is_unit: bool = False
) -> Iterator[bytes]:
    """Messages that enrol the rows of `matrix` (n, d), about a mebibyte each.

    Raises
    ------
    InputError : not one id for each row.
    """
    if len(template_ids) != len(matrix):
        raise InputError(f"{len(template_ids)} template ids for {len(matrix)} templates, expected one for each")
    step = max(1, BATCH_BYTES // max(1, matrix[:1].nbytes))
    return (
        gallery_pb2.EnrolRequest(
            gallery=gallery if start == 0 else "",
            templates=_templates(matrix[start : start + step], is_unit),
            template_ids=template_ids[start : start + step],
        ).SerializeToString()
        for start in range(0, len(matrix), step)
    )


def enrol_response(data: bytes) -> Enrolled:
    """What the enrolment did."""
    return _read(Enrolled, data)


def remove_templates(gallery: str, template_ids: Sequence[str]) -> Call[Removed]:
    """Removes templates."""
    request = gallery_pb2.RemoveTemplatesRequest(gallery=gallery, template_ids=template_ids)
    return _call("Gallery", "RemoveTemplates", request, partial(_read, Removed))


def get_gallery(name: str) -> Call[Gallery]:
    """Asks for one gallery."""
    request = gallery_pb2.GetGalleryRequest(name=name)
    return _call("Gallery", "GetGallery", request, lambda x: _read(gallery_pb2.GetGalleryResponse, x).gallery)


def list_galleries() -> Call[list[Gallery]]:
    """Asks for all galleries, by name."""
    request, kind = gallery_pb2.ListGalleriesRequest(), gallery_pb2.ListGalleriesResponse
    return _call("Gallery", "ListGalleries", request, lambda x: list(_read(kind, x).galleries))


def drop_gallery(name: str) -> Call[Gallery]:
    """Removes a gallery, and answers as it was."""
    request = gallery_pb2.DropGalleryRequest(name=name)
    return _call("Gallery", "DropGallery", request, lambda x: _read(gallery_pb2.DropGalleryResponse, x).gallery)


def info() -> Call[Server]:
    """Asks a server what it is."""
    return _call("Server", "GetInfo", server_pb2.GetInfoRequest(), partial(_read, Server))


def search(gallery: str, probes: NDArray[Any], k: int, **asked: Unpack[Asked]) -> Call[Found]:
    """Asks for the best `k` templates for each row of `probes` (n, d)."""
    floors = asked.get("floors")
    request = search_pb2.SearchRequest(
        gallery=gallery,
        probes=_templates(probes, asked.get("is_unit", False)),
        k=k,
        threshold=asked.get("threshold"),
        floors=b"" if floors is None else _packed(floors, "<f4"),
        rows_only=asked.get("rows_only", False),
        case_reference=asked.get("case_reference", ""),
    )
    return _call("Search", "Search", request, _found)


def compare(
    a: Side, b: Side, *, gallery: str = "", case_reference: str = "", is_unit: bool = False
) -> Call[NDArray[np.float32]]:
    """Asks for the score of the first of `a` and of `b`, of the second, and so on.

    Parameters
    ----------
    gallery : where ids and numbers are.
    is_unit : templates on either side were normalised by frbench.
    """
    sides = _side(a, is_unit), _side(b, is_unit)
    request = search_pb2.CompareRequest(gallery=gallery, a=sides[0], b=sides[1], case_reference=case_reference)
    kind = search_pb2.CompareResponse
    return _call("Search", "Compare", request, lambda x: np.array(_read(kind, x).scores, np.float32))


def count_request(plan: str, *, probes: str, gallery: str, edges: NDArray[np.float64], where: Rectangle) -> bytes:
    """Asks for the counts of one tile of two galleries by cell and bin."""
    request = sweep_pb2.CountTilesRequest(plan=plan, probes=probes, gallery=gallery, **_part(where))
    request.edges = _packed(edges, "<f8")
    return request.SerializeToString()


def count_responses(parts: Iterable[bytes], *, plan: str, shapes: Sequence[tuple[int, int]]) -> Iterator[Counted]:
    """The counts of each tile, when the last part of it has come.

    shapes : (cells, bins) of each tile of the request.

    Raises
    ------
    FormatError : counts of another plan, or of a tile that was not asked for, or not all of them.
    """
    counts: dict[int, NDArray[np.uint64]] = {}
    filled: dict[int, int] = {}
    n_done = 0
    for data in parts:
        part = _read(sweep_pb2.CountTilesResponse, data)
        _checked_tile(part.plan, plan, part.tile, len(shapes))
        cells, bins = shapes[part.tile]
        flat = counts.setdefault(part.tile, np.zeros(cells * bins, dtype=np.uint64))
        values = _unpacked(part.counts, "<u8")
        if filled.get(part.tile, 0) != part.offset or part.offset + len(values) > len(flat):
            raise FormatError(f"counts of tile {part.tile} are not in one piece: a part begins at {part.offset}")
        flat[part.offset : part.offset + len(values)] = values
        filled[part.tile] = part.offset + len(values)
        if part.is_last:
            if filled.pop(part.tile) != len(flat):
                raise FormatError(f"counts of tile {part.tile} are not complete; all {len(flat)} were expected")
            n_done += 1
            yield Counted(part.tile, counts.pop(part.tile).reshape(cells, bins), part.strategy, part.settled)
    _require_all(n_done, len(shapes))


def tail_request(
    plan: str,
    *,
    probes: str,
    gallery: str,
    n: int,
    floors: NDArray[np.float64],
    where: Rectangle,
    subjects: tuple[Groups, Groups],
) -> bytes:
    """Asks for the best `n` pairs of two subjects of each cell of one tile, none below `floors[cell]`.

    subjects : of all rows of both sides.
    """
    request = sweep_pb2.FindTailRequest(plan=plan, probes=probes, gallery=gallery, n=n, **_part(where))
    request.floors = _packed(floors, "<f8")
    request.probe_subjects.append(_packed(subjects[0][slice(*where.probes)], "<u4"))
    request.gallery_subjects.append(_packed(subjects[1][slice(*where.gallery)], "<u4"))
    return request.SerializeToString()


def tail_responses(parts: Iterable[bytes], *, plan: str, n_tiles: int) -> Iterator[Kept]:
    """The pairs of each tile, when the last part of it has come.

    Raises
    ------
    FormatError : pairs of another plan, or of a tile that was not asked for.
    """
    waiting: dict[int, list[Any]] = {}
    n_done = 0
    for data in parts:
        part = _read(sweep_pb2.FindTailResponse, data)
        _checked_tile(part.plan, plan, part.tile, n_tiles)
        waiting.setdefault(part.tile, []).append(part)
        if part.is_last:
            n_done += 1
            yield _kept(part.tile, waiting.pop(part.tile))
    _require_all(n_done, n_tiles)


def retry_after_s(details: bytes) -> float | None:
    """Seconds after which a refused call may be made again, by its `grpc-status-details-bin`; None if it says none."""
    for detail in _read(status_pb2.Status, details).details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            return float(retry.retry_delay.ToNanoseconds() / 1e9)
    return None


def _call(service: str, method: str, request: Message, read: Callable[[bytes], Answer]) -> Call[Answer]:
    return Call(f"/frbench.v1.{service}Service/{method}", request.SerializeToString(), read)


def _read(kind: type[Kind], data: bytes) -> Kind:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise FormatError(f"an answer is no {kind.DESCRIPTOR.name} message; is this a server of frbench?") from error


def _templates(matrix: NDArray[Any], is_unit: bool) -> templates_pb2.Templates:
    if matrix.ndim != 2:
        raise InputError(f"templates have the shape {matrix.shape}, expected (n, d)")
    if matrix.dtype.name not in COMPONENT_TYPES:
        raise InputError(f"templates are of {matrix.dtype}, expected {', '.join(COMPONENT_TYPES)}")
    return templates_pb2.Templates(
        dimension=matrix.shape[1],
        component_type=COMPONENT_TYPES[matrix.dtype.name],
        data=_packed(matrix, matrix.dtype.newbyteorder("<")),
        is_unit=is_unit,
    )


def _found(data: bytes) -> Found:
    message = _read(search_pb2.SearchResponse, data)
    return Found(tuple(map(_candidates, message.candidates)), message.timing)


def _candidates(message: search_pb2.Candidates) -> Candidates:
    scores, rows = np.array(message.scores, dtype=np.float32), np.array(message.rows, dtype=np.int64)
    reached = message.at_or_above if message.HasField("at_or_above") else None
    return Candidates(scores, rows, tuple(message.template_ids), reached)


def _side(side: Side, is_unit: bool) -> search_pb2.Side:
    if not isinstance(side, np.ndarray):
        return search_pb2.Side(ids=search_pb2.TemplateIds(template_ids=side))
    if side.ndim == 1 and np.issubdtype(side.dtype, np.integer):
        return search_pb2.Side(rows=_packed(side, "<u8"))
    return search_pb2.Side(templates=_templates(side, is_unit))


def _part(where: Rectangle) -> dict[str, Any]:
    """Cells and one tile of a sweep: the ranges, and the groups of their rows alone."""
    n_groups, cells = where.cells.shape[1], _packed(where.cells, "<u4")
    tile = sweep_pb2.Tile(
        probe_begin=where.probes[0],
        probe_end=where.probes[1],
        gallery_begin=where.gallery[0],
        gallery_end=where.gallery[1],
        upper=where.is_upper,
        probe_groups=_packed(where.probe_groups[slice(*where.probes)], "<u4"),
        gallery_groups=_packed(where.gallery_groups[slice(*where.gallery)], "<u4"),
    )
    return {"cells": sweep_pb2.Cells(cells=cells, n_gallery_groups=n_groups, n_cells=where.n_cells), "tiles": [tile]}


def _checked_tile(plan: str, expected: str, tile: int, n_tiles: int) -> None:
    if plan != expected:
        raise FormatError(f"an answer is of plan {plan[:8]!r}, expected {expected[:8]!r}")
    if tile >= n_tiles:
        raise FormatError(f"an answer is of tile {tile}, but {n_tiles} were asked for")


def _require_all(n_done: int, n_tiles: int) -> None:
    if n_done != n_tiles:
        raise FormatError(f"an answer ended after {n_done} of {n_tiles} tiles")


def _kept(tile: int, parts: Sequence[sweep_pb2.FindTailResponse]) -> Kept:
    cells, scores, a, b = (
        np.concatenate([_unpacked(getattr(part, name), dtype) for part in parts])
        for name, dtype in (("cells", "<u4"), ("scores", "<f4"), ("probe_places", "<u8"), ("gallery_places", "<u8"))
    )
    if not len(cells) == len(scores) == len(a) == len(b):
        raise FormatError(f"pairs of tile {tile} are not complete: {len(cells)} cells, {len(scores)} scores")
    return Kept(tile, cells.astype(np.int64), scores.astype(np.float32), a.astype(np.int64), b.astype(np.int64))


def _packed(array: NDArray[Any], dtype: Any) -> bytes:
    return np.ascontiguousarray(array, dtype=dtype).tobytes()


def _unpacked(data: bytes, dtype: str) -> NDArray[Any]:
    if len(data) % np.dtype(dtype).itemsize:
        raise FormatError(f"an answer holds {len(data)} bytes, expected a multiple of {np.dtype(dtype).itemsize}")
    return np.frombuffer(data, dtype=dtype)
