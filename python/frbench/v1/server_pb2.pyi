from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("version", "kernel", "threads", "limits", "client", "scopes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    version: str
    kernel: str
    threads: int
    limits: Limits
    client: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., kernel: _Optional[str] = ..., threads: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., client: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("message_bytes", "k", "probes", "queued_probes", "galleries", "memory_bytes", "deadline_ms", "requires_case_reference", "bulk_queued_probes")
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_PROBES_FIELD_NUMBER: _ClassVar[int]
    GALLERIES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_CASE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    BULK_QUEUED_PROBES_FIELD_NUMBER: _ClassVar[int]
    message_bytes: int
    k: int
    probes: int
    queued_probes: int
    galleries: int
    memory_bytes: int
    deadline_ms: int
    requires_case_reference: bool
    bulk_queued_probes: int
    def __init__(self, message_bytes: _Optional[int] = ..., k: _Optional[int] = ..., probes: _Optional[int] = ..., queued_probes: _Optional[int] = ..., galleries: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., requires_case_reference: _Optional[bool] = ..., bulk_queued_probes: _Optional[int] = ...) -> None: ...
