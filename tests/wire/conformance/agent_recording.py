"""One life of the real agent between real Modbus units and a real Mosquitto, with every MQTT packet written down."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiomqtt

from tests.support.broker import Broker, running_broker
from tests.support.edge_site import USERS, Host, listening_host, running_agent, write_site
from tests.support.modbus_server import ModbusUnits, modbus_units
from tests.support.mqtt_tap import Packet, Tap, tapped
from wire.edge_node import REBIRTH
from wire.topic import MessageType

PUMP_1, PUMP_2 = "pump-1", "pump-2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """What an agent said, and what a listener at the broker saw.

    Connection 1 has births, data, a rebirth that was asked for, the death of a device and its birth again; then it is
    cut. Connection 2 has births and ends as intended. `wills` are the deaths that the broker published when the first
    connection was cut (their bdSeq), `retained` is what the broker gives to a newcomer at the end.
    """

    packets: list[Packet]
    wills: list[object]
    retained: list[str]
    most_connections: int

    def of(self, connection: int, *types: str) -> list[Packet]:
        """The messages that one connection published, of some types or of all."""
        return [
            one
            for one in self.packets
            if one.from_client
            and one.connection == connection
            and one.kind == "PUBLISH"
            and (not types or one.type in types)
        ]

    @property
    def published(self) -> list[Packet]:
        """All messages, of both connections."""
        return [*self.of(1), *self.of(2)]

    def connect(self, connection: int) -> Packet:
        """The CONNECT of a connection."""
        return next(one for one in self.packets if one.connection == connection and one.kind == "CONNECT")


async def record(folder: Path) -> Life:
    """Let an agent live for a few seconds."""
    async with (
        running_broker(folder / "broker", users=USERS) as broker,
        tapped(broker.host, broker.port) as tap,
        modbus_units(1, 2) as units,
        listening_host(broker) as host,
    ):
        behind_tap = Broker(folder=broker.folder, users=USERS, port=tap.port)
        units.registers[1][0] = 40
        async with running_agent(write_site(folder, behind_tap, units, devices=2)):
            await _first_connection(tap, units, host)
            heard = len(host.heard)
            tap.cut()
            await tap.until("a second life", lambda: {one.topic.split("/")[-1] for one in _births(tap, 2)} >= {PUMP_1})
            await tap.until("data again", lambda: [one for one in tap.sent(type_="DDATA") if one.connection == 2])
            wills = [one for one in host.heard[heard:] if one.type is MessageType.NDEATH]
        await tap.until("its end", lambda: tap.closed(2))
        return Life(
            packets=list(tap.packets),
            wills=[one.value("bdSeq") for one in wills],
            retained=await _retained(broker),
            most_connections=tap.most_open,
        )


async def _first_connection(tap: Tap, units: ModbusUnits, host: Host) -> None:
    await tap.until("births", lambda: len(_births(tap, 1)) == 2)
    await host.until(lambda: [one for one in host.taken if "locked" in one.metrics], 2)
    units.registers[1][0] = 50
    await host.until(lambda: [one for one in host.taken if _pressure(one.metrics) == 5.0])
    await host.node_command(REBIRTH, value=True)
    await tap.until("a rebirth", lambda: len(_births(tap, 1)) == 4)
    units.mute.add(1)
    await tap.until("a device's death", lambda: tap.sent(type_="DDEATH"))
    units.mute.clear()
    await tap.until("its birth again", lambda: len(_births(tap, 1)) == 5)
    await tap.until("data of the node", lambda: tap.sent(type_="NDATA"))


def _births(tap: Tap, connection: int) -> list[Packet]:
    return [one for one in tap.sent(type_="DBIRTH") if one.connection == connection]


def _pressure(metrics: object) -> object:
    assert isinstance(metrics, dict)
    return metrics["pressure"].value if "pressure" in metrics else None


async def _retained(broker: Broker) -> list[str]:
    """Ask as a newcomer what the broker keeps."""
    async with aiomqtt.Client(
        broker.host, broker.port, username="cloud", password=USERS["cloud"], identifier="newcomer"
    ) as client:
        await client.subscribe("#", qos=1)
        await client.publish("end", b"", qos=1)
        topics = []
        async with asyncio.timeout(10):
            async for message in client.messages:
                if str(message.topic) == "end":
                    break
                topics.append(str(message.topic))
        return topics
