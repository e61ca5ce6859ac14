"""The load: nodes of the contract on one connection to the broker, in a process of its own.

Usage: `load.py PORT JSON`, with `nodes`, `devices` (of each node), `per_message`, `tokens` (whether nodes publish
command tokens). It prints lines of JSON about how many devices are born, and one with `ready` when every device is born
and has one record committed. Then it reads lines of JSON: `{"rate": messages a second, or 0 for as fast as the windows
allow, "seconds": …, "window": records of a node beyond its acknowledgement}`, and answers each, when all is
acknowledged, with what it has sent.
"""

import asyncio
import json
import struct
import sys
import time
from collections.abc import Iterable
from itertools import cycle

from tests.benchmarks.ingest_parts.stream import GROUP, Bodies, Node, profile
from wire.contract import JOURNAL_ACK, PROFILE_REQUEST, JournalPosition
from wire.edge_node import REBIRTH
from wire.payload import decode
from wire.topic import parse

_TICK_S = 0.005
_LOOK_S = 0.25
_PATIENCE_S = 3.0
_BIRTH_PATIENCE_S = 60.0
_BORN_AT_ONCE = 800
_TOKENS_S = 5.0
_CHUNK = 65_536


class Connection:
    """A publisher of MQTT 3.1.1 with QoS 0 that costs next to nothing, because the broker shares its core."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        made = cls(reader, writer)
        writer.write(_packet(0x10, _text(b"MQTT") + b"\x04\x02\x00\x00" + _text(b"bench-load")))
        kind, body = await made._receive()
        if kind >> 4 != 2 or body[1]:
            raise OSError(f"the broker refuses: {body!r}")
        return made

    async def subscribe(self, topic: str) -> None:
        self._writer.write(_packet(0x82, b"\x00\x01" + _text(topic.encode()) + b"\x00"))
        await self._writer.drain()

    def publish(self, topic: str, payload: bytes) -> None:
        self._writer.write(_packet(0x30, _text(topic.encode()) + payload))

    async def drain(self) -> None:
        await self._writer.drain()

    async def message(self) -> tuple[str, bytes]:
        while True:
            kind, body = await self._receive()
            if kind >> 4 == 3:
                length = struct.unpack_from(">H", body)[0]
                return body[2 : 2 + length].decode(), body[2 + length :]

    async def _receive(self) -> tuple[int, bytes]:
        kind = (await self._reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return kind, await self._reader.readexactly(length)


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    length, head = len(body), bytearray([kind])
    while True:
        length, byte = divmod(length, 128)
        head.append(byte | 0x80 if length else byte)
        if not length:
            return bytes(head) + body


class Load:
    """All nodes, and what was sent and acknowledged."""

    def __init__(self, connection: Connection, nodes: Iterable[Node]) -> None:
        self._connection = connection
        self.nodes = {node.name: node for node in nodes}
        self._turns = cycle(self.nodes.values())
        self._born: set[str] = set()
        self.rebirths = self.resent = 0

    async def listen(self) -> None:
        while True:
            topic, payload = await self._connection.message()
            node = self.nodes[parse(topic).node]
            now_ms = time.time_ns() // 1_000_000
            for metric in decode(payload).metrics:
                # A metric comes by its alias, as the births of `stream` give them out.
                if metric.name == REBIRTH:
                    self.rebirths += 1
                    await self._bear(node, now_ms)
                elif metric.name == PROFILE_REQUEST or metric.alias == 4:
                    message = node.document(now_ms)
                    self._connection.publish(message.topic, message.payload)
                elif metric.name == JOURNAL_ACK or metric.alias == 3:
                    place = JournalPosition.parse(str(metric.value))
                    node.acknowledged = max(node.acknowledged, place.offset)
                    node.progress_at = time.monotonic()

    async def bear(self, devices: int) -> None:
        """Bear all nodes, some at a time, and let every device be heard of once.

        All at once would be more than the broker keeps for anybody, and this is not about births.
        """
        nodes = list(self.nodes.values())
        at_once = max(1, _BORN_AT_ONCE // (devices + 1))
        # The first one brings the profile. What follows its births at once waits for that, and is sent again.
        await self._bear(nodes[0], time.time_ns() // 1_000_000)
        await self._first_records(nodes[:1], devices, patience_s=1.0)
        for begin in range(1, len(nodes), at_once):
            some = nodes[begin : begin + at_once]
            for node in some:
                await self._bear(node, time.time_ns() // 1_000_000)
            await self._first_records(some, devices)
            _tell(born=(begin + len(some)) * devices)

    async def _bear(self, node: Node, now_ms: int) -> None:
        for message in node.births(now_ms):
            self._connection.publish(message.topic, message.payload)
        self._born.add(node.name)
        await self._connection.drain()

    async def _first_records(self, nodes: Iterable[Node], devices: int, patience_s: float = _BIRTH_PATIENCE_S) -> None:
        """Let every device be heard of once, and wait until that is committed."""
        for node in nodes:
            for _ in range(devices):
                self._send(node)
            node.progress_at = time.monotonic()
            await self._connection.drain()
        await self.acknowledged(nodes, patience_s)

    async def tokens(self) -> None:
        """Publish a command token for each node every 5 s, one after the other."""
        nodes = list(self.nodes.values())
        started, said = time.monotonic(), 0
        while True:
            while said < (time.monotonic() - started) * len(nodes) / _TOKENS_S:
                node = nodes[said % len(nodes)]
                message = node.token(f"{said:032x}", time.time_ns() // 1_000_000)
                self._connection.publish(message.topic, message.payload)
                said += 1
            await asyncio.sleep(0.02)

    async def run(self, *, rate: float, seconds: float, window: int) -> int:
        """Send for a time, and wait until all is acknowledged; how many messages."""
        started = looked = time.monotonic()
        sent = 0
        for node in self.nodes.values():
            node.progress_at = started
        while (passed := time.monotonic() - started) < seconds:
            due = int(rate * passed) - sent if rate else len(self.nodes) * window
            quiet = 0  # nodes in a row whose window is full
            now_ms = time.time_ns() // 1_000_000
            while due > 0 and quiet < len(self.nodes):
                node = next(self._turns)
                if node.sent - node.acknowledged >= window:
                    quiet += 1
                    continue
                quiet = 0
                self._send(node, now_ms)
                sent += 1
                due -= 1
                if sent % 64 == 0:
                    await self._connection.drain()
                    await asyncio.sleep(0)
                    now_ms = time.time_ns() // 1_000_000
            if time.monotonic() - looked >= _LOOK_S:
                looked = time.monotonic()
                self._send_again(self.nodes.values(), _PATIENCE_S)
            await self._connection.drain()
            await asyncio.sleep(_TICK_S)
        await self.acknowledged(self.nodes.values(), _PATIENCE_S)
        return sent

    async def acknowledged(self, nodes: Iterable[Node], patience_s: float) -> None:
        """Wait until everything of some nodes is acknowledged."""
        while missing := [node for node in nodes if node.acknowledged < node.sent]:
            self._send_again(missing, patience_s)
            await asyncio.sleep(0.02)

    def _send(self, node: Node, now_ms: int | None = None) -> None:
        if node.sent == node.acknowledged:
            node.progress_at = time.monotonic()  # nothing of it waited until now
        self._connection.publish(*node.record(now_ms or time.time_ns() // 1_000_000))

    def _send_again(self, nodes: Iterable[Node], patience_s: float) -> None:
        """Go back to the watermark at a node whose records are not acknowledged for a while, as an agent does."""
        now = time.monotonic()
        for node in nodes:
            if node.sent > node.acknowledged and now - node.progress_at > patience_s:
                again = node.sent - node.acknowledged
                node.sent, node.progress_at = node.acknowledged, now
                self.resent += again
                for _ in range(again):
                    self._send(node)


async def main(port: int, wanted: dict[str, int]) -> None:
    connection = await Connection.open(port)
    await connection.subscribe(f"spBv1.0/{GROUP}/NCMD/#")
    known = profile()
    bodies = Bodies(profile=known, per_message=wanted["per_message"])
    nodes = [
        Node(f"node-{number}", number=number, devices=wanted["devices"], profile=known, bodies=bodies)
        for number in range(wanted["nodes"])
    ]
    load = Load(connection, nodes)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(load.listen(), name="load:listen")]
        await load.bear(wanted["devices"])
        if wanted["tokens"]:
            tasks.append(group.create_task(load.tokens(), name="load:tokens"))
        _tell(ready=True, rebirths=load.rebirths, resent=load.resent)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            sent = await load.run(rate=order["rate"], seconds=order["seconds"], window=order["window"])
            _tell(sent=sent, rebirths=load.rebirths, resent=load.resent)
        for task in tasks:
            task.cancel()


def _tell(**said: object) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2])))
