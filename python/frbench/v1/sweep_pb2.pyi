from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tile(_message.Message):
    __slots__ = ("probe_begin", "probe_end", "gallery_begin", "gallery_end", "upper", "probe_groups", "gallery_groups")
    PROBE_BEGIN_FIELD_NUMBER: _ClassVar[int]
    PROBE_END_FIELD_NUMBER: _ClassVar[int]
    GALLERY_BEGIN_FIELD_NUMBER: _ClassVar[int]
    GALLERY_END_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    PROBE_GROUPS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    probe_begin: int
    probe_end: int
    gallery_begin: int
    gallery_end: int
    upper: bool
    probe_groups: bytes
    gallery_groups: bytes
    def __init__(self, probe_begin: _Optional[int] = ..., probe_end: _Optional[int] = ..., gallery_begin: _Optional[int] = ..., gallery_end: _Optional[int] = ..., upper: _Optional[bool] = ..., probe_groups: _Optional[bytes] = ..., gallery_groups: _Optional[bytes] = ...) -> None: ...

class Cells(_message.Message):
    __slots__ = ("cells", "n_gallery_groups", "n_cells")
    CELLS_FIELD_NUMBER: _ClassVar[int]
    N_GALLERY_GROUPS_FIELD_NUMBER: _ClassVar[int]
    N_CELLS_FIELD_NUMBER: _ClassVar[int]
    cells: bytes
    n_gallery_groups: int
    n_cells: int
    def __init__(self, cells: _Optional[bytes] = ..., n_gallery_groups: _Optional[int] = ..., n_cells: _Optional[int] = ...) -> None: ...

class CountTilesRequest(_message.Message):
    __slots__ = ("plan", "probes", "gallery", "edges", "cells", "tiles")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    TILES_FIELD_NUMBER: _ClassVar[int]
    plan: str
    probes: str
    gallery: str
    edges: bytes
    cells: Cells
    tiles: _containers.RepeatedCompositeFieldContainer[Tile]
    def __init__(self, plan: _Optional[str] = ..., probes: _Optional[str] = ..., gallery: _Optional[str] = ..., edges: _Optional[bytes] = ..., cells: _Optional[_Union[Cells, _Mapping]] = ..., tiles: _Optional[_Iterable[_Union[Tile, _Mapping]]] = ...) -> None: ...

class CountTilesResponse(_message.Message):
    __slots__ = ("plan", "tile", "offset", "counts", "is_last", "strategy", "settled")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    TILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    plan: str
    tile: int
    offset: int
    counts: bytes
    is_last: bool
    strategy: str
    settled: int
    def __init__(self, plan: _Optional[str] = ..., tile: _Optional[int] = ..., offset: _Optional[int] = ..., counts: _Optional[bytes] = ..., is_last: _Optional[bool] = ..., strategy: _Optional[str] = ..., settled: _Optional[int] = ...) -> None: ...

class FindTailRequest(_message.Message):
    __slots__ = ("plan", "probes", "gallery", "cells", "n", "floors", "tiles", "probe_subjects", "gallery_subjects")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    TILES_FIELD_NUMBER: _ClassVar[int]
    PROBE_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    GALLERY_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    plan: str
    probes: str
    gallery: str
    cells: Cells
    n: int
    floors: bytes
    tiles: _containers.RepeatedCompositeFieldContainer[Tile]
    probe_subjects: _containers.RepeatedScalarFieldContainer[bytes]
    gallery_subjects: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, plan: _Optional[str] = ..., probes: _Optional[str] = ..., gallery: _Optional[str] = ..., cells: _Optional[_Union[Cells, _Mapping]] = ..., n: _Optional[int] = ..., floors: _Optional[bytes] = ..., tiles: _Optional[_Iterable[_Union[Tile, _Mapping]]] = ..., probe_subjects: _Optional[_Iterable[bytes]] = ..., gallery_subjects: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FindTailResponse(_message.Message):
    __slots__ = ("plan", "tile", "cells", "scores", "probe_places", "gallery_places", "is_last")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    TILE_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PROBE_PLACES_FIELD_NUMBER: _ClassVar[int]
    GALLERY_PLACES_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    plan: str
    tile: int
    cells: bytes
    scores: bytes
    probe_places: bytes
    gallery_places: bytes
    is_last: bool
    def __init__(self, plan: _Optional[str] = ..., tile: _Optional[int] = ..., cells: _Optional[bytes] = ..., scores: _Optional[bytes] = ..., probe_places: _Optional[bytes] = ..., gallery_places: _Optional[bytes] = ..., is_last: _Optional[bool] = ...) -> None: ...
