"""The web process: REST, health and metrics, and the pages."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.access import endpoints as access
from cloud.alarms import endpoints as alarms
from cloud.assets import endpoints as assets
from cloud.config import CloudConfig
from cloud.gate import endpoints as gate
from cloud.gate import pass_endpoints, people_endpoints
from cloud.gate.keys import KeyFile
from cloud.ingest import endpoints as ingest
from cloud.people import endpoints as people
from cloud.platform.clock import Clock, system_clock
from cloud.platform.database import open_engine, ping, reading
from cloud.platform.errors import LinliError, Unavailable
from cloud.platform.http import errors, install_error_handlers
from cloud.platform.migrate import until_schema
from cloud.platform.security import Passwords
from cloud.telemetry import endpoints as telemetry_endpoints
from cloud.telemetry.api import TelemetryStore
from cloud.telemetry.stores import open_telemetry
from cloud.ui.mount import mount
from cloud.work_orders import endpoints as work_orders
from runtime.health import Check, Health, Status
from runtime.logs import get_log
from runtime.version import VERSION

ROUTERS: Sequence[APIRouter] = (
    access.router,
    people.router,
    assets.router,
    alarms.router,
    work_orders.router,
    telemetry_endpoints.router,
    gate.router,
    people_endpoints.router,
    pass_endpoints.router,
    ingest.router,
)
"""The REST of every feature."""

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
)
_DATABASE_CHECK_S = 5.0
_LAST_WORDS_S = 3
_LARGEST_BODY = 4 * 2**20


def create_app(
    config: CloudConfig,
    *,
    engine: AsyncEngine,
    telemetry: TelemetryStore,
    clock: Clock,
    passwords: Passwords,
    health: Health,
    registry: CollectorRegistry,
) -> FastAPI:
    """Compose the application. Endpoints find its parts in `app.state`; pages are mounted afterwards."""
    app = FastAPI(
        title="Linli",
        version=VERSION,
        description="Communities, their devices, alarms and work orders. Log in with `POST /api/v1/login`; "
        "send the token as `Authorization: Bearer`.",
        docs_url=None,  # those pages load scripts from elsewhere, and a site may have no internet
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=errors(422, 500),
    )
    app.state.config = config
    app.state.engine = engine
    app.state.telemetry = telemetry
    app.state.clock = clock
    app.state.passwords = passwords
    app.state.gate_keys = KeyFile(config.path(config.gates.keys_file))
    app.add_middleware(_Watch, registry=registry)
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)

    @app.get(
        "/health",
        tags=["operation"],
        summary="Whether the web process works",
        responses={code: {"model": HealthView} for code in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)},
    )
    async def _health() -> JSONResponse:
        """Give every check; 503 when the process does not do its work."""
        report = health.report()
        down = report["status"] == Status.DOWN
        return JSONResponse(report, status_code=HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK)

    @app.get("/metrics", tags=["operation"], summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def _metrics() -> Response:
        """Give counts and times in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


class CheckView(BaseModel):
    """The state of one part, with words that say what is wrong."""

    status: Status
    detail: str


class HealthView(BaseModel):
    """The checks of a process; the worst is its own."""

    process: str
    version: str
    status: Status
    checks: dict[str, CheckView]


class TooLarge(LinliError):
    """A request that would take too much memory."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value
    code = "too_large"


class _Watch:
    """Counts requests, refuses huge ones, and adds the headers that protect browsers."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "linli_web_requests", "HTTP requests by route and status", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram("linli_web_request_seconds", "Time to answer", ["route"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        received = 0
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def read() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > _LARGEST_BODY:
                raise TooLarge(f"a request has at most {_LARGEST_BODY} bytes")
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_SECURITY_HEADERS]
            await send(message)

        try:
            await self._app(scope, read, answer)
        finally:
            # By the route's pattern: paths with ids in them would make a series each.
            route = getattr(scope.get("route"), "path", "other")
            self._requests.labels(scope["method"], route, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)


class DatabaseCheck:
    """Asks the database now and then, and remembers what it said for the health report."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._last = Check(status=Status.OK)

    def __call__(self) -> Check:
        """Give the last answer."""
        return self._last

    async def ask(self) -> None:
        """Ask once."""
        try:
            async with reading(self._engine) as conn:
                await ping(conn)
        except (Unavailable, SQLAlchemyError, OSError) as error:
            self._last = Check(status=Status.DOWN, detail=f"the database does not answer: {error}")
        else:
            self._last = Check(status=Status.OK)

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await self.ask()
            await asyncio.sleep(_DATABASE_CHECK_S)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: `runtime.lifecycle` owns the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve until cancelled; requests that are being answered have a few seconds to end."""
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1",  # a TLS proxy on this machine tells who really asks, for the audit
            lifespan="on",
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        await task
        raise


async def run(config: CloudConfig) -> None:
    """Run the web process until cancelled. WrongSchema, ConfigError or OSError (port taken) when it cannot start."""
    log = get_log("cloud.web")
    engine = open_engine(config.database_url)
    telemetry = open_telemetry(config)
    listener: socket.socket | None = None
    try:
        await until_schema(engine, random=random.random)
        listener = socket.create_server((config.web.host, config.web.port), backlog=256)
        health = Health(process="web", version=VERSION)
        check = DatabaseCheck(engine)
        health.add("database", check)
        health.add("telemetry", telemetry.health)
        app = create_app(
            config,
            engine=engine,
            telemetry=telemetry,
            clock=system_clock,
            passwords=Passwords(),
            health=health,
            registry=CollectorRegistry(),
        )
        mount(app)
        host, port = listener.getsockname()[:2]
        log.info("listening", host=host, port=port, url=config.web.public_url or f"http://{host}:{port}/")
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(check.run(), name="database-check")
            await serve(app, listener)
            watching.cancel()
    finally:
        if listener is not None:
            listener.close()
        await telemetry.close()
        await engine.dispose()
