"""Serving the kiosk inside the agent's event loop. Imported only when a gate has a kiosk: it loads a web server."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from edge.gate.config import KioskSettings
from edge.gate.kiosk import pages, staff_pages
from edge.gate.kiosk.api import KioskModel, Staff
from edge.gate.kiosk.guard import Guard
from edge.gate.kiosk.hub import Hub
from edge.gate.kiosk.pages import Kiosk
from edge.gate.kiosk.staff_pages import Desk, Refused
from runtime.logs import get_log

_LAST_WORDS_S = 2


async def serve_kiosk(
    model: KioskModel,
    staff: Staff | None,
    settings: KioskSettings,
    *,
    ready: Callable[[int], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Serve the page at the gate until cancelled. Port 0 takes a free one; `ready` is told which, once it listens.

    Staff pages exist when there is a `staff` and a `settings.staff_file` (its path made absolute by whoever read the
    site file). OSError when the port is taken. It ends when the model's subscription does, and as that does.
    """
    file = None if settings.staff_file is None else Path(settings.staff_file)
    kiosk = Kiosk(
        model=model,
        hub=Hub(model),
        language=settings.language,
        staff=staff is not None and file is not None,
        monotonic=monotonic,
    )
    desk = None if staff is None or file is None else Desk(kiosk=kiosk, staff=staff, file=file)
    app = create_app(kiosk, desk)
    listener = socket.create_server((settings.host, settings.port), backlog=64)
    try:
        ready(int(listener.getsockname()[1]))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve(app, listener, closing=kiosk.closing), name="kiosk-pages")
            await kiosk.hub.run()
            serving.cancel()
    finally:
        listener.close()


def create_app(kiosk: Kiosk, desk: Desk | None) -> FastAPI:
    """Compose the application; without a desk there are no staff pages."""
    app = FastAPI(title="Linli kiosk", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Guard)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.state.kiosk = kiosk
    app.state.desk = desk
    app.include_router(pages.router)
    if desk is not None:
        app.include_router(staff_pages.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC))
    return app


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - registered for this class only
    body: dict[str, object] = {"error": error.code}
    headers = {}
    if error.retry_after_s is not None:
        body["retry_after_s"] = round(error.retry_after_s)
        headers["retry-after"] = str(round(error.retry_after_s))
    return JSONResponse(body, status_code=error.status, headers=headers)


async def _unreadable(request: Request, _error: Exception) -> JSONResponse:
    # Without what was sent: it may be a PIN or a password.
    get_log("edge.gate.kiosk").warning("request cannot be used", path=request.url.path)
    return JSONResponse({"error": "invalid"}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the agent owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(app: FastAPI, listener: socket.socket, *, closing: asyncio.Event) -> None:
    """Serve until cancelled; streams end by themselves when `closing` is set."""
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1",  # a TLS proxy on this machine tells who asks, and that it was by TLS
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="kiosk-web")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        closing.set()
        server.should_exit = True
        await task
        raise
