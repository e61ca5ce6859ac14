"""The pages of staff at the kiosk, in a real browser: log in, enrol, test, open, erase, look, log out."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edge.gate.api import Check, CheckResult, Reason
from edge.gate.kiosk.api import EnrolOutcome, EnrolResult, Opening, OpenOutcome, PersonLine
from tests.support import kiosk as support
from tests.support.chromium import log_in
from tests.support.kiosk import LOGIN, NAME, PASSWORD, SIGHT, FakeStaff, ServedKiosk, served_kiosk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[ServedKiosk]:
    with served_kiosk(tmp_path, language="en") as served:
        yield served


@pytest.fixture
def staff(kiosk: ServedKiosk) -> FakeStaff:
    assert kiosk.staff is not None
    return kiosk.staff


@pytest.fixture
def screen(browser: Browser, kiosk: ServedKiosk) -> Iterator[Page]:
    """The kiosk's screen, by touch, at the login of staff. Errors and requests to anywhere else fail the test."""
    with browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}, has_touch=True) as context:
        page = context.new_page()
        page.set_default_timeout(15_000)
        errors: list[str] = []
        foreign: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda told: errors.append(told.text) if "Content Security" in told.text else None)
        page.on("request", lambda one: None if one.url.startswith(kiosk.url) else foreign.append(one.url))
        page.goto(kiosk.url)
        page.locator("#staff-link").tap()
        expect(page).to_have_url(re.compile(r"/staff#en$"))
        yield page
        assert errors == []
        assert foreign == []


@pytest.fixture
def desk(screen: Page) -> Page:
    """The same, logged in."""
    log_in(screen, LOGIN, PASSWORD)
    expect(screen.locator("#who")).to_have_text(NAME)
    return screen


def choose(page: Page, person: str) -> None:
    page.locator(f"[data-person={person}]").tap()


def take_three(page: Page) -> None:
    for number in (1, 2, 3):
        shoot = page.get_by_role("button", name=f"Take picture {number}")
        expect(shoot).to_be_enabled()
        shoot.tap()


def test_wrong_passwords_are_told_and_lock(kiosk: ServedKiosk, screen: Page) -> None:
    for _ in range(4):
        log_in(screen, LOGIN, "not this one")
        expect(screen.locator("main [role=alert]")).to_have_text("Wrong login or password.")
        expect(screen.locator("#password")).to_have_value("")
    log_in(screen, LOGIN, "not this one")
    expect(screen.locator("main [role=alert]")).to_contain_text(re.compile(r"Try again in (300|29\d) s"))
    log_in(screen, LOGIN, PASSWORD)
    expect(screen.locator("main [role=alert]")).to_contain_text("Too many wrong tries")
    kiosk.clock.ahead_s += 301
    log_in(screen, LOGIN, PASSWORD)
    expect(screen.locator("#who")).to_have_text(NAME)


def test_somebody_logs_in_by_touch_alone(screen: Page) -> None:
    expect(screen.locator("#keyboard")).to_be_hidden()
    screen.locator("#login").tap()
    expect(screen.locator("#keyboard")).to_be_visible()
    for letter in LOGIN:
        screen.locator(f"[data-letter='{letter}']").tap()
    screen.locator("#password").tap()
    for letter in PASSWORD:
        key = (
            screen.get_by_role("button", name="Space") if letter == " " else screen.locator(f"[data-letter='{letter}']")
        )
        key.tap()
    screen.get_by_role("button", name="Shift").tap()
    screen.locator("[data-letter=X]").tap()
    expect(screen.locator("[data-letter=x]")).to_be_visible()
    screen.locator("#keyboard").get_by_role("button", name="Delete").tap()
    assert PASSWORD not in screen.content()
    screen.get_by_role("button", name="Log in").tap()
    expect(screen.locator("#who")).to_have_text(NAME)
    expect(screen.locator("#keyboard")).to_be_hidden()


def test_a_resident_is_enrolled(staff: FakeStaff, desk: Page) -> None:
    desk.fill("#find", "r-1001")
    expect(desk.locator("[data-person]")).to_have_count(1)
    choose(desk, "r-1001")
    expect(desk.locator("main")).to_contain_text("It is your choice")
    expect(desk.locator("#guardian")).to_have_count(0)
    expect(desk.locator("#next")).to_be_disabled()
    desk.locator("#agreed").check()
    desk.locator("#next").tap()
    expect(desk.locator("#verdict")).to_have_text("Good to take")
    expect(desk.locator("main")).to_contain_text("182 px (limit 120 px)")
    expect(desk.locator("canvas")).to_have_attribute("width", "480")
    take_three(desk)
    expect(desk.locator("main [role=alert]")).to_have_text("Enrolled")
    [(_, person, taken, consent, by)] = staff.log
    assert (person, len(taken), consent.guardian, consent.language, by) == ("r-1001", 3, None, "en", LOGIN)
    assert staff.held == set()
    desk.get_by_role("button", name="Enrol another").tap()
    expect(desk.locator("[data-person=r-1002]")).to_be_visible()


def test_a_minor_needs_a_guardian(staff: FakeStaff, desk: Page) -> None:
    choose(desk, "r-1002")
    desk.locator("#agreed").check()
    expect(desk.locator("#next")).to_be_disabled()
    desk.fill("#guardian", "Chen Dawei")
    desk.locator("#next").tap()
    take_three(desk)
    expect(desk.locator("main [role=alert]")).to_have_text("Enrolled")
    assert staff.log[0][3].guardian == "Chen Dawei"


def test_whoever_has_not_asked_or_is_blocked_cannot_be_chosen(desk: Page) -> None:
    expect(desk.locator("[data-person=r-1004]")).to_be_disabled()
    expect(desk.locator("[data-person=r-1004]")).to_contain_text("has not asked for face")
    expect(desk.locator("[data-person=s-0007]")).to_be_disabled()


def test_a_bad_picture_is_not_taken_and_says_why(staff: FakeStaff, desk: Page) -> None:
    staff.good = False
    choose(desk, "r-1001")
    desk.locator("#agreed").check()
    desk.locator("#next").tap()
    expect(desk.locator("#verdict")).to_contain_text("Not yet: blurred: hold still, too dark")
    desk.locator("#shoot").tap()
    expect(desk.locator("main .problem")).to_have_text("Not taken: blurred: hold still, too dark")
    expect(desk.locator("#shoot")).to_have_text("Take picture 1")
    staff.good = True
    expect(desk.locator("#verdict")).to_have_text("Good to take")


def test_giving_up_drops_the_pictures(staff: FakeStaff, desk: Page) -> None:
    for leave in ("Cancel", "tab"):
        desk.locator("#tab-enrol").tap()
        choose(desk, "r-1001")
        desk.locator("#agreed").check()
        desk.locator("#next").tap()
        desk.locator("#shoot").tap()
        expect(desk.locator("#shoot")).to_have_text("Take picture 2")
        assert len(staff.held) == 1
        if leave == "tab":
            desk.locator("#tab-status").tap()
            expect(desk.locator("#status")).to_be_visible()
        else:
            desk.get_by_role("button", name="Cancel").tap()
            expect(desk.locator("#find")).to_be_visible()
        deadline = time.monotonic() + 15
        while staff.held and time.monotonic() < deadline:  # the page goes on while the gate is still being told
            desk.wait_for_timeout(20)
        assert staff.held == set()
    assert staff.log == []


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (
            EnrolResult(outcome=EnrolOutcome.SOMEBODY_ELSE, other="Maria Santos"),
            "This face is enrolled as Maria Santos",
        ),
        (EnrolResult(outcome=EnrolOutcome.FAILED), "It could not be stored"),
    ],
)
def test_an_enrolment_that_fails_says_why(staff: FakeStaff, desk: Page, result: EnrolResult, told: str) -> None:
    staff.outcome = result
    choose(desk, "r-1001")
    desk.locator("#agreed").check()
    desk.locator("#next").tap()
    take_three(desk)
    expect(desk.locator("main .problem")).to_contain_text(told)


def test_a_test_shows_whom_the_gate_sees_with_raw_figures(staff: FakeStaff, desk: Page) -> None:
    desk.locator("#tab-test").tap()
    sight = desk.locator("#sight")
    for words in (
        "Maria Santos (r-1003)",
        "0.310 / 0.420 (smaller is closer)",
        "Skin temperature (screening only)",
        "raw 36.41 °C",
        "compensated 36.62 °C (blackbody)",
        "failed: Mask needed",
    ):
        expect(sight).to_contain_text(words)
    expect(desk.locator("main")).to_contain_text("A test opens nothing and counts as no entry.")
    unchecked = CheckResult.unchecked(Check.LIVENESS, Reason.NO_THERMAL_CAMERA)
    staff.sight = replace(SIGHT, person=None, reason=Reason.UNKNOWN_FACE, liveness=unchecked, temperature=None)
    expect(sight).to_contain_text("nobody recognised: Not recognised")
    expect(sight).to_contain_text("unchecked: Sensor fault")
    assert staff.log == []


def test_the_door_is_opened_in_two_touches_with_a_reason(staff: FakeStaff, desk: Page) -> None:
    desk.locator("#tab-open").tap()
    button = desk.locator("#open-door")
    expect(button).to_be_disabled()
    desk.locator("[data-why=forgot]").tap()
    button.tap()
    expect(desk.locator("main [role=alert]")).to_have_text("Opened, and confirmed")
    assert staff.log == [("open", "forgot", LOGIN)]
    staff.opening = Opening(outcome=OpenOutcome.UNCONFIRMED)
    button.tap()
    expect(desk.locator("main .problem")).to_contain_text("not confirmed")
    staff.opening = Opening(outcome=OpenOutcome.REFUSED, reason=Reason.STILL_OPEN)
    expect(button).to_be_enabled()
    button.tap()
    expect(desk.locator("main .problem")).to_have_text("Not opened: Please wait")


def test_a_face_is_erased_after_a_question(staff: FakeStaff, desk: Page) -> None:
    desk.locator("#tab-erase").tap()
    expect(desk.locator("[data-person=r-1001]")).to_be_disabled()
    choose(desk, "r-1003")
    expect(desk.locator("main")).to_contain_text("Erase the face of Maria Santos? It cannot be brought back.")
    desk.get_by_role("button", name="Keep").tap()
    assert staff.log == []
    choose(desk, "r-1003")
    desk.locator("#erase").tap()
    expect(desk.locator("main .done")).to_have_text("3 templates erased.")
    assert staff.log == [("erase", "r-1003", LOGIN)]


def test_the_state_of_the_gate_is_told(desk: Page) -> None:
    desk.locator("#tab-status").tap()
    for words in (
        "gate-cam",
        "not good",
        "12.5 s ago",
        "318",
        "1033 (filing needed at 100000)",
        "Door closed",
        "chrony",
    ):
        expect(desk.locator("#status")).to_contain_text(words)


def test_five_idle_minutes_log_out(kiosk: ServedKiosk, desk: Page) -> None:
    desk.locator("#tab-status").tap()
    expect(desk.locator("#status")).to_contain_text("318")
    kiosk.clock.ahead_s += 301
    expect(desk.locator("main [role=alert]")).to_have_text("You were logged out. Please log in again.")
    expect(desk.locator("#tabs")).to_be_hidden()
    assert "318" not in desk.locator("main").inner_text()


def test_touching_the_screen_keeps_somebody_logged_in(kiosk: ServedKiosk, desk: Page) -> None:
    desk.clock.install()
    desk.reload()
    expect(desk.locator("#who")).to_have_text(NAME)
    desk.locator("#tab-open").tap()
    kiosk.clock.ahead_s += 250
    desk.clock.run_for(250_000)
    expect(desk.locator("#left")).to_contain_text("Logging out in")
    with desk.expect_response("**/api/staff/here"):
        desk.locator("[data-why=guest]").tap()
    desk.clock.run_for(1_000)
    expect(desk.locator("#left")).to_have_text("")
    kiosk.clock.ahead_s += 200
    desk.locator("#open-door").tap()
    expect(desk.locator("main [role=alert]")).to_have_text("Opened, and confirmed")


def test_going_back_to_the_gate_logs_out(kiosk: ServedKiosk, desk: Page) -> None:
    desk.locator("#home").tap()
    expect(desk.locator("body")).to_have_attribute("data-view", "idle")
    desk.goto(f"{kiosk.url}/staff")
    expect(desk.locator("#login")).to_be_visible()


def test_a_gate_that_does_not_answer_is_told(kiosk: ServedKiosk, desk: Page) -> None:
    desk.locator("#tab-open").tap()
    desk.locator("[data-why=guest]").tap()
    kiosk.stop()
    desk.locator("#open-door").tap()
    expect(desk.locator("main .problem")).to_contain_text("nothing was done")
    kiosk.start()
    desk.locator("#open-door").tap()
    expect(desk.locator("main [role=alert]")).to_contain_text("Please log in again", timeout=10_000)


def test_a_name_is_text_whatever_is_in_it(desk: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = PersonLine(id="x-1", name="<img src=x onerror=alert(1)>", kind="resident", asked=True)
    monkeypatch.setattr(support, "PEOPLE", (evil,))
    desk.fill("#find", "img")
    expect(desk.locator("[data-person=x-1] b")).to_have_text(evil.name)
    choose(desk, "x-1")
    expect(desk.locator("main")).to_contain_text(evil.name)
    assert desk.locator("main img").count() == 0


@pytest.mark.parametrize("size", [(1080, 1920), (1024, 600), (390, 844)])
def test_pages_of_staff_fit_every_screen(desk: Page, size: tuple[int, int]) -> None:
    desk.set_viewport_size({"width": size[0], "height": size[1]})
    for tab in ("enrol", "test", "open", "erase", "status"):
        desk.locator(f"#tab-{tab}").tap()
        desk.wait_for_timeout(200)
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
        nameless = desk.evaluate(
            """() => [...document.querySelectorAll('button, a, input, [role=img]')].filter((one) =>
            !(one.getAttribute('aria-label') || one.textContent || one.labels?.[0]?.textContent || '').trim())
            .map((one) => one.outerHTML)"""
        )
        assert nameless == []
