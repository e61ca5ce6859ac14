"""What anybody at the gate gets: the page, its texts, the state as it changes, the picture, a PIN's way in, a call."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from edge.gate.api import Way
from edge.gate.kiosk.api import KioskModel, Picture
from edge.gate.kiosk.hub import Hub
from edge.gate.kiosk.login import Pace
from edge.gate.kiosk.plain import plain
from edge.gate.kiosk.texts import as_table, load_texts

STATIC = Path(__file__).parent / "static"
_BEAT_S = 1.0
_PICTURE_WITHIN_S = 1.0
_PICTURE_EVERY_S = 0.06
_MOST_STREAMS = 12
_MOST_PICTURES = 6


class Body(BaseModel):
    """The base of what a request brings: a key that nobody knows is an error, and no error repeats what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PinBody(Body):
    """A PIN typed at the screen."""

    pin: SecretStr

    @field_validator("pin")
    @classmethod
    def _digits(cls, pin: SecretStr) -> SecretStr:
        text = pin.get_secret_value()
        if not (text.isascii() and text.isdecimal() and 4 <= len(text) <= 12):  # noqa: PLR2004 - said by the message
            raise ValueError("a PIN has 4 to 12 digits")
        return pin


def build_id() -> str:
    """Name what the page is made of, so that a page of an older agent loads itself anew."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(kw_only=True, slots=True)
class Kiosk:
    """The parts that the pages share."""

    model: KioskModel
    hub: Hub
    language: str
    staff: bool
    """There are staff pages."""
    build: str = field(default_factory=build_id)
    monotonic: Callable[[], float] = time.monotonic
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    streams: int = 0
    pictures: int = 0
    pins: Pace = field(default_factory=lambda: Pace(burst=3, every_s=1.5))
    calls: Pace = field(default_factory=lambda: Pace(burst=3, every_s=3.0))


def start_document(kiosk: Kiosk) -> dict[str, object]:
    """Give what a page needs once: who it is, its texts, and of what build it must be."""
    return {
        "build": kiosk.build,
        "language": kiosk.language,
        "staff": kiosk.staff,
        "facts": plain(kiosk.model.facts),
        "texts": as_table(load_texts()),
    }


def get_kiosk(request: Request) -> Kiosk:
    """Give the parts of this application."""
    return cast("Kiosk", request.app.state.kiosk)


KioskDep = Annotated[Kiosk, Depends(get_kiosk)]

router = APIRouter()


@router.get("/")
async def page() -> Response:
    """Give the page at the gate."""
    return FileResponse(STATIC / "kiosk.html")


@router.get("/staff")
async def staff_page() -> Response:
    """Give the page of staff, which shows nothing before somebody has logged in."""
    return FileResponse(STATIC / "staff.html")


@router.get("/api/start")
async def start(kiosk: KioskDep) -> Response:
    """Give what a page needs once."""
    return JSONResponse(await asyncio.to_thread(start_document, kiosk))


@router.get("/api/events")
async def events(kiosk: KioskDep) -> Response:
    """Give the state as it changes, for as long as the page listens."""
    if kiosk.streams >= _MOST_STREAMS:
        return _busy()
    return StreamingResponse(_events(kiosk), media_type="text/event-stream")


@router.get("/api/picture")
async def picture(kiosk: KioskDep, after: Annotated[int, Query()] = -1) -> Response:
    """Give the next picture, waiting for it a little; one at a time, so that a slow screen never lags behind."""
    if kiosk.pictures >= _MOST_PICTURES:
        return _busy()
    kiosk.pictures += 1
    try:
        found = await _newer_picture(kiosk, after)
    finally:
        kiosk.pictures -= 1
    if found is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return Response(found.jpeg, media_type="image/jpeg", headers={"x-picture": str(found.number)})


@router.post("/api/pin")
async def pin(body: PinBody, kiosk: KioskDep) -> Response:
    """Take a PIN; what comes of it is told by the state."""
    if Way.PIN not in kiosk.model.facts.ways:
        return JSONResponse({"error": "no_pin_here"}, status_code=HTTPStatus.NOT_FOUND)
    if not kiosk.pins.allows(kiosk.monotonic()):
        return JSONResponse({"error": "too_fast"}, status_code=HTTPStatus.TOO_MANY_REQUESTS)
    await kiosk.model.present(Way.PIN, body.pin.get_secret_value())
    return Response(status_code=HTTPStatus.ACCEPTED)


@router.post("/api/call")
async def call(kiosk: KioskDep) -> Response:
    """Call staff; what comes of it is told by the state."""
    if not kiosk.calls.allows(kiosk.monotonic()):
        return JSONResponse({"error": "too_fast"}, status_code=HTTPStatus.TOO_MANY_REQUESTS)
    await kiosk.model.call_staff()
    return Response(status_code=HTTPStatus.ACCEPTED)


def _busy() -> Response:
    return JSONResponse({"error": "busy"}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)


async def _events(kiosk: Kiosk) -> AsyncIterator[str]:
    """Give the state at each change, and a beat each second, by which the page knows that the agent lives."""
    kiosk.streams += 1
    number = 0
    try:
        yield f"retry: 1000\nevent: hello\ndata: {kiosk.build}\n\n"
        while not kiosk.closing.is_set():
            newer = await kiosk.hub.newer(number, within_s=_BEAT_S)
            if newer is None:
                yield "event: beat\ndata:\n\n"
                continue
            number, state = newer
            yield f"event: state\ndata: {json.dumps(plain(state), ensure_ascii=False)}\n\n"
    finally:
        kiosk.streams -= 1


async def _newer_picture(kiosk: Kiosk, after: int) -> Picture | None:
    until = kiosk.monotonic() + _PICTURE_WITHIN_S
    while not kiosk.closing.is_set():
        found = await asyncio.to_thread(kiosk.model.picture, after)
        if found is not None:
            return found
        if kiosk.monotonic() >= until:
            return None
        await asyncio.sleep(_PICTURE_EVERY_S)
    return None
