"""Modbus units in a process of their own, fast enough never to be the bottleneck, with the faults of the benchmark.

Holding registers have the floats of `points.py`, and change at every read; input register N holds N. Not pymodbus.
"""

import argparse
import asyncio
import os
import pty
import struct
import tty
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from simulators.modbus import frames
from tests.benchmarks.bus_parts.points import HOLE, POINTS, VARIANTS, value

_TURNAROUND_S = 0.003  # how long a unit on the paced line thinks


class Units:
    """What the units answer, with every answer made once."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._random = Random(1)  # noqa: S311 - faults that repeat
        self._answers: dict[bytes, list[bytes]] = {}
        self._turns: Counter[bytes] = Counter()
        self._images = {
            unit: [
                struct.pack(f">{POINTS}f", *(value(unit, index, variant) for index in range(POINTS)))
                for variant in range(VARIANTS)
            ]
            for unit in range(1, options.units + 1)
        }

    def is_silent(self, unit: int) -> bool:
        return unit not in self._images or unit == self._options.dead

    def answer(self, unit: int, pdu: bytes) -> bytes:
        if pdu[0] in {6, 16}:
            return pdu[:5]
        if self._options.refuse and self._random.random() < self._options.refuse:
            return frames.exception(pdu[0], self._random.choice([2, 4, 6]))
        key = bytes([unit]) + pdu
        answers = self._answers.get(key)
        if answers is None:
            answers = self._answers[key] = self._make(unit, pdu)
        self._turns[key] += 1
        return answers[self._turns[key] % len(answers)]

    def _make(self, unit: int, pdu: bytes) -> list[bytes]:
        function, address, count = struct.unpack(">BHH", pdu)
        if function == 4:
            return [frames.read_answer(4, range(address, address + count))]
        touched = range(address // 2, (address + count + 1) // 2)
        if address + count > 2 * POINTS or (self._options.holes and any(index % 100 == HOLE for index in touched)):
            return [frames.exception(function, frames.ILLEGAL_ADDRESS)]
        part = slice(2 * address, 2 * (address + count))
        return [bytes([function, 2 * count]) + image[part] for image in self._images[unit]]

    def delay_s(self, request: int, answer: int) -> float:
        """Say how long after the request's first byte the answer's last byte is there."""
        options = self._options
        if options.late and self._random.random() < options.late:
            return self._random.uniform(options.late_from_ms, options.late_to_ms) / 1000
        paced = (request + answer) * 10 / options.baud + _TURNAROUND_S if options.baud else 0.0
        return float(paced + options.delay_ms / 1000)


class TcpUnits(asyncio.Protocol):
    def __init__(self, units: Units) -> None:
        self._units = units
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (frame := frames.take_tcp(self._buffer)) is not None:
            if self._units.is_silent(frame.unit):
                continue
            answer = frames.tcp(frame, self._units.answer(frame.unit, frame.pdu))
            _send(self._transport.write, answer, self._units.delay_s(12, len(answer)))


class Line:
    def __init__(self, units: Units, link: Path) -> None:
        self._units = units
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._buffer = bytearray()
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._on_readable)

    def _on_readable(self) -> None:
        self._buffer += os.read(self._master, 4096)
        try:
            while (frame := frames.take_rtu(self._buffer)) is not None:
                if not self._units.is_silent(frame.unit):
                    answer = frames.rtu(frame, self._units.answer(frame.unit, frame.pdu))
                    _send(self._write, answer, self._units.delay_s(8, len(answer)))
        except ValueError:
            self._buffer.clear()

    def _write(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(self._master, data)


def _send(write: Callable[[bytes], object], answer: bytes, delay_s: float) -> None:
    if delay_s:
        asyncio.get_running_loop().call_later(delay_s, write, answer)
    else:
        write(answer)


async def serve(options: argparse.Namespace) -> None:
    units = Units(options)
    if options.link is None:
        server = await asyncio.get_running_loop().create_server(lambda: TcpUnits(units), "127.0.0.1", options.port)
        print(server.sockets[0].getsockname()[1], flush=True)
    else:
        line = Line(units, options.link)
        print(options.link, flush=True)
    await asyncio.Event().wait()
    del line


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--link", type=Path)
    parser.add_argument("--units", type=int, default=10)
    parser.add_argument("--dead", type=int, default=0)
    parser.add_argument("--baud", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--late", type=float, default=0.0)
    parser.add_argument("--late-from-ms", type=float, default=0.0)
    parser.add_argument("--late-to-ms", type=float, default=0.0)
    parser.add_argument("--refuse", type=float, default=0.0)
    parser.add_argument("--holes", action="store_true")
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
