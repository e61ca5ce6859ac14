"""How to talk to a running simulator: one line with a JSON object over a Unix socket, and one line back.

One socket for each process; a process plays one line or several.
Requests: {"do": "status"}, {"do": "values", "device"}, {"do": "fault", "device", "fault"}, {"do": "clear", "device",
"fault"} (without `fault`: all), {"do": "stage", "stage", "act", "at_ms"} (who comes to a stage from which Unix time on;
all processes with cameras at it are told the same). Answers: {"ok": true, ...}, or {"ok": false, "error": a sentence
for people}.
"""

import asyncio
import fcntl
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from runtime.config import Strict
from simulators.devices import Devices
from simulators.disturbances import BadDisturbance
from simulators.machines.api import UnknownFault
from simulators.people.attempts import BadAct, read_act
from simulators.people.stage import Stages
from simulators.pseudo_terminal import LineUnavailable

_LONGEST_PATH = 107  # bytes of a Unix socket's path, without the final zero
_PATIENCE_S = 3.0
_LONGEST_REQUEST = 4096
_SHOWN = 40
"""So many names of devices are told at most."""


class ControlError(Exception):
    """A simulator did not do what it was asked; the text is for people."""


class Unanswered(ControlError):
    """Nothing answers at a socket."""


class NoSuchDevice(ControlError):
    """The process plays no such device; `known` are those that it plays."""

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self.known = known
        super().__init__(text)


class NoSuchStage(ControlError):
    """No camera of the process looks at such a stage; `known` are those that they look at."""

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self.known = known
        super().__init__(text)


class Request(Strict):
    """What a simulator may be asked."""

    do: Literal["status", "values", "fault", "clear", "stage"]
    device: str | None = None
    fault: str | None = None
    stage: str = ""
    act: str = ""
    at_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayedLine:
    """A line that is served: its devices, and where it is."""

    name: str
    devices: Devices[Any]
    endpoint: str


def socket_file(data: Path, process: str) -> Path:
    """Name the socket of a process."""
    return data / f"{process}.sock"


@contextmanager
def hold_process(data: Path, process: str) -> Iterator[None]:
    """Be the one process of this name in this folder; the kernel lets go when it dies.

    LineUnavailable when another one does.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / f"{process}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            why = f"{process!r} already runs in {data}; stop it first, or use another --data"
            raise LineUnavailable(why) from error
        yield


@asynccontextmanager
async def serve_control(
    lines: Sequence[PlayedLine], *, data: Path, process: str, stages: Stages | None = None
) -> AsyncIterator[None]:
    """Listen on the process's socket, for whoever holds it; a file that a dead process left is replaced.

    LineUnavailable when it cannot be made.
    """
    file = socket_file(data, process)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, ValueError):  # ValueError: a line without an end
            row = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
            reply = answer(lines, row, stages)
            writer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
            await writer.drain()
        writer.close()

    _remove(file)
    try:
        with _short(file) as path:
            server = await asyncio.start_unix_server(serve, path, limit=_LONGEST_REQUEST)
    except OSError as error:
        raise LineUnavailable(f"{file} cannot be made: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
        _remove(file)


def answer(lines: Sequence[PlayedLine], row: bytes, stages: Stages | None = None) -> dict[str, Any]:
    """Do what a request asks."""
    try:
        request = Request.model_validate_json(row)
    except ValidationError as error:
        return {"ok": False, "error": f"not a request: {error.errors()[0]['msg']}"}
    if request.do == "status":
        return {"ok": True, "lines": [_describe(line) for line in lines]}
    if request.do == "stage":
        return _begin(request, stages or Stages())
    devices = next((line.devices for line in lines if request.device in line.devices.by_name), None)
    if devices is None:
        known = [name for line in lines for name in line.devices.by_name]
        return {"ok": False, "error": f"no device {request.device!r} here; there are: {_some(known)}", "known": known}
    device = devices.by_name[request.device or ""]
    try:
        if request.do == "fault":
            devices.fault(device.name, request.fault or "")
        elif request.do == "clear":
            devices.clear(device.name, request.fault)
    except (UnknownFault, BadDisturbance) as error:
        return {"ok": False, "error": f"{device.name}: {error}"}
    shown = {"values": dict(device.values())} if request.do == "values" else {}
    return {"ok": True, "device": device.name, "active": list(devices.active(device.name)), **shown}


def _begin(request: Request, stages: Stages) -> dict[str, Any]:
    if request.stage not in stages:
        known = list(stages.names())
        return {"ok": False, "error": f"no camera here looks at a stage {request.stage!r}", "stages": known}
    try:
        visit = stages.get(request.stage).begin(read_act(request.act), request.at_ms)
    except BadAct as error:
        return {"ok": False, "error": str(error)}
    return {
        "ok": True,
        "act": visit.act.words,
        "at_ms": visit.begun_ms,
        "stands_from_ms": visit.stands_from_ms,
        "stands_until_ms": visit.stands_until_ms,
    }


def ask(file: Path, request: Mapping[str, object]) -> dict[str, Any]:
    """Ask one simulator; ControlError when it is not there, does not answer, or says no."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE_S)
            with _short(file) as path:
                connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                row = lines.readline()
        reply: dict[str, Any] = json.loads(row)
    except (OSError, ValueError) as error:
        raise Unanswered(f"no answer from the simulator at {file}: {error}") from error
    if not reply.get("ok"):
        reason = str(reply.get("error", "refused without a reason"))
        if "stages" in reply:
            raise NoSuchStage(reason, tuple(reply["stages"]))
        raise NoSuchDevice(reason, tuple(reply["known"])) if "known" in reply else ControlError(reason)
    return reply


def running(data: Path) -> list[dict[str, Any]]:
    """Give the status of every line that is played in a data folder; dead sockets are passed over."""
    lines: list[dict[str, Any]] = []
    for file in sorted(data.glob("*.sock")):
        with suppress(ControlError):
            lines += ask(file, {"do": "status"})["lines"]
    return lines


def tell(data: Path, device: str, do: str, fault: str | None = None) -> dict[str, Any]:
    """Ask whichever simulator plays `device`; ControlError names the remedy when there is none."""
    request = {"do": do, "device": device} | ({"fault": fault} if fault is not None else {})
    known: list[str] = []
    alive = False
    for file in sorted(data.glob("*.sock")):
        try:
            return ask(file, request)
        except NoSuchDevice as elsewhere:
            known += elsewhere.known
            alive = True
        except Unanswered:
            continue
    if not alive:
        raise ControlError(f"no simulator runs in {data}; start one with `linli simulate run` or `linli demo`")
    raise ControlError(f"no device {device!r} runs; there are: {_some(known)}")


def stage(data: Path, name: str, act: str, *, at_ms: int | None = None) -> dict[str, Any]:
    """Have somebody come to a stage, now or from `at_ms` (Unix time) on, before all cameras that look at it.

    Gives {"act", "at_ms", "stands_from_ms", "stands_until_ms"}. ControlError for words that are no act, and when no
    camera looks at the stage.
    """
    request = {"do": "stage", "stage": name, "act": act, "at_ms": round(time.time() * 1000) if at_ms is None else at_ms}
    told: dict[str, Any] | None = None
    known: set[str] = set()
    for file in sorted(data.glob("*.sock")):
        try:
            told = ask(file, request)
        except NoSuchStage as elsewhere:
            known |= set(elsewhere.known)
        except Unanswered:
            continue
    if told is None:
        there = f"; there are: {', '.join(sorted(known))}" if known else ""
        raise ControlError(f"no camera that runs in {data} looks at a stage {name!r}{there}")
    return {key: value for key, value in told.items() if key != "ok"}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _describe(line: PlayedLine) -> dict[str, Any]:
    devices = {
        device.name: {
            "profile": device.profile.name,
            "unit": device.unit,
            "faults": list(line.devices.faults(device.name)),
            "disturbances": list(line.devices.disturbances()),
            "active": list(line.devices.active(device.name)),
        }
        for device in line.devices.by_name.values()
    }
    return {"line": line.name, "endpoint": line.endpoint, "devices": devices}


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


@contextmanager
def _short(file: Path) -> Iterator[str]:
    """Give a path to `file` that fits a socket's address, by way of the folder's descriptor where it is too long."""
    if len(os.fsencode(file)) <= _LONGEST_PATH:
        yield str(file)
        return
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)
