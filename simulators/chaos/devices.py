"""Devices that number what they say: each answered read of `number` shows the next one, so that loss can be told.

`python -m simulators.chaos.devices FOLDER LINE` serves one line of the plan in FOLDER. Beside the faults of the line, a
device takes `code:7`: it then shows the fault code 7 until that is cleared.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.api import Value
from drivers.profile import load_profile
from runtime.lifecycle import every, run_process
from runtime.logs import configure_logs
from simulators.control import PlayedLine, hold_process, serve_control
from simulators.disturbances import Transport
from simulators.line import TICK
from simulators.machines.api import UnknownFault
from simulators.modbus import frames
from simulators.modbus.server import serve_rtu, serve_tcp
from simulators.modbus.station import Station, Stations, Wrap
from simulators.transmitter import Reply
from simulators.witness import Witness

CODE = "code"
PLAN = "lines.json"
_COUNTED = (4, 0)
"""The function and the address by which an agent reads `number`."""


@dataclass(slots=True)
class NumberingMachine:
    """A machine without a life of its own: a number that counts, a fault code, and a level that is set."""

    number: int = 0
    code: int = 0
    level: int = 0

    def values(self) -> Mapping[str, Value]:
        """Give what every point shows now."""
        return {"number": self.number, "fault_code": self.code, "level": self.level}

    def step(self, dt_s: float, random: Random) -> None:
        """Do nothing: time alone changes nothing."""

    def write(self, point: str, value: Value) -> None:
        """Take a level; ValueError for anything else."""
        if point != "level":
            raise ValueError(f"{point} is not written")
        self.level = int(value)

    def faults(self) -> tuple[str, ...]:
        """Name what it can have: any code."""
        return (CODE,)

    def active(self) -> tuple[str, ...]:
        """Name what it has now."""
        return (f"{CODE}:{self.code}",) if self.code else ()

    def fault(self, name: str) -> None:
        """Show a code; UnknownFault."""
        kind, _, code = name.partition(":")
        if kind != CODE or not code.isdigit():
            raise UnknownFault(name, self.faults())
        self.code = int(code)

    def clear(self, name: str | None) -> None:  # noqa: ARG002 - there is one code at a time
        """Show none any more."""
        self.code = 0


class NumberingStation(Station):
    """A device that counts before each read of its number."""

    machine: NumberingMachine

    def reply(self, frame: frames.Frame, wrap: Wrap) -> Reply | None:
        """Answer, after counting when this asks for the number."""
        request = frames.parse(frame.pdu)
        if isinstance(request, frames.Read) and (request.function, request.address) == _COUNTED:
            self.machine.number += 1
            self._show()
        return super().reply(frame, wrap)


async def serve(folder: Path, line: str) -> None:
    """Serve a line until cancelled."""
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))[line]
    data = folder / "simulators"
    profile = load_profile(folder / "profile.toml")
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_process(data, line))
        serial = plan["port"] is None
        stations = Stations(
            [
                NumberingStation(
                    name=name,
                    unit=unit,
                    profile=profile,
                    machine=NumberingMachine(),
                    witness=stack.enter_context(Witness(data, name, clock=time.time)),
                    random=Random(name),  # noqa: S311 - chance of disturbances, and repeatable
                )
                for unit, name in enumerate(plan["devices"], start=1)
            ],
            transport=Transport.SERIAL if serial else Transport.TCP,
        )
        if serial:
            endpoint = str(await stack.enter_async_context(serve_rtu(stations, link=data / f"{line}.tty")))
        else:
            served = serve_tcp(stations, host="127.0.0.1", port=plan["port"])
            endpoint = f"127.0.0.1:{await stack.enter_async_context(served)}"
        played = PlayedLine(name=line, devices=stations, endpoint=endpoint)
        await stack.enter_async_context(serve_control([played], data=data, process=line))

        async def tick() -> None:
            stations.tick(TICK.total_seconds())

        await every(TICK, tick)


def main() -> None:
    """Run the process."""
    folder, line = Path(sys.argv[1]), sys.argv[2]
    configure_logs(process=f"devices:{line}", level="info")

    async def run(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(folder, line), name=f"chaos:{line}")
            await stop.wait()
            serving.cancel()

    run_process(run, name=f"devices:{line}")


if __name__ == "__main__":
    main()
