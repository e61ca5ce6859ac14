import struct
from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from wire.datatypes import BASIC, Value
from wire.payload import (
    DataSet,
    DataType,
    MalformedPayload,
    MetaData,
    Metric,
    MetricValue,
    Parameter,
    Payload,
    Property,
    Template,
    decode,
    encode,
    resolve,
)
from wire.sparkplug_b_pb2 import Payload as PayloadMessage

UINT64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


SCALARS: dict[DataType, st.SearchStrategy[Value]] = {
    **{kind: _integers(-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1)
       for kind, size in ((DataType.INT8, 1), (DataType.INT16, 2), (DataType.INT32, 4), (DataType.INT64, 8))},
    **{kind: _integers(0, 2 ** (8 * size) - 1)
       for kind, size in ((DataType.UINT8, 1), (DataType.UINT16, 2), (DataType.UINT32, 4), (DataType.UINT64, 8))},
    DataType.FLOAT: st.floats(width=32, allow_nan=False),
    DataType.DOUBLE: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.STRING: TEXT,
    DataType.DATETIME: UINT64,
    DataType.TEXT: TEXT,
    DataType.UUID: st.uuids().map(str),
    DataType.BYTES: st.binary(max_size=20),
    DataType.FILE: st.binary(max_size=20),
}  # fmt: skip


def _array(elements: st.SearchStrategy[Value]) -> st.SearchStrategy[MetricValue]:
    return st.lists(elements, max_size=9).map(lambda found: tuple(found))  # type: ignore[arg-type,return-value] # noqa: PLW0108 all of one type, which only the elements know


_ELEMENTS: dict[DataType, DataType] = {
    kind: DataType[kind.name.removesuffix("_ARRAY")] for kind in DataType if kind.name.endswith("_ARRAY")
}
VALUES: dict[DataType, st.SearchStrategy[MetricValue]] = {
    **SCALARS,
    **{kind: _array(SCALARS[element]) for kind, element in _ELEMENTS.items()},
    DataType.STRING_ARRAY: st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9), max_size=4
    ).map(tuple),
}


KEYS = TEXT.filter(lambda key: key != "Quality")  # which has rules of its own


@st.composite
def plain_properties(draw: st.DrawFn) -> Property:
    datatype = draw(st.sampled_from(sorted(BASIC)))
    return Property(datatype=datatype, value=draw(st.none() | SCALARS[datatype]))


def _sets(inner: st.SearchStrategy[Property]) -> st.SearchStrategy[Property]:
    one = st.dictionaries(KEYS, inner, max_size=2)
    return st.builds(Property, datatype=st.just(DataType.PROPERTY_SET), value=one) | st.builds(
        Property, datatype=st.just(DataType.PROPERTY_SET_LIST), value=st.lists(one, max_size=2).map(tuple)
    )


PROPERTIES = st.recursive(plain_properties(), _sets, max_leaves=4)
METADATA = st.builds(
    MetaData,
    is_multi_part=st.none() | st.booleans(),
    content_type=st.none() | TEXT,
    size=st.none() | UINT64,
    seq=st.none() | UINT64,
    file_name=st.none() | TEXT,
    file_type=st.none() | TEXT,
    md5=st.none() | TEXT,
    description=st.none() | TEXT,
)


@st.composite
def datasets(draw: st.DrawFn) -> DataSet:
    types = draw(st.lists(st.sampled_from(sorted(BASIC)), max_size=4))
    row = st.tuples(*(st.none() | SCALARS[kind] for kind in types))
    return DataSet(
        columns=tuple(draw(TEXT) for _ in types), types=tuple(types), rows=tuple(draw(st.lists(row, max_size=3)))
    )


@st.composite
def parameters(draw: st.DrawFn) -> Parameter:
    datatype = draw(st.sampled_from(sorted(BASIC)))
    return Parameter(name=draw(TEXT.filter(bool)), datatype=datatype, value=draw(st.none() | SCALARS[datatype]))


def _templates(members: st.SearchStrategy[Metric]) -> st.SearchStrategy[Metric]:
    template = st.builds(
        Template,
        metrics=st.lists(members, max_size=3).map(tuple),
        parameters=st.lists(parameters(), max_size=2).map(tuple),
        ref=st.none() | TEXT.filter(bool),
        version=st.none() | TEXT,
    )
    return st.builds(
        Metric, name=TEXT.filter(bool), datatype=st.just(DataType.TEMPLATE), value=template, timestamp_ms=UINT64
    )


@st.composite
def members(draw: st.DrawFn) -> Metric:
    return replace(draw(metrics()), name=draw(TEXT.filter(bool)), alias=None, timestamp_ms=draw(UINT64))


TABLES = st.builds(Metric, name=st.none() | TEXT, datatype=st.just(DataType.DATASET), value=datasets())
STRUCTURES = TABLES | st.deferred(lambda: _templates(st.recursive(members(), _templates, max_leaves=4)))


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    datatype = draw(st.sampled_from(sorted(VALUES)))
    return Metric(
        name=draw(st.none() | TEXT),
        alias=draw(st.none() | UINT64),
        datatype=datatype,
        value=draw(st.none() | VALUES[datatype]),
        timestamp_ms=draw(st.none() | UINT64),
        is_historical=draw(st.booleans()),
        properties=draw(st.dictionaries(KEYS, PROPERTIES, max_size=3)),
        is_transient=draw(st.booleans()),
        metadata=draw(st.none() | METADATA),
    )


PAYLOADS = st.builds(
    Payload,
    timestamp_ms=st.none() | UINT64,
    metrics=st.lists(metrics() | STRUCTURES, max_size=4).map(tuple),
    seq=st.none() | UINT64,
    uuid=st.none() | TEXT,
    body=st.none() | st.binary(max_size=10),
)


@settings(deadline=None)
@given(PAYLOADS)
def test_a_payload_survives_writing_and_reading(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


@settings(deadline=None)
@given(metrics())
def test_data_without_a_data_type_resolves_to_the_value_of_the_births_type(metric: Metric) -> None:
    message = PayloadMessage.FromString(encode(Payload(timestamp_ms=1, metrics=(metric,))))
    message.metrics[0].ClearField("datatype")
    untyped = decode(message.SerializeToString())
    assert decode(encode(untyped)) == untyped
    born = Metric(name=metric.name, alias=metric.alias, datatype=metric.datatype)
    assert resolve(untyped.metrics[0], born) == metric


@given(st.sampled_from([DataType.FLOAT, DataType.DOUBLE]))
def test_nan_stays_a_float(datatype: DataType) -> None:
    metric = Metric(name="m", datatype=datatype, value=struct.unpack("<d", bytes.fromhex("000000000000f87f"))[0])
    value = decode(encode(Payload(timestamp_ms=1, metrics=(metric,)))).metrics[0].value
    assert isinstance(value, float)
    assert value != value  # noqa: PLR0124 only nan is not itself


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_malformed(data: bytes) -> None:
    with suppress(MalformedPayload):
        assert isinstance(decode(data), Payload)


@settings(deadline=None, max_examples=500)
@given(PAYLOADS.map(encode), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_damaged_payload_is_a_payload_or_malformed(data: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(data or b"\0")
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    with suppress(MalformedPayload):
        assert isinstance(decode(bytes(damaged)), Payload)
