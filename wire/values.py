"""Metrics, and what metrics hold (Sparkplug 3.0, chapter 6). Times are milliseconds since 1970, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from wire.arrays import Array
from wire.datatypes import DataType, Value, ValueField

QUALITY = "Quality"
ENG_UNIT = "engUnit"
ENG_LOW = "engLow"
ENG_HIGH = "engHigh"


class Quality(IntEnum):
    """The standard's three quality codes; a metric without the property is GOOD."""

    BAD = 0
    GOOD = 192
    STALE = 500


PropertySet = Mapping[str, "Property"]
PropertyValue = Value | PropertySet | tuple[PropertySet, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One property of a metric; `value` None is the standard's null.

    A PropertySet is a mapping of further properties, a PropertySetList a tuple of such mappings.
    """

    datatype: DataType
    value: PropertyValue | None


NO_PROPERTIES: PropertySet = MappingProxyType({})


def _no_properties() -> PropertySet:
    return NO_PROPERTIES


def quality_property(quality: Quality) -> Property:
    """Return the property for the key QUALITY; the standard fixes its type to Int32."""
    return Property(datatype=DataType.INT32, value=int(quality))


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaData:
    """What a metric says of its bytes, file or text; every field is optional."""

    is_multi_part: bool | None = None
    content_type: str | None = None
    size: int | None = None
    seq: int | None = None
    file_name: str | None = None
    file_type: str | None = None
    md5: str | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """A table: as many types as columns, and as many cells in each row. A cell None has no value."""

    columns: tuple[str, ...]
    types: tuple[DataType, ...]
    rows: tuple[tuple[Value | None, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter of a Template: in the definition with its default, in an instance with the instance's own value."""

    name: str
    datatype: DataType
    value: Value | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A definition (`ref` None) under its metric's name, or an instance of the definition that `ref` names."""

    metrics: "tuple[Metric, ...]"
    parameters: tuple[Parameter, ...] = ()
    ref: str | None = None
    version: str | None = None

    @property
    def is_definition(self) -> bool:
        """Whether this defines a type, as opposed to being of one."""
        return self.ref is None


MetricValue = Value | Array | DataSet | Template


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric of a payload.

    `held` is set only while `datatype` is unknown (DATA carries none): it names the protobuf field that held the still
    unconverted value, for `resolve`.
    """

    name: str | None = None
    alias: int | None = None
    datatype: DataType | None = None
    value: MetricValue | None = None
    timestamp_ms: int | None = None
    is_historical: bool = False
    properties: PropertySet = field(default_factory=_no_properties)
    held: ValueField | None = None
    is_transient: bool = False
    metadata: MetaData | None = None

    @property
    def is_null(self) -> bool:
        """Whether the metric says that it has no value."""
        return self.value is None

    @property
    def quality(self) -> Quality:
        """The quality property: GOOD when absent, BAD for a code that is not the standard's."""
        found = self.properties.get(QUALITY)
        if found is None:
            return Quality.GOOD
        return _QUALITIES.get(found.value, Quality.BAD) if isinstance(found.value, int) else Quality.BAD


# A frozen dataclass sets each field by `object.__setattr__`, which costs three times as much as all the rest of reading
# a metric. The slots themselves do it in a third of the time; nobody else may write to them.
_BLANK = object.__new__
_NAME, _ALIAS, _DATATYPE, _VALUE, _TIME, _HISTORICAL, _PROPERTIES, _HELD, _TRANSIENT, _METADATA = (
    Metric.__dict__[name].__set__ for name in Metric.__dataclass_fields__
)


def received_metric(  # noqa: PLR0917 keywords would cost as much as they help, fifty times a message
    name: str,
    alias: int | None,
    datatype: DataType,
    value: MetricValue | None,
    timestamp_ms: int,
    is_historical: bool,  # noqa: FBT001 likewise
    properties: PropertySet,
    is_transient: bool,  # noqa: FBT001 likewise
    metadata: MetaData | None,
    /,
) -> Metric:
    """Return `Metric(name=name, …)` in a third of the time: ingest makes a hundred thousand a second."""
    made = _BLANK(Metric)
    _NAME(made, name)
    _ALIAS(made, alias)
    _DATATYPE(made, datatype)
    _VALUE(made, value)
    _TIME(made, timestamp_ms)
    _HISTORICAL(made, is_historical)
    _PROPERTIES(made, properties)
    _HELD(made, None)
    _TRANSIENT(made, is_transient)
    _METADATA(made, metadata)
    return made


_QUALITIES: dict[int, Quality] = {int(quality): quality for quality in Quality}

__all__ = [
    "ENG_HIGH", "ENG_LOW", "ENG_UNIT", "NO_PROPERTIES", "QUALITY", "Array", "DataSet", "MetaData", "Metric",
    "MetricValue", "Parameter", "Property", "PropertySet", "PropertyValue", "Quality", "Template", "quality_property",
    "received_metric",
]  # fmt: skip
