import struct
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from wire.datatypes import BASIC
from wire.payload import DataType, MalformedPayload, Metric, Payload, Property, decode, encode, resolve
from wire.sparkplug_b_pb2 import Payload as PayloadMessage

UINT64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


VALUES: dict[DataType, st.SearchStrategy[bool | int | float | str | bytes]] = {
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


@st.composite
def properties(draw: st.DrawFn) -> Property:
    datatype = draw(st.sampled_from(sorted(BASIC)))
    return Property(datatype=datatype, value=draw(st.none() | VALUES[datatype]))


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
        properties=draw(st.dictionaries(TEXT, properties(), max_size=3)),
    )


PAYLOADS = st.builds(
    Payload,
    timestamp_ms=st.none() | UINT64,
    metrics=st.lists(metrics(), max_size=4).map(tuple),
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
