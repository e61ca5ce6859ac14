"""What is on the kiosk's screen can be read from 2 m, fits, and can be touched: on every size, in both languages."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from edge.gate.api import Answer, Guidance, Reason, Way
from edge.gate.kiosk.api import Phase, StaffCall
from runtime.messages import Language
from tests.support.kiosk import ServedKiosk, served_kiosk
from tests.support.kiosk_screen import attempt, kiosk_screen, text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SIZES = {"portrait": (1080, 1920), "wide": (1920, 1080), "tablet": (1280, 800), "7 inch": (1024, 600)}


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[ServedKiosk]:
    with served_kiosk(tmp_path) as served:
        yield served


@pytest.fixture
def screen(browser: Browser, kiosk: ServedKiosk) -> Iterator[Page]:
    with kiosk_screen(browser, kiosk) as page:
        yield page


MEASURE = """() => {
  const shown = document.querySelector('.view:not([hidden])');
  const words = [...shown.querySelectorAll('p, time')].filter((one) => one.getClientRects().length && one.textContent);
  const stage = shown.getBoundingClientRect();
  const outside = words.filter((one) => {
    const at = one.getBoundingClientRect();
    return at.top < stage.top - 1 || at.bottom > stage.bottom + 1 || one.scrollWidth > one.clientWidth + 1
      || at.left < stage.left - 1 || at.right > stage.right + 1;
  }).map((one) => one.textContent);
  const head = shown.querySelector('.big');
  return {
    outside,
    part: parseFloat(getComputedStyle(head).fontSize) / innerHeight,
    help: Math.min(...[...shown.querySelectorAll('.help')].map((one) => parseFloat(getComputedStyle(one).fontSize)))
      / innerHeight,
    scrolls: document.body.scrollHeight > innerHeight + 1 || document.body.scrollWidth > innerWidth + 1,
  };
}"""


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("size", SIZES)
def test_every_sentence_is_large_and_fits(kiosk: ServedKiosk, screen: Page, size: str, language: Language) -> None:
    width, height = SIZES[size]
    screen.set_viewport_size({"width": width, "height": height})
    if language is Language.EN:
        screen.locator("#language").tap()
    kiosk.gate.show(liveness_unchecked=True, staff=StaffCall.COMING, way=Way.FACE, temperature_c=38.24)
    wrong: dict[str, Any] = {}
    for reason in (one for one in Reason if one is not Reason.OK):
        answer = Answer.STAFF if reason is Reason.FEVER else Answer.REFUSE
        attempt(kiosk, answer=answer, reasons=(reason, Reason.NO_MASK))
        expect(screen.locator("#headline")).to_have_text(text(f"reason.{reason}", language))
        measured = screen.evaluate(MEASURE)
        if measured["outside"] or measured["part"] < 1 / 12 or measured["help"] < 1 / 60 or measured["scrolls"]:
            wrong[reason] = measured
    for guidance in Guidance:
        kiosk.gate.show(phase=Phase.LOOKING, guidance=guidance)
        expect(screen.locator("#words")).to_have_text(text(f"guide.{guidance}", language))
        measured = screen.evaluate(MEASURE)
        if measured["outside"] or measured["part"] < 1 / 12 or measured["scrolls"]:
            wrong[guidance] = measured
    for idle in ((), (Reason.NO_CAMERA, Reason.LIST_TOO_OLD, Reason.CLOCK_NOT_TRUSTED)):
        kiosk.gate.show(phase=Phase.IDLE, troubles=idle)
        expect(screen.locator("#notes b")).to_have_count(len(idle))
        measured = screen.evaluate(MEASURE)
        if measured["outside"] or measured["part"] < 1 / 12 or measured["scrolls"]:
            wrong[f"idle {idle}"] = measured
    assert wrong == {}


@pytest.mark.parametrize("size", [*SIZES, "phone"])
def test_keys_are_big_enough_for_fingers(screen: Page, size: str) -> None:
    width, height = {**SIZES, "phone": (390, 844)}[size]
    screen.set_viewport_size({"width": width, "height": height})
    small = """() => [...document.querySelectorAll('button, a')].filter((one) => one.getClientRects().length)
      .map((one) => [one.textContent, one.getBoundingClientRect()])
      .filter(([, at]) => at.height < 43 || at.width < 43 || at.right > innerWidth + 1 || at.bottom > innerHeight + 1)
      .map(([name, at]) => [name, at.width, at.height, at.bottom])"""
    assert screen.evaluate(small) == []
    screen.locator("[data-way=pin]").tap()
    assert screen.evaluate(small) == []
    least = screen.evaluate(
        "Math.min(...[...document.querySelectorAll('.keys button')].map((one) => one.clientHeight))"
    )
    assert least >= min(height / 16, 60) - 1


def test_every_control_has_a_name_and_words_have_contrast(kiosk: ServedKiosk, screen: Page) -> None:
    nameless = screen.evaluate(
        """() => [...document.querySelectorAll('button, a, input, [role=img], [role=group]')]
        .filter((one) => !(one.getAttribute('aria-label') || one.textContent).trim()).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    luminance = {}
    for answer in Answer:
        attempt(kiosk, answer=answer, reasons=(Reason.FEVER,))
        expect(screen.locator("#result")).to_have_attribute("data-answer", answer.value)
        colours = screen.locator("#result").evaluate(
            "(one) => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]"
        )
        ink, ground = (relative_luminance(one) for one in colours)
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
        luminance[answer] = ground
    ordered = sorted(luminance.values())
    assert all((b + 0.05) / (a + 0.05) > 1.4 for a, b in itertools.pairwise(ordered)), "apart in grey too"


def relative_luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
