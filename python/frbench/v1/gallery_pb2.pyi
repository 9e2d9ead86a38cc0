from frbench.v1 import templates_pb2 as _templates_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Gallery(_message.Message):
    __slots__ = ("name", "dimension", "n_templates", "version", "content_digest", "is_ephemeral", "memory_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    N_TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    IS_EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    dimension: int
    n_templates: int
    version: int
    content_digest: str
    is_ephemeral: bool
    memory_bytes: int
    def __init__(self, name: _Optional[str] = ..., dimension: _Optional[int] = ..., n_templates: _Optional[int] = ..., version: _Optional[int] = ..., content_digest: _Optional[str] = ..., is_ephemeral: _Optional[bool] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class CreateGalleryRequest(_message.Message):
    __slots__ = ("name", "dimension", "is_ephemeral", "idle_seconds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    IS_EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    dimension: int
    is_ephemeral: bool
    idle_seconds: int
    def __init__(self, name: _Optional[str] = ..., dimension: _Optional[int] = ..., is_ephemeral: _Optional[bool] = ..., idle_seconds: _Optional[int] = ...) -> None: ...

class CreateGalleryResponse(_message.Message):
    __slots__ = ("gallery",)
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery: Gallery
    def __init__(self, gallery: _Optional[_Union[Gallery, _Mapping]] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("gallery", "templates", "template_ids")
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_IDS_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    templates: _templates_pb2.Templates
    template_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gallery: _Optional[str] = ..., templates: _Optional[_Union[_templates_pb2.Templates, _Mapping]] = ..., template_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("n_enrolled", "n_present", "gallery")
    N_ENROLLED_FIELD_NUMBER: _ClassVar[int]
    N_PRESENT_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    n_enrolled: int
    n_present: int
    gallery: Gallery
    def __init__(self, n_enrolled: _Optional[int] = ..., n_present: _Optional[int] = ..., gallery: _Optional[_Union[Gallery, _Mapping]] = ...) -> None: ...

class RemoveTemplatesRequest(_message.Message):
    __slots__ = ("gallery", "template_ids")
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_IDS_FIELD_NUMBER: _ClassVar[int]
    gallery: str
    template_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gallery: _Optional[str] = ..., template_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RemoveTemplatesResponse(_message.Message):
    __slots__ = ("n_removed", "n_absent", "gallery")
    N_REMOVED_FIELD_NUMBER: _ClassVar[int]
    N_ABSENT_FIELD_NUMBER: _ClassVar[int]
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    n_removed: int
    n_absent: int
    gallery: Gallery
    def __init__(self, n_removed: _Optional[int] = ..., n_absent: _Optional[int] = ..., gallery: _Optional[_Union[Gallery, _Mapping]] = ...) -> None: ...

class GetGalleryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetGalleryResponse(_message.Message):
    __slots__ = ("gallery",)
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery: Gallery
    def __init__(self, gallery: _Optional[_Union[Gallery, _Mapping]] = ...) -> None: ...

class ListGalleriesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGalleriesResponse(_message.Message):
    __slots__ = ("galleries",)
    GALLERIES_FIELD_NUMBER: _ClassVar[int]
    galleries: _containers.RepeatedCompositeFieldContainer[Gallery]
    def __init__(self, galleries: _Optional[_Iterable[_Union[Gallery, _Mapping]]] = ...) -> None: ...

class DropGalleryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DropGalleryResponse(_message.Message):
    __slots__ = ("gallery",)
    GALLERY_FIELD_NUMBER: _ClassVar[int]
    gallery: Gallery
    def __init__(self, gallery: _Optional[_Union[Gallery, _Mapping]] = ...) -> None: ...
