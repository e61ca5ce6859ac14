"""Puts the pages onto the web process. Nothing is registered before `mount` is called."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from nicegui import app as nicegui_app
from nicegui import ui

from cloud.access import pages as access
from cloud.alarms import pages as alarms
from cloud.assets import pages as assets
from cloud.ingest import pages as ingest
from cloud.people import pages as people
from cloud.ui import overview
from cloud.ui.layout import not_found
from cloud.ui.login import routes
from cloud.ui.screen import Services, open_screen
from cloud.work_orders import pages as work_orders
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).with_name("static")
FEATURES = (overview, assets, alarms, work_orders, people, access, ingest)


def mount(app: FastAPI, services: Services) -> None:
    """Add the login, the pages and their files to `app`, below everything that it serves already.

    Call it last: what no earlier route takes belongs to the pages.
    """
    app.mount("/ui", StaticFiles(directory=STATIC), name="ui")
    app.include_router(routes(services))
    for feature in FEATURES:
        feature.register(services)
    # No storage secret: the pages keep nothing in the library's own storage, so it sets no cookie of its own.
    ui.run_with(
        app,
        title="邻里 Linli",
        favicon=STATIC / "favicon.svg",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=5.0,
    )
