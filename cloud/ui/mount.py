"""Puts the pages onto the web process. Nothing is registered before `mount` is called."""

import uuid
from pathlib import Path

from fastapi import FastAPI
from nicegui import ui
from starlette.staticfiles import StaticFiles

from cloud.access import pages as access
from cloud.alarms import pages as alarms
from cloud.assets import pages as assets
from cloud.gate import decision_pages, pass_pages, people_pages, rule_pages
from cloud.gate import pages as gates
from cloud.ingest import pages as ingest
from cloud.people import pages as people
from cloud.ui import overview
from cloud.ui.login import routes
from cloud.ui.screen import Services
from cloud.work_orders import pages as work_orders

STATIC = Path(__file__).with_name("static")
GATES = (gates, decision_pages, people_pages, pass_pages, rule_pages)
FEATURES = (overview, assets, alarms, work_orders, *GATES, people, access, ingest)
"""Each has `register(services)`, which adds its pages."""


def mount(app: FastAPI) -> None:
    """Add the login, the pages and their files to `app`, below everything that it serves already.

    Call it last, with the parts of the process in `app.state`: what no earlier route takes belongs to the pages.
    """
    state = app.state
    services = Services(
        engine=state.engine,
        clock=state.clock,
        telemetry=state.telemetry,
        passwords=state.passwords,
        new_id=lambda: str(uuid.uuid4()),
        gate_keys=state.gate_keys,
    )
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
