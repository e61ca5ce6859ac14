"""Bytes that were not made by our encoder: a vendor's documentation, or assembled by hand by the rules of protobuf.

A protobuf field is a tag byte, (field number << 3) | wire type, and its content: wire type 0 is a varint, 1 eight bytes
and 5 four bytes, both little endian, 2 a length and that many bytes. Field numbers: Sparkplug 3.0, chapter 6.
"""

import math

import pytest

from wire.edge_node import EdgeNode
from wire.payload import (
    DataType,
    MalformedPayload,
    Metric,
    Payload,
    Property,
    Quality,
    Value,
    WrongType,
    decode,
    encode,
    quality_property,
    resolve,
)

# Elecsys, "Sparkplug-B MQTT Payload Format" (RediGate documentation): an NCMD and a DCMD as a host sends them.
# Their seq is -1 in 64 bits: a command has none.
ELECSYS_NCMD = bytes.fromhex(
    "08 9f af b8 f8 8d 31 12 23 0a 14 4E 6F 64 65 20 43 6F 6E 74 72 6F 6C 2F 52 65 62 69 72 74 68"
    "18 9f af b8 f8 8d 31 20 0b 38 00 70 01 18 ff ff ff ff ff ff ff ff ff 01"
)
ELECSYS_DCMD = bytes.fromhex(
    "08 c0 b8 d8 9e 8e 31 12 0f 10 9a ef 02 18 c0 b8 d8 9e 8e 31 20 03 50 0f 18 ff ff ff ff ff ff ff ff ff 01"
)
SPECIFICATION_TIME = 1486144502122  # the timestamp of the specification's examples; as a varint:
SPECIFICATION_VARINT = "ea f2 f5 a8 a0 2b"


def test_reads_a_vendors_rebirth_command() -> None:
    assert decode(ELECSYS_NCMD) == Payload(
        timestamp_ms=1687369422751,
        seq=2**64 - 1,
        metrics=(
            Metric(name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True, timestamp_ms=1687369422751),
        ),
    )


def test_reads_a_vendors_device_command() -> None:
    assert decode(ELECSYS_DCMD).metrics == (
        Metric(alias=47002, datatype=DataType.INT32, value=15, timestamp_ms=1687449640000),
    )


def test_refuses_a_payload_with_one_byte_too_many() -> None:
    # the same page shows the DCMD with a trailing 0a, which is the tag of a field whose content never comes
    with pytest.raises(MalformedPayload, match="not a Sparkplug B payload"):
        decode(ELECSYS_DCMD + b"\x0a")


def test_writes_the_simple_payload_of_the_specification() -> None:
    # {"timestamp": 1486144502122, "metrics": [{"name": "My Metric", "alias": 1, "timestamp": 1479123452194,
    #   "dataType": "String", "value": "Test"}], "seq": 2}
    metric = "0a 09 4d 79 20 4d 65 74 72 69 63 10 01 18 a2 82 83 95 86 2b 20 0c 7a 04 54 65 73 74"
    expected = bytes.fromhex(f"08 {SPECIFICATION_VARINT} 12 {len(bytes.fromhex(metric)):02x} {metric} 18 02")
    payload = Payload(
        timestamp_ms=SPECIFICATION_TIME,
        seq=2,
        metrics=(
            Metric(name="My Metric", alias=1, datatype=DataType.STRING, value="Test", timestamp_ms=1479123452194),
        ),
    )
    assert encode(payload) == expected
    assert decode(expected) == payload


def test_the_will_is_one_bdseq_and_no_seq() -> None:
    # metric, 11 bytes: name "bdSeq" (5 bytes), datatype 4 (Int64), long_value 3
    assert EdgeNode("g", "n", 3).will().payload == bytes.fromhex("12 0b 0a 05 62 64 53 65 71 20 04 58 03")


def test_data_goes_by_alias_with_seq_and_time_and_nothing_else() -> None:
    node = EdgeNode("g", "n", 0)
    node.birth([Metric(name="Supply Voltage", datatype=DataType.FLOAT, value=12.1)], SPECIFICATION_TIME)
    data = node.data([Metric(name="Supply Voltage", value=12.5)], SPECIFICATION_TIME)
    # 12.5 as a float is 0x41480000; the metric has 2 + 7 + 5 bytes
    metric = f"10 01 18 {SPECIFICATION_VARINT} 65 00 00 48 41"
    assert data.payload == bytes.fromhex(f"08 {SPECIFICATION_VARINT} 12 0e {metric} 18 01")


@pytest.mark.parametrize(
    ("datatype", "field", "value"),
    [
        (DataType.INT8, "50 ff 01", -1),  # two's complement in 8 bits, as Eclipse Tahu's Python library sends it
        (DataType.INT8, "50 ff ff ff ff 0f", -1),  # sign-extended to 32 bits, as its JavaScript library sends it
        (DataType.INT16, "50 fe ff 03", -2),
        (DataType.INT16, "50 fe ff ff ff 0f", -2),
        (DataType.INT32, "50 80 80 80 80 08", -(2**31)),
        (DataType.INT64, "58 ff ff ff ff ff ff ff ff ff 01", -1),
        (DataType.UINT8, "50 ff 01", 255),
        (DataType.UINT32, "50 ff ff ff ff 0f", 2**32 - 1),
        (DataType.UINT32, "58 ff ff ff ff 0f", 2**32 - 1),  # from implementations without unsigned 32-bit numbers
        (DataType.UINT64, "58 ff ff ff ff ff ff ff ff ff 01", 2**64 - 1),
        (DataType.DATETIME, f"58 {SPECIFICATION_VARINT}", SPECIFICATION_TIME),
        (DataType.FLOAT, "65 00 00 80 7f", math.inf),
        (DataType.DOUBLE, "69 00 00 00 00 00 00 f8 3f", 1.5),
        (DataType.BOOLEAN, "70 00", False),
        (DataType.TEXT, "7a 06 e9 82 bb e9 87 8c", "邻里"),
        (DataType.BYTES, "82 01 02 00 ff", b"\x00\xff"),
    ],
)
def test_reads_every_field_form_of_a_value(datatype: DataType, field: str, value: object) -> None:
    content = bytes.fromhex(field)
    typed = bytes((0x20, datatype)) + content
    assert decode(b"\x12" + bytes((len(typed),)) + typed).metrics == (Metric(datatype=datatype, value=value),)  # type: ignore[arg-type] # the table's values
    untyped = decode(b"\x12" + bytes((len(content),)) + content).metrics[0]
    assert (untyped.datatype, untyped.held is None) == (None, False)
    resolved = resolve(untyped, Metric(name="m", alias=7, datatype=datatype))
    assert (resolved.name, resolved.alias, resolved.value) == ("m", 7, value)


# The examples of the specification (chapter 6, "Datatype Details"), where these follow its own rule: little endian.
ARRAYS = [
    (DataType.INT16_ARRAY, "d0 8a 30 75", (-30_000, 30_000)),
    (DataType.INT32_ARRAY, "ff ff ff ff fa af cb 12", (-1, 315_338_746)),
    (
        DataType.INT64_ARRAY,
        "ce 06 72 ac 18 9c ba c4 c4 ba 9c 18 ac 72 06 ce",
        (-4270929666821191986, -3601064768563266876),
    ),
    (DataType.UINT8_ARRAY, "17 fa", (23, 250)),
    (DataType.UINT16_ARRAY, "1e 00 88 cc", (30, 52_360)),
    (DataType.UINT32_ARRAY, "34 00 00 00 49 fb 55 c4", (52, 3_293_969_225)),
    (DataType.UINT64_ARRAY, "34 00 00 00 00 00 00 00 d9 9e 02 d1 b2 76 37 e4", (52, 16_444_743_074_749_521_625)),
    (
        DataType.BOOLEAN_ARRAY,
        "0c 00 00 00 34 d0",
        (False, False, True, True, False, True, False, False, True, True, False, True),
    ),
    (DataType.STRING_ARRAY, "41 42 43 00 68 65 6c 6c 6f 00", ("ABC", "hello")),
    (
        DataType.DATETIME_ARRAY,
        "c7 d0 90 75 24 01 00 00 b8 ba b8 97 81 01 00 00",
        (1_256_102_875_335, 1_656_107_875_000),
    ),
]


@pytest.mark.parametrize(("datatype", "content", "value"), ARRAYS)
def test_arrays_are_those_of_the_specifications_examples(
    datatype: DataType, content: str, value: tuple[int, ...]
) -> None:
    packed = bytes.fromhex(content)
    metric = Metric(name="a", datatype=datatype, value=value)
    written = b"\x0a\x01a\x20" + bytes((datatype,)) + b"\x82\x01" + bytes((len(packed),)) + packed
    assert encode(Payload(timestamp_ms=None, metrics=(metric,))) == b"\x12" + bytes((len(written),)) + written
    assert decode(encode(Payload(timestamp_ms=None, metrics=(metric,)))).metrics == (metric,)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT8_ARRAY, (128,)),
        (DataType.INT8_ARRAY, (1.0,)),
        (DataType.UINT8_ARRAY, (True,)),
        (DataType.UINT8_ARRAY, [1]),
        (DataType.FLOAT_ARRAY, (1e39,)),
        (DataType.FLOAT_ARRAY, ("1",)),
        (DataType.BOOLEAN_ARRAY, (1,)),
        (DataType.STRING_ARRAY, ("a\0b",)),
        (DataType.STRING_ARRAY, ("\ud800",)),
        (DataType.STRING_ARRAY, (b"a",)),
        (DataType.DATETIME_ARRAY, (-1,)),
    ],
)
def test_an_element_that_does_not_fit_its_array_is_never_written(datatype: DataType, value: tuple[int, ...]) -> None:
    with pytest.raises(WrongType):
        encode(Payload(timestamp_ms=1, metrics=(Metric(name="a", datatype=datatype, value=value),)))


@pytest.mark.parametrize(
    ("datatype", "content", "says"),
    [
        (DataType.INT32_ARRAY, "00 00 00", "no whole number of elements of 4"),
        (DataType.BOOLEAN_ARRAY, "01 00", "begins with their number in 4 bytes"),
        (DataType.BOOLEAN_ARRAY, "09 00 00 00 ff", "9 booleans do not fill 1 bytes"),
        (DataType.STRING_ARRAY, "41 42", "the last string of an array has no end"),
        (DataType.STRING_ARRAY, "ff 00", "is not UTF-8"),
    ],
)
def test_bytes_that_are_no_array_are_malformed(datatype: DataType, content: str, says: str) -> None:
    packed = bytes.fromhex(content)
    typed = bytes((0x20, datatype)) + b"\x82\x01" + bytes((len(packed),)) + packed
    with pytest.raises(MalformedPayload, match=says):
        decode(b"\x12" + bytes((len(typed),)) + typed)


@pytest.mark.parametrize(
    ("datatype", "field", "says"),
    [
        (DataType.INT8, "50 80 02", "256 does not fit a signed integer of 8 bits"),
        (DataType.UINT8, "50 80 02", "256 does not fit an unsigned integer of 8 bits"),
        (DataType.UINT32, "58 80 80 80 80 10", "does not fit an unsigned integer of 32 bits"),
        (DataType.FLOAT, "50 01", "FLOAT came in int_value"),
        (DataType.INT32, "58 01", "INT32 came in long_value"),
        (DataType.STRING, "7a 01 ff", "not UTF-8"),
        (DataType.DATASET, "8a 01 02 12 00", "1 columns has 0 types"),
        (DataType.TEMPLATE, "92 01 00", "is_definition False and the reference None"),
        (DataType.INT16_ARRAY, "82 01 01 00", "1 bytes are no whole number of elements of 2"),
        (DataType.PROPERTY_SET, "8a 01 00", "a metric cannot be of type PROPERTY_SET"),
        (DataType.INT32, "", "neither a value nor is_null"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_malformed(datatype: DataType, field: str, says: str) -> None:
    typed = bytes((0x20, datatype)) + bytes.fromhex(field)
    with pytest.raises(MalformedPayload, match=says):
        decode(b"\x12" + bytes((len(typed),)) + typed)


def test_an_unknown_data_type_is_malformed() -> None:
    with pytest.raises(MalformedPayload, match="metric a: 35 is not a Sparkplug data type"):
        decode(bytes.fromhex("12 07 0a 01 61 20 23 50 01"))


def test_quality_is_an_int32_property() -> None:
    # metric: name "a", datatype 3, properties: keys ["Quality"], values [{type 3, int_value 500 = f4 03}], int_value 1
    quality = "4a 10 0a 07 51 75 61 6c 69 74 79 12 05 08 03 18 f4 03"
    expected = bytes.fromhex(f"12 19 0a 01 61 20 03 {quality} 50 01")
    metric = Metric(name="a", datatype=DataType.INT32, value=1, properties={"Quality": quality_property(Quality.STALE)})
    assert encode(Payload(timestamp_ms=None, metrics=(metric,))) == expected
    assert decode(expected).metrics[0].quality is Quality.STALE


def test_quality_is_good_when_absent_and_bad_when_it_is_not_the_standards() -> None:
    assert Metric(name="a").quality is Quality.GOOD
    odd = {"Quality": Property(datatype=DataType.INT32, value=7)}
    assert Metric(name="a", properties=odd).quality is Quality.BAD


def test_properties_of_unequal_length_are_malformed() -> None:
    with pytest.raises(MalformedPayload, match="1 property keys and 0 values"):
        decode(bytes.fromhex("12 07 4a 03 0a 01 51 50 01"))


def test_nested_property_sets_are_read() -> None:
    # properties: keys ["p"], values [{type 20, propertyset_value {keys ["q"], values [{type 11, boolean_value 1}]}}]
    inner = "0a 01 71 12 04 08 0b 38 01"
    found = decode(bytes.fromhex(f"12 18 20 03 4a 12 0a 01 70 12 0d 08 14 4a 09 {inner} 50 01")).metrics[0]
    nested = Property(datatype=DataType.PROPERTY_SET, value={"q": Property(datatype=DataType.BOOLEAN, value=True)})
    assert (found.value, dict(found.properties)) == (1, {"p": nested})


def test_a_property_without_a_type_has_that_of_its_field() -> None:
    # only births must say the type: keys ["Quality"], values [{int_value 500}]
    found = decode(bytes.fromhex("12 14 20 03 4a 0e 0a 07 51 75 61 6c 69 74 79 12 03 18 f4 03 50 01")).metrics[0]
    assert found.quality is Quality.STALE


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT8, 128),
        (DataType.UINT8, -1),
        (DataType.INT32, True),
        (DataType.INT32, 1.0),
        (DataType.FLOAT, 1e39),
        (DataType.FLOAT, True),
        (DataType.DOUBLE, 10**400),
        (DataType.BOOLEAN, 1),
        (DataType.STRING, b"x"),
        (DataType.STRING, "\ud800"),
        (DataType.BYTES, "x"),
        (DataType.TEMPLATE, "x"),
    ],
)
def test_a_value_that_does_not_fit_is_never_written(datatype: DataType, value: Value) -> None:
    with pytest.raises(WrongType, match="metric m: "):
        encode(Payload(timestamp_ms=1, metrics=(Metric(name="m", datatype=datatype, value=value),)))


def test_a_number_outside_the_frame_is_refused_too() -> None:
    with pytest.raises(WrongType, match="cannot be written"):
        encode(Payload(timestamp_ms=-1, metrics=()))


def test_resolve_refuses_another_type_than_that_of_the_birth() -> None:
    born = Metric(name="level", datatype=DataType.FLOAT)
    with pytest.raises(WrongType, match="level was born as FLOAT, its data is INT32"):
        resolve(Metric(datatype=DataType.INT32, value=1), born)
    with pytest.raises(WrongType, match="FLOAT came in int_value"):
        resolve(Metric(value=1, held="int_value"), born)
    assert resolve(Metric(value=None), born).is_null
