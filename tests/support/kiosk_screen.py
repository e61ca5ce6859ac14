"""The kiosk's screen in a real browser, and what tests do before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from edge.gate.kiosk.api import Phase
from edge.gate.kiosk.texts import load_texts
from runtime.messages import Language
from tests.support.kiosk import ServedKiosk

TEXTS = load_texts()
LISTENING = """
window.notes = [];
const real = window.AudioContext;
window.AudioContext = class extends real {
  createOscillator() {
    const made = super.createOscillator();
    const start = made.start.bind(made);
    made.start = (at) => { window.notes.push([made.frequency.value, made.type]); start(at); };
    return made;
  }
};
"""


@contextmanager
def kiosk_screen(browser: Browser, kiosk: ServedKiosk) -> Iterator[Page]:
    """The kiosk's screen, by touch. Errors, refused content and requests to anywhere else fail the test."""
    with browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800}, has_touch=True) as context:
        page = context.new_page()
        page.set_default_timeout(15_000)
        errors: list[str] = []
        foreign: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda told: errors.append(told.text) if "Content Security" in told.text else None)
        page.on("request", lambda one: None if one.url.startswith((kiosk.url, "blob:")) else foreign.append(one.url))
        page.add_init_script(LISTENING)
        page.goto(kiosk.url)
        expect(page.locator("body")).to_have_attribute("data-view", "idle")
        yield page
        assert errors == []
        assert foreign == []
        assert context.cookies() == []


def text(key: str, language: Language = Language.ZH, **values: object) -> str:
    return TEXTS.text(key, language, **values)


def attempt(kiosk: ServedKiosk, **changes: Any) -> None:
    """A new attempt ends with a result."""
    kiosk.gate.show(**{"phase": Phase.RESULT, "attempt": kiosk.gate.state.attempt + 1, "reasons": (), **changes})


def is_shown(page: Page, view: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-view", view)
