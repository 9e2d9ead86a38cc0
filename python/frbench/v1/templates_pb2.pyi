from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ComponentType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPONENT_TYPE_UNSPECIFIED: _ClassVar[ComponentType]
    COMPONENT_TYPE_FLOAT32: _ClassVar[ComponentType]
    COMPONENT_TYPE_FLOAT16: _ClassVar[ComponentType]
    COMPONENT_TYPE_FLOAT64: _ClassVar[ComponentType]
COMPONENT_TYPE_UNSPECIFIED: ComponentType
COMPONENT_TYPE_FLOAT32: ComponentType
COMPONENT_TYPE_FLOAT16: ComponentType
COMPONENT_TYPE_FLOAT64: ComponentType

class Templates(_message.Message):
    __slots__ = ("dimension", "component_type", "data", "is_unit")
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    IS_UNIT_FIELD_NUMBER: _ClassVar[int]
    dimension: int
    component_type: ComponentType
    data: bytes
    is_unit: bool
    def __init__(self, dimension: _Optional[int] = ..., component_type: _Optional[_Union[ComponentType, str]] = ..., data: _Optional[bytes] = ..., is_unit: _Optional[bool] = ...) -> None: ...
