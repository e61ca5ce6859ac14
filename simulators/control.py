"""How to talk to a running simulator: one line with a JSON object over a Unix socket, and one line back.

Requests: {"do": "status"}, {"do": "values", "device"}, {"do": "fault", "device", "fault"}, {"do": "clear", "device",
"fault"} (without `fault`: all). Answers: {"ok": true, ...}, or {"ok": false, "error": a sentence for people}.
"""

import asyncio
import fcntl
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from runtime.config import Strict
from simulators.devices import Devices
from simulators.disturbances import BadDisturbance
from simulators.machines.api import UnknownFault
from simulators.pseudo_terminal import LineUnavailable

_LONGEST_PATH = 107  # bytes of a Unix socket's path, without the final zero
_PATIENCE_S = 3.0
_LONGEST_REQUEST = 4096


class ControlError(Exception):
    """A simulator did not do what it was asked; the text is for people."""


class Request(Strict):
    """What a simulator may be asked."""

    do: Literal["status", "values", "fault", "clear"]
    device: str | None = None
    fault: str | None = None


def socket_file(data: Path, line: str) -> Path:
    """Name the socket of a line."""
    return data / f"{line}.sock"


@contextmanager
def hold_line(data: Path, line: str) -> Iterator[None]:
    """Be the one process that plays this line in this folder; the kernel lets go when the process dies.

    LineUnavailable when another one does.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / f"{line}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            why = f"line {line!r} already runs in {data}; stop it first, or use another --data"
            raise LineUnavailable(why) from error
        yield


@asynccontextmanager
async def serve_control(stations: Devices[Any], *, data: Path, line: str, endpoint: str) -> AsyncIterator[None]:
    """Listen on the line's socket, for whoever holds the line; a file that a dead process left is replaced.

    LineUnavailable when it cannot be made.
    """
    file = socket_file(data, line)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, ValueError):  # ValueError: a line without an end
            row = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
            reply = answer(stations, row, line=line, endpoint=endpoint)
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


def answer(stations: Devices[Any], row: bytes, *, line: str, endpoint: str) -> dict[str, Any]:
    """Do what a request asks."""
    try:
        request = Request.model_validate_json(row)
    except ValidationError as error:
        return {"ok": False, "error": f"not a request: {error.errors()[0]['msg']}"}
    if request.do == "status":
        return {"ok": True, "line": line, "endpoint": endpoint, "devices": _describe(stations)}
    station = stations.by_name.get(request.device or "")
    if station is None:
        known = ", ".join(stations.by_name)
        return {"ok": False, "error": f"no device {request.device!r} on line {line}; there are: {known}"}
    try:
        if request.do == "fault":
            stations.fault(station.name, request.fault or "")
        elif request.do == "clear":
            stations.clear(station.name, request.fault)
    except (UnknownFault, BadDisturbance) as error:
        return {"ok": False, "error": f"{station.name}: {error}"}
    shown = {"values": dict(station.values())} if request.do == "values" else {}
    return {"ok": True, "device": station.name, "active": list(stations.active(station.name)), **shown}


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
        raise ControlError(f"no answer from the simulator at {file}: {error}") from error
    if not reply.get("ok"):
        raise ControlError(str(reply.get("error", "refused without a reason")))
    return reply


def running(data: Path) -> list[dict[str, Any]]:
    """Give the status of every simulator that runs in a data folder, by name of line; dead sockets are passed over."""
    states = []
    for file in sorted(data.glob("*.sock")):
        with suppress(ControlError):
            states.append(ask(file, {"do": "status"}))
    return states


def tell(data: Path, device: str, do: str, fault: str | None = None) -> dict[str, Any]:
    """Ask whichever simulator plays `device`; ControlError names the remedy when there is none."""
    states = running(data)
    if not states:
        raise ControlError(f"no simulator runs in {data}; start one with `linli simulate run` or `linli demo`")
    for state in states:
        if device in state["devices"]:
            request = {"do": do, "device": device} | ({"fault": fault} if fault is not None else {})
            return ask(socket_file(data, state["line"]), request)
    known = ", ".join(name for state in states for name in state["devices"])
    raise ControlError(f"no device {device!r} runs; there are: {known}")


def _describe(stations: Devices[Any]) -> dict[str, Any]:
    return {
        station.name: {
            "profile": station.profile.name,
            "unit": station.unit,
            "faults": list(stations.faults(station.name)),
            "disturbances": list(stations.disturbances()),
            "active": list(stations.active(station.name)),
        }
        for station in stations.by_name.values()
    }


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
