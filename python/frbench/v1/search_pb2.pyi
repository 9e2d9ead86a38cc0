from frbench.v1 import templates_pb2 as _templates_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchRequest(_message.Message):
    __slots__ = ("gallery", "probes", "k", "threshold", "floors", "rows_only", "case_reference")
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    ROWS_ONLY_FIELD_NUMBER: _ClassVar[int]
    CASE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    probes: _templates_pb2.Templates
    k: int
    threshold: float
    floors: bytes
    rows_only: bool
    case_reference: str
    def __init__(self, gallery: _Optional[str] = ..., probes: _Optional[_Union[_templates_pb2.Templates, _Mapping]] = ..., k: _Optional[int] = ..., threshold: _Optional[float] = ..., floors: _Optional[bytes] = ..., rows_only: _Optional[bool] = ..., case_reference: _Optional[str] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("candidates", "timing")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidates]
    timing: Timing
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidates, _Mapping]]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class Candidates(_message.Message):
    __slots__ = ("scores", "rows", "template_ids", "at_or_above")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_IDS_FIELD_NUMBER: _ClassVar[int]
    AT_OR_ABOVE_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    rows: _containers.RepeatedScalarFieldContainer[int]
    template_ids: _containers.RepeatedScalarFieldContainer[str]
    at_or_above: int
    def __init__(self, scores: _Optional[_Iterable[float]] = ..., rows: _Optional[_Iterable[int]] = ..., template_ids: _Optional[_Iterable[str]] = ..., at_or_above: _Optional[int] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_ns", "scan_ns", "batch_probes", "kernel", "gallery_version")
    QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
    SCAN_NS_FIELD_NUMBER: _ClassVar[int]
    BATCH_PROBES_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    GALLERY_VERSION_FIELD_NUMBER: _ClassVar[int]
    queue_ns: int
    scan_ns: int
    batch_probes: int
    kernel: str
    gallery_version: int
    def __init__(self, queue_ns: _Optional[int] = ..., scan_ns: _Optional[int] = ..., batch_probes: _Optional[int] = ..., kernel: _Optional[str] = ..., gallery_version: _Optional[int] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("gallery", "a", "b", "case_reference")
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    CASE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    a: Side
    b: Side
    case_reference: str
    def __init__(self, gallery: _Optional[str] = ..., a: _Optional[_Union[Side, _Mapping]] = ..., b: _Optional[_Union[Side, _Mapping]] = ..., case_reference: _Optional[str] = ...) -> None: ...

class Side(_message.Message):
    __slots__ = ("templates", "ids", "rows")
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    templates: _templates_pb2.Templates
    ids: TemplateIds
    rows: bytes
    def __init__(self, templates: _Optional[_Union[_templates_pb2.Templates, _Mapping]] = ..., ids: _Optional[_Union[TemplateIds, _Mapping]] = ..., rows: _Optional[bytes] = ...) -> None: ...

class TemplateIds(_message.Message):
    __slots__ = ("template_ids",)
    TEMPLATE_IDS_FIELD_NUMBER: _ClassVar[int]
    template_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, template_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CompareResponse(_message.Message):
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, scores: _Optional[_Iterable[float]] = ...) -> None: ...
