"""Pictures of the kiosk and of the staff's desk behind it, over a gate that plays one state after another."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from edge.gate.api import Answer, Guidance, Reason, Way
from edge.gate.kiosk.api import DoorShown, Phase, StaffCall
from tests.support.kiosk import BOX, LOGIN, PASSWORD, PEOPLE, ServedKiosk, served_kiosk

SIZES = {"1920": (1920, 1080), "1280": (1280, 800), "upright": (800, 1280), "390": (390, 844)}

_RESULT = {"phase": Phase.RESULT, "attempt": 1}
STATES: Mapping[str, dict[str, Any]] = {
    "idle": {},
    "look": {"phase": Phase.LOOKING, "guidance": Guidance.CLOSER, "box": BOX},
    "work": {"phase": Phase.WORKING, "way": Way.FACE},
    "open": {**_RESULT, "answer": Answer.OPEN, "name": "李明", "way": Way.FACE, "door": DoorShown.OPEN},
    "refuse": {**_RESULT, "answer": Answer.REFUSE, "reasons": (Reason.WRONG_HOUR,), "way": Way.PASS},
    "staff": {**_RESULT, "answer": Answer.STAFF, "reasons": (Reason.FEVER,), "staff": StaffCall.CALLED},
    "fire": {"fire": True, "door": DoorShown.OPEN},
    "troubles": {"troubles": (Reason.NO_THERMAL_CAMERA,)},
}
DESK = ("enrol", "test", "open", "erase", "status")


def take(browser: Browser, language: str, out: Path, only: str | None) -> None:
    """Take the pictures of one language. `only` is a part of the names of those that are wanted."""
    with (
        tempfile.TemporaryDirectory(prefix="linli-kiosk-") as folder,
        served_kiosk(Path(folder), language=language) as kiosk,
    ):
        for size, (width, height) in SIZES.items():

            def shoot(page: Page, name: str, size: str = size) -> None:
                if not only or only in name:
                    page.wait_for_timeout(600)
                    page.screenshot(path=out / f"{name}-{size}-{language}.png")

            with browser.new_context(viewport={"width": width, "height": height}, has_touch=True) as context:
                page = context.new_page()
                page.goto(kiosk.url)
                _screen(kiosk, page, shoot)
                page.goto(f"{kiosk.url}/staff#{language}")
                _desk(page, shoot)


def _screen(kiosk: ServedKiosk, page: Page, shoot: Callable[[Page, str], None]) -> None:
    for name, state in STATES.items():
        kiosk.gate.idle()
        expect(page.locator("body")).to_have_attribute("data-view", "idle")
        kiosk.gate.show(**state)
        shoot(page, f"kiosk-{name}")
    kiosk.gate.idle()
    expect(page.locator("body")).to_have_attribute("data-view", "idle")
    page.locator("[data-way=pin]").tap()
    shoot(page, "kiosk-pin")


def _desk(page: Page, shoot: Callable[[Page, str], None]) -> None:
    page.wait_for_selector("#login")
    shoot(page, "kiosk-login")
    page.fill("#login", LOGIN)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    for tab in DESK:
        page.locator(f"#tab-{tab}").tap()
        shoot(page, f"kiosk-desk-{tab}")
    page.locator("#tab-enrol").tap()
    page.locator(f"[data-person={PEOPLE[0].id}]").tap()
    page.locator("#agreed").check()
    shoot(page, "kiosk-desk-consent")
    page.locator("#next").tap()
    shoot(page, "kiosk-desk-pictures")
    page.locator("#home").tap()
