"""A peer on Eclipse Tahu's Python core, in mqtt-spb-wrapper: `tahu_peer.py HOST PORT USER PASSWORD GROUP NODE`.

It says each payload of the group as its own schema reads it, and on `births` and `data` publishes a DataSet and a
Template of its own making. Runs in an environment of its own.
"""

import json
import sys
from typing import Any

import paho.mqtt.client as mqtt
from google.protobuf.json_format import MessageToDict
from mqtt_spb_wrapper.spb_protobuf import (  # type: ignore[import-not-found] # lives in the peer's own environment
    sparkplug_b,
    sparkplug_b_pb2,
)

BROKER, PORT, USER, PASSWORD, GROUP, NODE = sys.argv[1:]
TYPES = sparkplug_b.MetricDataType
COLUMNS = sparkplug_b.DataSetDataType


def say(kind: str, **more: object) -> None:
    sys.stdout.write(json.dumps({"kind": kind, **more}) + "\n")
    sys.stdout.flush()


def on_message(_client: Any, _userdata: Any, message: Any) -> None:
    levels = message.topic.split("/")
    if levels[3] != NODE:
        read = sparkplug_b_pb2.Payload.FromString(message.payload)
        say(levels[2], payload=MessageToDict(read, preserving_proto_field_name=True))


def table(payload: Any, alias: int) -> None:
    """Add a DataSet of two rows."""
    dataset = sparkplug_b.initDatasetMetric(
        payload, "table", alias, ["day", "kWh", "note"], [COLUMNS.DateTime, COLUMNS.Double, COLUMNS.String]
    )
    for day, energy, note in ((1_700_000_000_000, 12.5, "邻里"), (1_700_086_400_000, 0.25, "")):
        row = dataset.rows.add()
        for field, value in (("long_value", day), ("double_value", energy), ("string_value", note)):
            setattr(row.elements.add(), field, value)


def motor(payload: Any, name: str, ref: str | None, alias: int, rpm: int, *members: str) -> None:
    """Add a definition (`ref` None) or an instance of a Template with the given members."""
    template = sparkplug_b.initTemplateMetric(payload, name, alias, ref)
    template.version = "1.0"
    if "rpm" in members:
        sparkplug_b.addMetric(template, "rpm", None, TYPES.Int16, rpm)
    if "on" in members:
        sparkplug_b.addMetric(template, "on", None, TYPES.Boolean, rpm != 0)
    parameter = template.parameters.add()
    parameter.name, parameter.type, parameter.int_value = "pole pairs", sparkplug_b.ParameterDataType.Int32, 2


def main() -> None:
    death = sparkplug_b.getNodeDeathPayload()
    client = mqtt.Client(client_id="tahu", clean_session=True)
    client.username_pw_set(USER, PASSWORD)
    client.will_set(f"spBv1.0/{GROUP}/NDEATH/{NODE}", bytearray(death.SerializeToString()), 1)
    client.on_message = on_message
    client.on_subscribe = lambda *_: say("ready")
    client.connect(BROKER, int(PORT), 5)
    client.subscribe(f"spBv1.0/{GROUP}/#", 1)
    client.loop_start()

    def publish(kind: str, payload: Any, device: str = "") -> None:
        client.publish(f"spBv1.0/{GROUP}/{kind}/{NODE}{device}", bytearray(payload.SerializeToString()), 0)

    for line in sys.stdin:
        if json.loads(line)["do"] == "births":
            birth = sparkplug_b.getNodeBirthPayload()
            sparkplug_b.addMetric(birth, "Node Control/Rebirth", None, TYPES.Boolean, value=False)
            motor(birth, "Motor", None, 1, 0, "rpm", "on")
            publish("NBIRTH", birth)
            device = sparkplug_b.getDeviceBirthPayload()
            table(device, 2)
            motor(device, "motor", "Motor", 3, -1450, "rpm", "on")
            sparkplug_b.addNullMetric(device, "unknown", 4, TYPES.UInt32)
            publish("DBIRTH", device, "/pump")
        else:
            data = sparkplug_b.getDdataPayload()
            table(data, 2)
            data.metrics[0].ClearField("name")
            motor(data, "motor", "Motor", 3, 700, "rpm")
            data.metrics[1].ClearField("name")
            sparkplug_b.addHistoricalMetric(data, None, 4, TYPES.UInt32, 2**32 - 1)
            publish("DDATA", data, "/pump")


if __name__ == "__main__":
    main()
