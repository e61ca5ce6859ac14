"""Fields of payloads (chapter 6): what the encoder writes, read back with nothing but the protobuf schema."""

from dataclasses import replace

import pytest

from tests.wire.conformance.listing import claims
from wire.datatypes import BASIC, DataType
from wire.edge_node import EdgeNode
from wire.errors import MalformedPayload, SequenceError, WrongType
from wire.host import Host
from wire.payload import DataSet, Message, Metric, Parameter, Payload, Property, Template, decode, encode
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.topic import NodeKey
from wire.values import MetaData, Quality, quality_property

AT = 1_700_000_000_000
LEVEL = Metric(name="level", datatype=DataType.DOUBLE, value=1.0)


def _metric(metric: Metric) -> PayloadMessage.Metric:
    """Give one metric as it stands in the bytes."""
    return PayloadMessage.FromString(encode(Payload(timestamp_ms=AT, metrics=(metric,)))).metrics[0]


def _raw(message: Message) -> PayloadMessage:
    return PayloadMessage.FromString(message.payload)


# --- names, aliases, times, data types -------------------------------------------------------------------------------


def _node() -> tuple[EdgeNode, list[Message]]:
    node = EdgeNode("garden", "edge-1", 0)
    births = [node.birth([LEVEL], AT), node.device_birth("a", [LEVEL], AT), node.device_birth("b", [LEVEL], AT)]
    return node, births


@claims("payloads-alias-uniqueness", "payloads-alias-birth-requirement", "payloads-name-requirement")
def test_births_name_each_metric_and_give_it_an_alias_of_its_own() -> None:
    _, births = _node()
    metrics = [metric for message in births for metric in _raw(message).metrics]
    assert all(metric.name for metric in metrics)
    aliased = [metric.alias for metric in metrics if metric.HasField("alias")]
    assert len(aliased) == 3
    assert len(set(aliased)) == 3
    without = {metric.name for metric in metrics if not metric.HasField("alias")}
    assert without == {"bdSeq", "Node Control/Rebirth"}


@claims("payloads-alias-data-cmd-requirement", "payloads-metric-datatype-not-req")
def test_data_and_commands_have_the_alias_alone() -> None:
    node, births = _node()
    host = Host(reorder_timeout_ms=1_000)
    for message in births:
        host.receive(message.topic, message.payload, AT)
    key = NodeKey(group="garden", node="edge-1")
    for message in (
        node.data([LEVEL], AT),
        node.device_data("a", [LEVEL], AT),
        host.command(key, None, [LEVEL], AT),
        host.command(key, "a", [LEVEL], AT),
    ):
        (metric,) = _raw(message).metrics
        assert metric.HasField("alias"), message.topic
        assert not metric.HasField("name"), message.topic
        assert not metric.HasField("datatype"), message.topic


@claims("payloads-name-birth-data-requirement")
def test_each_metric_of_births_and_data_has_a_time() -> None:
    node, births = _node()
    early = replace(LEVEL, timestamp_ms=AT - 5)
    motors = EdgeNode("garden", "edge-2", 0)
    messages = [motors.birth([DEFINITION, _instance()], AT), *births]
    assert all(member.timestamp for metric in _raw(messages[0]).metrics for member in metric.template_value.metrics)
    messages += [node.data([LEVEL], AT), node.device_data("a", [early], AT)]
    assert all(metric.timestamp for message in messages for metric in _raw(message).metrics)
    assert _raw(messages[-1]).metrics[0].timestamp == AT - 5


@claims(
    "payloads-metric-datatype-req",
    "payloads-metric-datatype-value",
    "payloads-metric-datatype-value-type",
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
def test_each_metric_of_a_birth_has_a_data_type_of_the_standards_and_a_value_or_null() -> None:
    node = EdgeNode("garden", "edge-1", 0)
    unknown = Metric(name="unknown", datatype=DataType.FLOAT)
    for message in (node.birth([LEVEL, unknown], AT), node.device_birth("a", [LEVEL, unknown], AT)):
        for metric in _raw(message).metrics:
            assert 1 <= metric.datatype <= 34
            assert metric.is_null == (metric.WhichOneof("value") is None)
        assert {m.name for m in _raw(message).metrics if m.is_null} == {"unknown"}
    field = PayloadMessage.Metric.DESCRIPTOR.fields_by_name["datatype"]
    assert field.type == field.TYPE_UINT32
    with pytest.raises(SequenceError, match="data type"):
        node.device_birth("b", [Metric(name="untyped", value=1)], AT)
    with pytest.raises(WrongType):
        node.device_birth("b", [Metric(name="odd", datatype=DataType.UNKNOWN, value=1)], AT)


# --- properties ------------------------------------------------------------------------------------------------------

PROPERTIES = {
    "Quality": quality_property(Quality.STALE),
    "engUnit": Property(datatype=DataType.STRING, value="bar"),
    "engLow": Property(datatype=DataType.DOUBLE, value=0.0),
    "none": Property(datatype=DataType.INT64, value=None),
    "nested": Property(
        datatype=DataType.PROPERTY_SET,
        value={
            "deep": Property(datatype=DataType.BOOLEAN, value=True),
            "empty": Property(datatype=DataType.PROPERTY_SET, value={}),
        },
    ),
    "list": Property(
        datatype=DataType.PROPERTY_SET_LIST,
        value=({"a": Property(datatype=DataType.INT8, value=-1)}, {}),
    ),
}


@claims(
    "payloads-propertyset-keys-array-size",
    "payloads-propertyset-values-array-size",
    "payloads-metric-propertyvalue-type-type",
    "payloads-metric-propertyvalue-type-value",
    "payloads-metric-propertyvalue-type-req",
)
def test_a_property_set_has_as_many_keys_as_values_each_with_its_type() -> None:
    written = _metric(replace(LEVEL, properties=PROPERTIES))

    def check(found: PayloadMessage.PropertySet) -> None:
        assert len(found.keys) == len(found.values)
        for value in found.values:
            assert value.type in {*BASIC, DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST}
            check(value.propertyset_value)
            for one in value.propertysets_value.propertyset:
                check(one)

    check(written.properties)
    field = PayloadMessage.PropertyValue.DESCRIPTOR.fields_by_name["type"]
    assert field.type == field.TYPE_UINT32
    for kind in (DataType.UUID, DataType.BYTES, DataType.DATASET, DataType.INT8_ARRAY, DataType.UNKNOWN):
        with pytest.raises(WrongType):
            _metric(replace(LEVEL, properties={"odd": Property(datatype=kind, value="x")}))
    read = decode(encode(Payload(timestamp_ms=AT, metrics=(replace(LEVEL, properties=PROPERTIES),))))
    assert read.metrics[0].properties == PROPERTIES


@claims("payloads-propertyset-quality-value-type", "payloads-propertyset-quality-value-value")
def test_the_quality_is_one_of_three_codes_as_int32() -> None:
    for quality in Quality:
        (value,) = _metric(replace(LEVEL, properties={"Quality": quality_property(quality)})).properties.values
        assert (value.type, value.int_value, value.WhichOneof("value")) == (3, int(quality), "int_value")
    for odd in (
        Property(datatype=DataType.INT32, value=1),
        Property(datatype=DataType.INT64, value=192),
        Property(datatype=DataType.INT32, value=None),
    ):
        with pytest.raises(WrongType, match="the quality is 0, 192 or 500"):
            _metric(replace(LEVEL, properties={"Quality": odd}))


# --- DataSets --------------------------------------------------------------------------------------------------------

TABLE = DataSet(
    columns=("时间", "count", "name", "running", "level"),
    types=(DataType.DATETIME, DataType.INT16, DataType.TEXT, DataType.BOOLEAN, DataType.FLOAT),
    rows=((AT, -2, "泵", True, 1.5), (AT + 1, 7, "", None, None)),
)


def _as_metric(table: DataSet) -> Metric:
    return Metric(name="table", datatype=DataType.DATASET, value=table)


@claims(
    "payloads-dataset-column-size",
    "payloads-dataset-column-num-headers",
    "payloads-dataset-types-def",
    "payloads-dataset-types-num",
    "payloads-dataset-types-type",
    "payloads-dataset-types-value",
    "payloads-dataset-parameter-type-req",
    "payloads-template-dataset-value",
)
def test_a_dataset_has_a_basic_type_and_a_name_for_each_column() -> None:
    written = _metric(_as_metric(TABLE)).dataset_value
    assert written.num_of_columns == len(written.columns) == len(written.types) == 5
    assert list(written.types) == [13, 2, 14, 11, 9]
    assert [cell.WhichOneof("value") for cell in written.rows[0].elements] == [
        "long_value", "int_value", "string_value", "boolean_value", "float_value",
    ]  # fmt: skip
    fields = PayloadMessage.DataSet.DESCRIPTOR.fields_by_name
    assert fields["num_of_columns"].type == fields["num_of_columns"].TYPE_UINT64
    assert fields["types"].type == fields["types"].TYPE_UINT32
    assert decode(encode(Payload(timestamp_ms=AT, metrics=(_as_metric(TABLE),)))).metrics[0].value == TABLE


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (replace(TABLE, types=TABLE.types[:4]), "5 columns has 4 types"),
        (replace(TABLE, types=(*TABLE.types[:4], DataType.UUID)), "cannot be of type UUID"),
        (replace(TABLE, rows=((1, 2),)), "a row of 2"),
        (replace(TABLE, rows=((AT, 40_000, "", True, 1.0),)), "40000 is not an integer"),
    ],
)
def test_a_dataset_that_is_none_is_not_written(table: DataSet, says: str) -> None:
    with pytest.raises(WrongType, match=says):
        _metric(_as_metric(table))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table.types.append(3), "5 columns has 6 types"),
        (lambda table: setattr(table, "num_of_columns", 4), "says that it has 4 columns"),
        (lambda table: table.types.__setitem__(0, 15), "type 15, which is no basic"),
        (lambda table: table.rows[0].elements.add(), "a row of 6"),
    ],
)
def test_a_dataset_that_is_none_is_not_read(change: object, says: str) -> None:
    message = PayloadMessage.FromString(encode(Payload(timestamp_ms=AT, metrics=(_as_metric(TABLE),))))
    assert callable(change)
    change(message.metrics[0].dataset_value)
    with pytest.raises(MalformedPayload, match=says):
        decode(message.SerializeToString())


@claims("payloads-dataset-parameter-type-req")
def test_a_dataset_in_data_has_its_types_too() -> None:
    node = EdgeNode("garden", "edge-1", 0)
    host = Host(reorder_timeout_ms=1_000)
    birth = node.birth([_as_metric(TABLE)], AT)
    host.receive(birth.topic, birth.payload, AT)
    data = node.data([_as_metric(replace(TABLE, rows=TABLE.rows[:1]))], AT)
    assert list(_raw(data).metrics[0].dataset_value.types) == [13, 2, 14, 11, 9]
    (event,) = host.receive(data.topic, data.payload, AT)
    assert event.metrics[0].value == replace(TABLE, rows=TABLE.rows[:1])  # type: ignore[union-attr] # NodeData


# --- Templates -------------------------------------------------------------------------------------------------------

MOTOR = Template(
    version="1.0",
    metrics=(
        Metric(name="rpm", datatype=DataType.UINT16, value=0, timestamp_ms=AT),
        Metric(name="on", datatype=DataType.BOOLEAN, value=False, timestamp_ms=AT),
    ),
    parameters=(Parameter(name="pole pairs", datatype=DataType.INT32, value=2),),
)
DEFINITION = Metric(name="Motor", datatype=DataType.TEMPLATE, value=MOTOR)
SPINNING = Template(
    ref="Motor",
    version="1.0",
    metrics=(
        Metric(name="rpm", datatype=DataType.UINT16, value=1450, timestamp_ms=AT),
        Metric(name="on", datatype=DataType.BOOLEAN, value=True, timestamp_ms=AT),
    ),
    parameters=(Parameter(name="pole pairs", datatype=DataType.INT32, value=1),),
)


def _instance(template: Template = SPINNING) -> Metric:
    return Metric(name="motor", datatype=DataType.TEMPLATE, value=template)


def _with_motors() -> EdgeNode:
    node = EdgeNode("garden", "edge-1", 0)
    node.birth([DEFINITION, _instance()], AT)
    node.device_birth("pump-1", [_instance()], AT)
    return node


@claims(
    "payloads-template-definition-is-definition",
    "payloads-template-definition-ref",
    "payloads-template-is-definition",
    "payloads-template-is-definition-definition",
    "payloads-template-is-definition-instance",
    "payloads-template-instance-is-definition",
    "payloads-template-instance-ref",
    "payloads-template-ref-definition",
    "payloads-template-ref-instance",
    "payloads-template-version",
    "payloads-template-definition-parameters-default",
    "payloads-template-instance-parameters",
)
def test_a_definition_and_an_instance_say_which_they_are() -> None:
    definition, instance = _metric(DEFINITION).template_value, _metric(_instance()).template_value
    assert definition.HasField("is_definition")
    assert definition.is_definition
    assert not definition.HasField("template_ref")
    assert instance.HasField("is_definition")
    assert not instance.is_definition
    assert instance.template_ref == "Motor"
    assert definition.version == instance.version == "1.0"
    assert (definition.parameters[0].int_value, instance.parameters[0].int_value) == (2, 1)
    with pytest.raises(WrongType, match="UTF-8"):
        _metric(_instance(replace(SPINNING, version="\ud800")))
    both = decode(encode(Payload(timestamp_ms=AT, metrics=(DEFINITION, _instance()))))
    assert [metric.value for metric in both.metrics] == [MOTOR, SPINNING]


@claims(
    "payloads-template-parameter-name-required",
    "payloads-template-parameter-name-type",
    "payloads-template-parameter-value-type",
    "payloads-template-parameter-type-value",
    "payloads-template-parameter-type-req",
    "payloads-template-parameter-value",
)
def test_a_parameter_has_a_name_a_basic_type_and_a_plain_value() -> None:
    (written,) = _metric(DEFINITION).template_value.parameters
    assert (written.name, written.type, written.WhichOneof("value")) == ("pole pairs", 3, "int_value")
    field = PayloadMessage.Template.Parameter.DESCRIPTOR.fields_by_name["type"]
    assert field.type == field.TYPE_UINT32
    for odd in (
        Parameter(name="", datatype=DataType.INT32, value=1),
        Parameter(name="\ud800", datatype=DataType.INT32, value=1),
        Parameter(name="a", datatype=DataType.BYTES, value=b""),
        Parameter(name="a", datatype=DataType.UNKNOWN, value=1),
        Parameter(name="a", datatype=DataType.STRING, value=b"bytes"),
    ):
        with pytest.raises(WrongType):
            _metric(replace(DEFINITION, value=replace(MOTOR, parameters=(odd,))))


@claims(
    "payloads-template-definition-nbirth-only",
    "payloads-template-definition-nbirth",
    "topics-nbirth-templates",
)
def test_templates_are_defined_in_nbirth_and_nowhere_else() -> None:
    node = _with_motors()
    again = replace(DEFINITION, name="motor")
    with pytest.raises(SequenceError, match="defined in the birth of the node only"):
        node.device_birth("pump-2", [DEFINITION], AT)
    with pytest.raises(SequenceError, match="defined in the birth of the node only"):
        node.data([again], AT)
    with pytest.raises(SequenceError, match="defined in the birth of the node only"):
        node.device_data("pump-1", [again], AT)
    undefined = EdgeNode("garden", "edge-1", 0)
    with pytest.raises(WrongType, match="defines no template 'Motor'"):
        undefined.birth([_instance()], AT)
    undefined.birth([], AT)
    with pytest.raises(WrongType, match="defines no template 'Motor'"):
        undefined.device_birth("pump-1", [_instance()], AT)


@claims(
    "payloads-template-definition-members",
    "payloads-template-definition-parameters",
    "payloads-template-instance-members",
    "payloads-template-instance-members-birth",
)
@pytest.mark.parametrize(
    ("instance", "says"),
    [
        (replace(SPINNING, metrics=SPINNING.metrics[:1]), "lacks on"),
        (replace(SPINNING, metrics=(*SPINNING.metrics, LEVEL)), "defines no member level"),
        (replace(SPINNING, metrics=(replace(LEVEL, name="rpm"), SPINNING.metrics[1])), "rpm as another type"),
        (replace(SPINNING, parameters=(Parameter(name="odd", datatype=DataType.INT32),)), "no such parameter odd"),
    ],
)
def test_an_instance_in_a_birth_is_what_its_definition_says(instance: Template, says: str) -> None:
    node = EdgeNode("garden", "edge-1", 0)
    with pytest.raises(WrongType, match=says):
        node.birth([DEFINITION, _instance(instance)], AT)
    node.birth([DEFINITION], AT)
    with pytest.raises(WrongType, match=says):
        node.device_birth("pump-1", [_instance(instance)], AT)


@claims("payloads-template-instance-members-data")
def test_an_instance_in_data_may_have_some_members_and_is_read_by_its_definition() -> None:
    node, host = EdgeNode("garden", "edge-1", 0), Host(reorder_timeout_ms=1_000)
    for message in (node.birth([DEFINITION], AT), node.device_birth("pump-1", [_instance()], AT)):
        host.receive(message.topic, message.payload, AT)
    part = replace(SPINNING, metrics=SPINNING.metrics[:1], parameters=())
    data = node.device_data("pump-1", [_instance(part)], AT)
    untyped = _raw(data)
    untyped.metrics[0].template_value.metrics[0].ClearField("datatype")  # as others leave it out of data
    (event,) = host.receive(data.topic, untyped.SerializeToString(), AT)
    assert event.metrics[0].value == part  # type: ignore[union-attr] # DeviceData
    with pytest.raises(WrongType, match="defines no member level"):
        node.device_data("pump-1", [_instance(replace(part, metrics=(LEVEL,)))], AT)


def test_metadata_and_transience_survive() -> None:
    metadata = MetaData(is_multi_part=False, content_type="text/csv", size=3, seq=0, file_name="a.csv", md5="0")
    metric = Metric(
        name="file", datatype=DataType.FILE, value=b"1,2", is_transient=True, metadata=metadata, timestamp_ms=AT
    )
    assert decode(encode(Payload(timestamp_ms=AT, metrics=(metric,)))).metrics == (metric,)
