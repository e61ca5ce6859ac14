"""Between a metric and its protobuf message: value, properties, metadata, also DataSets and Templates.

Reading and writing raise WrongType and nothing else.
"""

from typing import Any

from wire.datatypes import BASIC, BY_NUMBER, READERS, WRITERS, DataType, Reader, ValueField, read_value, write_value
from wire.errors import WrongType
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.values import (
    NO_PROPERTIES,
    QUALITY,
    DataSet,
    MetaData,
    Metric,
    MetricValue,
    Parameter,
    Property,
    PropertySet,
    PropertyValue,
    Quality,
    Template,
)

MetricMessage = PayloadMessage.Metric
_METADATA = tuple(MetaData.__dataclass_fields__)
_QUALITY_CODES = frozenset(int(quality) for quality in Quality)

# --- writing ---------------------------------------------------------------------------------------------------------


def write_metric(target: MetricMessage, metric: Metric, datatype: DataType, timestamp_ms: int | None) -> None:
    """Fill everything of a metric except its name, alias and data type number."""
    if timestamp_ms is not None:
        target.timestamp = timestamp_ms
    if metric.is_historical:
        target.is_historical = True
    if metric.is_transient:
        target.is_transient = True
    value = metric.value
    if value is None:
        target.is_null = True
    else:
        form = WRITERS.get(datatype)
        if form is None:
            _write_structure(target, datatype, value, timestamp_ms)
        else:
            setattr(target, form[0], form[1](value))
    if metric.properties:
        _write_properties(target.properties, metric.properties)
    if metric.metadata is not None:
        _write_metadata(target.metadata, metric.metadata)


def _write_structure(target: MetricMessage, datatype: DataType, value: MetricValue, timestamp_ms: int | None) -> None:
    if datatype is DataType.DATASET and isinstance(value, DataSet):
        _write_dataset(target.dataset_value, value)
    elif datatype is DataType.TEMPLATE and isinstance(value, Template):
        _write_template(target.template_value, value, timestamp_ms)
    elif datatype in {DataType.DATASET, DataType.TEMPLATE}:
        raise WrongType(f"{value!r} is no {datatype.name}")
    else:
        raise WrongType(f"a metric cannot be of type {datatype.name}")


def _write_dataset(target: PayloadMessage.DataSet, value: DataSet) -> None:
    width = len(value.columns)
    if len(value.types) != width:
        raise WrongType(f"a DataSet of {width} columns has {len(value.types)} types")
    target.num_of_columns = width
    for column, kind in zip(value.columns, value.types, strict=True):
        if kind not in BASIC:
            raise WrongType(f"the column {column} cannot be of type {kind.name}")
        target.columns.append(_utf8(column))
        target.types.append(kind)
    for row in value.rows:
        if len(row) != width:
            raise WrongType(f"a DataSet of {width} columns has a row of {len(row)}")
        written = target.rows.add()
        for kind, cell in zip(value.types, row, strict=True):
            element = written.elements.add()
            if cell is not None:
                where, raw = write_value(kind, cell)
                setattr(element, where, raw)


def _write_template(target: PayloadMessage.Template, value: Template, timestamp_ms: int | None) -> None:
    target.is_definition = value.is_definition
    if value.ref is not None:
        target.template_ref = _utf8(value.ref)
    if value.version is not None:
        target.version = _utf8(value.version)
    for metric in value.metrics:
        if not metric.name or metric.datatype is None:
            raise WrongType(f"a member of a Template needs a name and a data type: {metric.name!r}")
        member = target.metrics.add(name=_utf8(metric.name), datatype=metric.datatype)
        try:
            write_metric(
                member, metric, metric.datatype, timestamp_ms if metric.timestamp_ms is None else metric.timestamp_ms
            )
        except WrongType as error:
            raise WrongType(f"member {metric.name}: {error}") from error
    for parameter in value.parameters:
        if not parameter.name or parameter.datatype not in BASIC:
            raise WrongType(f"a parameter needs a name and a basic type: {parameter.name!r}, {parameter.datatype.name}")
        written = target.parameters.add(name=_utf8(parameter.name), type=parameter.datatype)
        if parameter.value is not None:
            where, raw = write_value(parameter.datatype, parameter.value)
            setattr(written, where, raw)


def _write_properties(target: PayloadMessage.PropertySet, properties: PropertySet) -> None:
    for key, found in properties.items():
        value, datatype = found.value, found.datatype
        if key == QUALITY and (datatype is not DataType.INT32 or value not in _QUALITY_CODES):
            raise WrongType(f"the quality is 0, 192 or 500 as Int32, not {value!r} as {datatype.name}")
        target.keys.append(_utf8(key))
        written = target.values.add(type=datatype)
        if value is None:
            written.is_null = True
        elif datatype in BASIC:
            where, raw = write_value(datatype, value)
            setattr(written, where, raw)
        elif datatype is DataType.PROPERTY_SET and not isinstance(value, _PLAIN | tuple):
            written.propertyset_value.SetInParent()
            _write_properties(written.propertyset_value, value)
        elif datatype is DataType.PROPERTY_SET_LIST and isinstance(value, tuple):
            written.propertysets_value.SetInParent()
            for one in value:
                _write_properties(written.propertysets_value.propertyset.add(), one)
        else:
            raise WrongType(f"the property {key} cannot be {value!r} of type {datatype.name}")


_PLAIN = bool | int | float | str | bytes


def _write_metadata(target: PayloadMessage.MetaData, metadata: MetaData) -> None:
    target.SetInParent()
    for name in _METADATA:
        value = getattr(metadata, name)
        if value is not None:
            try:
                setattr(target, name, value)
            except (TypeError, ValueError) as error:
                raise WrongType(f"the metadata {name} cannot be {value!r}") from error


def _utf8(text: str) -> str:
    raw = write_value(DataType.STRING, text)[1]
    return raw if isinstance(raw, str) else text


# --- reading ---------------------------------------------------------------------------------------------------------


def label(found: MetricMessage) -> str | None:
    """Return the metric's name, or else its alias in decimal, for people to find it."""
    if found.name and isinstance(found.name, str):
        return found.name
    return str(found.alias) if found.HasField("alias") else None


def read_metric(found: MetricMessage) -> Metric:
    """Read a metric by what it says of itself."""
    name = _text(found.name, "the metric's name") if found.HasField("name") else None
    datatype: DataType | None = None
    if found.HasField("datatype"):
        datatype = BY_NUMBER.get(found.datatype)
        if datatype is None:
            raise WrongType(f"{found.datatype} is not a Sparkplug data type")
    value: MetricValue | None = None
    held: ValueField | None = None
    if not found.is_null:
        where = found.WhichOneof("value")
        if where is None:
            raise WrongType("the metric has neither a value nor is_null")
        raw = getattr(found, where)
        if datatype is None:
            value, held = _read_untyped(where, raw), where
        else:
            value = _read_typed(datatype, where, raw)
    return Metric(
        name=name,
        alias=found.alias if found.HasField("alias") else None,
        datatype=datatype,
        value=value,
        timestamp_ms=found.timestamp if found.HasField("timestamp") else None,
        is_historical=found.is_historical,
        properties=read_properties(found.properties) if found.HasField("properties") else NO_PROPERTIES,
        held=held,
        is_transient=found.is_transient,
        metadata=read_metadata(found) if found.HasField("metadata") else None,
    )


def _read_typed(datatype: DataType, where: str, raw: Any) -> MetricValue:  # noqa: ANN401 whatever the field held
    fields = METRIC_READERS.get(datatype)
    if fields is None:
        raise WrongType(f"a metric cannot be of type {datatype.name}")
    if where not in fields:
        raise WrongType(f"a value of type {datatype.name} came in {where}")
    reader = fields[where]
    value: MetricValue = raw if reader is None else reader(raw)
    return value


def _read_untyped(where: str, raw: Any) -> MetricValue:  # noqa: ANN401 whatever the field held
    if where == "string_value":
        return _text(raw, "the text")
    reader = _STRUCTURES.get(where)
    if reader is not None:
        value: MetricValue = reader(raw)
        return value
    if isinstance(raw, bool | int | float | bytes):
        return raw
    raise WrongType(f"a value in {where} cannot be read")


def read_properties(message: PayloadMessage.PropertySet) -> PropertySet:
    """Read properties, and property sets in them."""
    keys, values = message.keys, message.values
    if len(keys) != len(values):
        raise WrongType(f"{len(keys)} property keys and {len(values)} values")
    return {_text(key, "a property key"): _read_property(key, found) for key, found in zip(keys, values, strict=True)}


def _read_property(key: str, found: PayloadMessage.PropertyValue) -> Property:
    where = found.WhichOneof("value")
    # Only births must say the type.
    datatype = BY_NUMBER.get(found.type) if found.type else _TYPE_OF_FIELD.get(where or "", DataType.UNKNOWN)
    if datatype is None:
        raise WrongType(f"the property {key} has the unknown data type {found.type}")
    if found.is_null:
        return Property(datatype=datatype, value=None)
    if where is None:
        raise WrongType(f"the property {key} has neither a value nor is_null")
    raw = getattr(found, where)
    value: PropertyValue
    if datatype is DataType.PROPERTY_SET and where == "propertyset_value":
        value = read_properties(raw)
    elif datatype is DataType.PROPERTY_SET_LIST and where == "propertysets_value":
        value = tuple(read_properties(one) for one in raw.propertyset)
    else:
        plain = read_value(datatype, where, raw)
        if isinstance(plain, tuple):
            raise WrongType(f"the property {key} cannot be of type {datatype.name}")
        value = plain
    return Property(datatype=datatype, value=value)


_TYPE_OF_FIELD: dict[str, DataType] = {
    "int_value": DataType.INT32,
    "long_value": DataType.INT64,
    "float_value": DataType.FLOAT,
    "double_value": DataType.DOUBLE,
    "boolean_value": DataType.BOOLEAN,
    "string_value": DataType.STRING,
    "propertyset_value": DataType.PROPERTY_SET,
    "propertysets_value": DataType.PROPERTY_SET_LIST,
}


def read_metadata(found: MetricMessage) -> MetaData:
    """Read a metric's metadata."""
    message = found.metadata
    said = {name: getattr(message, name) for name in _METADATA if message.HasField(name)}
    for name, value in said.items():
        if isinstance(value, bytes):
            raise WrongType(f"the metadata {name} is not UTF-8")
    return MetaData(**said)


def read_dataset(message: PayloadMessage.DataSet) -> DataSet:
    """Read a DataSet: its types are in it, also in DATA."""
    columns = tuple(_text(column, "a column's name") for column in message.columns)
    types = tuple(_basic(number, "a column") for number in message.types)
    if len(types) != len(columns):
        raise WrongType(f"a DataSet of {len(columns)} columns has {len(types)} types")
    if message.HasField("num_of_columns") and message.num_of_columns != len(columns):
        raise WrongType(f"a DataSet says that it has {message.num_of_columns} columns, and has {len(columns)}")
    rows: list[tuple[Any, ...]] = []
    for row in message.rows:
        if len(row.elements) != len(columns):
            raise WrongType(f"a DataSet of {len(columns)} columns has a row of {len(row.elements)}")
        rows.append(tuple(_cell(kind, element) for kind, element in zip(types, row.elements, strict=True)))
    return DataSet(columns=columns, types=types, rows=tuple(rows))


def _cell(kind: DataType, element: PayloadMessage.DataSet.DataSetValue | PayloadMessage.Template.Parameter) -> Any:  # noqa: ANN401 a value of that kind
    where = element.WhichOneof("value")
    return None if where is None else read_value(kind, where, getattr(element, where))


def read_template(message: PayloadMessage.Template) -> Template:
    """Read a definition or an instance; members of an instance in DATA may still need `resolve_template`."""
    ref = _text(message.template_ref, "a template's reference") if message.template_ref else None
    if message.is_definition == (ref is not None):
        raise WrongType(f"a Template with is_definition {message.is_definition} and the reference {ref!r}")
    members: list[Metric] = []
    for found in message.metrics:
        try:
            members.append(read_metric(found))
        except WrongType as error:
            raise WrongType(f"member {label(found)}: {error}") from error
    parameters: list[Parameter] = []
    for one in message.parameters:
        name = _text(one.name, "a parameter's name")
        kind = _basic(one.type, f"the parameter {name}")
        parameters.append(Parameter(name=name, datatype=kind, value=_cell(kind, one)))
    return Template(
        metrics=tuple(members),
        parameters=tuple(parameters),
        ref=ref,
        version=_text(message.version, "a template's version") if message.HasField("version") else None,
    )


def _basic(number: int, what: str) -> DataType:
    kind = BY_NUMBER.get(number)
    if kind is None or kind not in BASIC:
        raise WrongType(f"{what} is of type {number}, which is no basic data type")
    return kind


def _text(raw: object, what: str) -> str:
    # protobuf hands the bytes out as they are when they are not UTF-8, because the schema is proto2
    if isinstance(raw, str):
        return raw
    raise WrongType(f"{what} is not UTF-8")


_STRUCTURES: dict[str, Reader] = {"dataset_value": read_dataset, "template_value": read_template}

METRIC_READERS: dict[DataType, dict[str, Reader | None]] = {
    **READERS,
    DataType.DATASET: {"dataset_value": read_dataset},
    DataType.TEMPLATE: {"template_value": read_template},
}
"""What a metric can be: which field may hold it, and what reads that; None where protobuf's own value is it already."""
