"""The page at the gate, in a real browser, over the real server and a gate that plays what the test says."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from edge.gate.api import Answer, Guidance, Reason, Way
from edge.gate.kiosk.api import DoorShown, Phase, StaffCall
from tests.support.kiosk import BOX, FACTS, ServedKiosk, served_kiosk
from tests.support.kiosk_screen import attempt, is_shown, kiosk_screen, text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def kiosk(tmp_path: Path) -> Iterator[ServedKiosk]:
    with served_kiosk(tmp_path) as served:
        yield served


@pytest.fixture
def screen(browser: Browser, kiosk: ServedKiosk) -> Iterator[Page]:
    with kiosk_screen(browser, kiosk) as page:
        yield page


def let_pass(kiosk: ServedKiosk, page: Page, seconds: int) -> None:
    """Let time pass for a page whose clock stands still; it hears the agent meanwhile."""
    for _ in range(seconds // 3):
        kiosk.gate.show()
        page.wait_for_timeout(100)
        page.clock.run_for(3_000)


def test_a_resident_walks_from_idle_to_the_open_door(kiosk: ServedKiosk, screen: Page) -> None:
    expect(screen.locator("#idle-head")).to_have_text("请看镜头")
    expect(screen.locator("#community")).to_have_text("阳光花园")
    expect(screen.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    kiosk.gate.show(phase=Phase.LOOKING, guidance=Guidance.CLOSER, box=BOX)
    is_shown(screen, "look")
    expect(screen.locator("#words")).to_have_text("请靠近一些")
    kiosk.gate.show(phase=Phase.WORKING, way=Way.FACE)
    is_shown(screen, "work")
    expect(screen.locator("#words")).to_have_text("正在核对")
    attempt(kiosk, answer=Answer.OPEN, name="李明", way=Way.FACE, door=DoorShown.OPEN)
    is_shown(screen, "result")
    expect(screen.locator("#headline")).to_have_text("请进")
    expect(screen.locator("#name")).to_have_text("李明")
    expect(screen.locator("[data-shape=open]")).to_be_visible()
    expect(screen.locator("[data-shape=refuse]")).to_be_hidden()
    kiosk.gate.idle()
    is_shown(screen, "idle")
    expect(screen.locator("#name")).to_be_hidden()


@pytest.mark.parametrize("guidance", [one for one in Guidance if one is not Guidance.NONE])
def test_guidance_says_what_to_do_in_large_words(kiosk: ServedKiosk, screen: Page, guidance: Guidance) -> None:
    kiosk.gate.show(phase=Phase.LOOKING, guidance=guidance)
    expect(screen.locator("#words")).to_have_text(text(f"guide.{guidance}"))
    expect(screen.locator("#words-help")).to_have_text(text(f"guide_help.{guidance}"))


@pytest.mark.parametrize(
    ("answer", "shape", "told"),
    [
        (Answer.REFUSE, "refuse", "这张脸没有登记"),
        (Answer.STAFF, "staff", "已通知工作人员"),
    ],
)
def test_a_closed_door_says_why_in_shape_and_words(
    kiosk: ServedKiosk, screen: Page, answer: Answer, shape: str, told: str
) -> None:
    attempt(kiosk, answer=answer, reasons=(Reason.UNKNOWN_FACE, Reason.NO_MASK), name="李明")
    expect(screen.locator("#headline")).to_have_text("未能识别")
    expect(screen.locator("#told")).to_contain_text(told)
    expect(screen.locator(f"[data-shape={shape}]")).to_be_visible()
    assert screen.locator("[data-shape]:visible").count() == 1
    assert "李明" not in screen.content(), "nobody is named who was not let in"
    expect(screen.get_by_role("alert").locator("#headline")).to_be_visible()


def test_answers_sound_once_and_not_alike(kiosk: ServedKiosk, screen: Page) -> None:
    heard = {}
    for answer in Answer:
        screen.evaluate("window.notes.length = 0")
        attempt(kiosk, answer=answer, reasons=(Reason.FEVER,))
        expect(screen.locator("#result")).to_have_attribute("data-answer", answer.value)
        kiosk.gate.show(door=DoorShown.OPEN)
        expect(screen.locator("#notes")).to_contain_text("门开着")
        heard[answer] = screen.evaluate("window.notes")
        kiosk.gate.idle()
        is_shown(screen, "idle")
    pitches = {answer: [pitch for pitch, _ in notes] for answer, notes in heard.items()}
    assert [len(pitches[one]) for one in (Answer.OPEN, Answer.REFUSE, Answer.STAFF)] == [2, 2, 3]
    assert pitches[Answer.OPEN][0] < pitches[Answer.OPEN][1], "rises"
    assert pitches[Answer.REFUSE][0] > pitches[Answer.REFUSE][1], "falls"
    assert min(pitches[Answer.OPEN]) > 2 * max(pitches[Answer.REFUSE])


def test_the_picture_is_a_mirror_with_a_frame_around_the_face(kiosk: ServedKiosk, screen: Page) -> None:
    assert kiosk.gate.pictures == 0, "nobody is looked at on an idle screen"
    kiosk.gate.show(phase=Phase.LOOKING, guidance=Guidance.OK, box=BOX)
    expect(screen.locator("#picture")).to_have_attribute("width", "480")
    pixel = "x => [...document.querySelector('#picture').getContext('2d').getImageData(x, 60, 1, 1).data]"
    red_left, red_right = screen.evaluate(pixel, 40), screen.evaluate(pixel, 440)
    assert red_right[0] > 150
    assert red_right[1] < 90
    assert red_left[1] > 120
    frame = screen.evaluate(
        "() => { const b = document.querySelector('#overlay g.ok .line').getBBox(); return [b.x, b.width, b.y]; }"
    )
    assert frame[0] + frame[1] / 2 == pytest.approx((1 - BOX.left - BOX.width / 2) * 480, abs=1)
    while kiosk.gate.pictures < 5:
        screen.wait_for_timeout(100)
    kiosk.gate.idle()
    is_shown(screen, "idle")
    expect(screen.locator("#picture")).to_be_hidden()
    assert screen.evaluate(pixel, 440) == [0, 0, 0, 0], "no face stays in the page"
    screen.wait_for_timeout(300)
    before = kiosk.gate.pictures
    screen.wait_for_timeout(400)
    assert kiosk.gate.pictures == before


def test_a_picture_that_stands_still_is_told(kiosk: ServedKiosk, screen: Page) -> None:
    kiosk.gate.frozen = True
    kiosk.gate.show(phase=Phase.LOOKING, guidance=Guidance.CLOSER)
    expect(screen.get_by_text("画面停住了")).to_be_visible()
    kiosk.gate.frozen = False
    expect(screen.get_by_text("画面停住了")).to_be_hidden()


def test_a_pin_is_typed_by_touch_and_never_shown(kiosk: ServedKiosk, screen: Page) -> None:
    kiosk.gate.after_pin = {"phase": Phase.WORKING, "way": Way.PIN}
    bodies: list[str] = []
    urls: list[str] = []

    def keep(request: Request) -> None:
        urls.append(request.url)
        bodies.append(request.post_data or "")

    screen.on("request", keep)
    screen.locator("[data-way=pin]").tap()
    for digit in "73915":
        screen.locator(f"[data-key='{digit}']").tap()
    screen.locator("[data-key=delete]").tap()
    screen.locator("[data-key='5']").tap()
    expect(screen.locator("#typed i")).to_have_count(5)
    assert "73915" not in screen.content()
    expect(screen.locator("#typed")).to_have_attribute("aria-label", "已输入 5 位")
    screen.locator("[data-key=enter]").tap()
    expect(screen.locator("#words-help")).to_have_text("已收到密码。")
    assert kiosk.gate.presented == [(Way.PIN, "73915")]
    assert bodies.count('{"pin":"73915"}') == 1
    assert not [url for url in urls if "73915" in url]
    expect(screen.locator("#pad")).to_be_hidden()


def test_a_pin_is_typed_by_keyboard_and_can_be_given_up(kiosk: ServedKiosk, screen: Page) -> None:
    screen.locator("[data-way=pin]").focus()
    screen.keyboard.press("Enter")
    screen.keyboard.type("12")
    screen.locator("#pad").focus()
    screen.locator("[data-key=enter]").press("Enter")
    expect(screen.locator("#pad-note")).to_have_text("密码至少 4 位。")
    screen.keyboard.press("Escape")
    expect(screen.locator("#pad")).to_be_hidden()
    screen.locator("[data-way=pin]").press("Enter")
    expect(screen.locator("#typed i")).to_have_count(0)
    screen.keyboard.type("98765")
    screen.keyboard.press("Backspace")
    screen.locator("[data-key=enter]").press("Enter")
    expect(screen.locator("#pad")).to_be_hidden()
    assert kiosk.gate.presented == [(Way.PIN, "9876")]


def test_a_pin_that_somebody_left_is_forgotten(kiosk: ServedKiosk, screen: Page) -> None:
    screen.clock.install()
    screen.goto(kiosk.url)
    is_shown(screen, "idle")
    screen.locator("[data-way=pin]").tap()
    screen.locator("[data-key='1']").tap()
    let_pass(kiosk, screen, 21)
    expect(screen.locator("#pad")).to_be_hidden()
    screen.locator("[data-way=pin]").tap()
    expect(screen.locator("#typed i")).to_have_count(0)


def test_other_ways_stay_beside_every_view(kiosk: ServedKiosk, screen: Page) -> None:
    for changes in (
        {"phase": Phase.IDLE},
        {"phase": Phase.LOOKING},
        {"phase": Phase.WORKING},
        {"phase": Phase.RESULT, "answer": Answer.REFUSE, "reasons": (Reason.UNKNOWN_FACE,)},
    ):
        kiosk.gate.show(**changes)
        screen.wait_for_timeout(150)
        for way in ("card", "pass", "pin"):
            expect(screen.locator(f"[data-way={way}]")).to_be_in_viewport()
        expect(screen.locator("#call")).to_be_in_viewport()
    screen.locator("[data-way=card]").tap()
    expect(screen.locator("#how-text")).to_contain_text("贴近读卡器")
    screen.locator("#how-back").tap()
    expect(screen.locator("[data-way=card]")).to_be_visible()


def test_a_way_that_the_gate_has_not_is_not_offered(browser: Browser, tmp_path: Path) -> None:
    facts = replace(FACTS, ways=(Way.CARD, Way.PIN))
    with served_kiosk(tmp_path, facts=facts, language="en") as kiosk, browser.new_context() as context:
        page = context.new_page()
        page.goto(kiosk.url)
        expect(page.locator("#idle-head")).to_have_text("Card or code")
        expect(page.locator("[data-way=pass]")).to_be_hidden()
        expect(page.locator("[data-way=pin]")).to_be_visible()


def test_calling_staff_tells_what_became_of_it(kiosk: ServedKiosk, screen: Page) -> None:
    button = screen.locator("#call")
    expect(button).to_have_text("呼叫工作人员")
    button.tap()
    expect(button).to_contain_text("已呼叫")
    assert kiosk.gate.calls == 1
    kiosk.gate.show(staff=StaffCall.COMING)
    expect(button).to_contain_text("正赶来")
    kiosk.gate.show(staff=StaffCall.OFFLINE)
    expect(button).to_contain_text("暂时联系不上")
    expect(button).to_contain_text("请到物业")
    kiosk.gate.show(staff=StaffCall.NONE)
    expect(button).to_have_text("呼叫工作人员")


def test_language_is_switched_by_touch_and_comes_back_when_nobody_is_there(kiosk: ServedKiosk, screen: Page) -> None:
    screen.clock.install()
    screen.goto(kiosk.url)
    expect(screen.locator("html")).to_have_attribute("lang", "zh-CN")
    screen.locator("#language").tap()
    expect(screen.locator("#idle-head")).to_have_text("Look here")
    expect(screen.locator("html")).to_have_attribute("lang", "en")
    expect(screen.locator("#community")).to_have_text("Sunshine Garden")
    expect(screen.locator("#language")).to_have_attribute("aria-label", "切换到中文")
    let_pass(kiosk, screen, 27)
    expect(screen.locator("#call")).to_have_text("Call staff")
    let_pass(kiosk, screen, 6)
    expect(screen.locator("#call")).to_have_text("呼叫工作人员")


def test_a_lost_agent_is_told_and_comes_back_by_itself(kiosk: ServedKiosk, screen: Page) -> None:
    screen.evaluate("window.stays = true")
    kiosk.stop()
    is_shown(screen, "away")
    expect(screen.get_by_role("alert").filter(has_text="暂停服务")).to_be_visible()
    expect(screen.locator("#call")).to_be_disabled()
    kiosk.gate.show(phase=Phase.LOOKING, guidance=Guidance.TURN)
    kiosk.start()
    is_shown(screen, "look")
    expect(screen.locator("#words")).to_have_text("请正对镜头")
    expect(screen.locator("#call")).to_be_enabled()
    expect(screen.locator("#picture")).to_have_attribute("width", "480")
    assert screen.evaluate("window.stays")


def test_an_agent_that_stalls_is_told_and_its_state_holds_again_afterwards(kiosk: ServedKiosk, screen: Page) -> None:
    kiosk.gate.show(phase=Phase.LOOKING, guidance=Guidance.CLOSER)
    is_shown(screen, "look")
    assert kiosk._loop is not None
    kiosk._loop.call_soon_threadsafe(time.sleep, 6)
    is_shown(screen, "away")
    is_shown(screen, "look")
    expect(screen.locator("#words")).to_have_text("请靠近一些")


def test_fire_takes_the_whole_screen(kiosk: ServedKiosk, screen: Page) -> None:
    kiosk.gate.show(phase=Phase.RESULT, answer=Answer.REFUSE, reasons=(Reason.UNKNOWN_FACE,), fire=True)
    is_shown(screen, "fire")
    expect(screen.locator("#fire")).to_contain_text("火警")
    expect(screen.locator("#fire")).to_contain_text("马上离开")
    expect(screen.locator("#result")).to_be_hidden()


def test_troubles_of_the_gate_are_told(kiosk: ServedKiosk, screen: Page) -> None:
    kiosk.gate.show(troubles=(Reason.NO_CAMERA, Reason.CLOCK_NOT_TRUSTED), liveness_unchecked=True, door=DoorShown.HELD)
    notes = screen.locator("#notes")
    for words in ("镜头故障", "时间待确认", "未做活体检测", "门开着太久"):
        expect(notes).to_contain_text(words)
    expect(screen.locator("#idle-head")).to_have_text("请刷卡扫码")
    expect(screen.locator("#clock")).to_have_text("--:--")


def test_labels_say_what_a_figure_is_worth(kiosk: ServedKiosk, screen: Page) -> None:
    screen.locator("#language").tap()
    attempt(kiosk, answer=Answer.OPEN, way=Way.FACE, temperature_c=36.44, liveness_unchecked=True)
    figure = screen.locator("#figure")
    expect(figure).to_contain_text("Skin temperature 36.4 °C (screening only; raw value)")
    expect(figure).to_contain_text("Liveness unchecked")


def test_privacy_says_what_is_processed_and_that_face_is_not_the_only_way(kiosk: ServedKiosk, screen: Page) -> None:
    expect(screen.locator(".privacy")).to_contain_text("刷脸不是唯一方式")
    screen.locator("#privacy-open").tap()
    dialog = screen.get_by_role("dialog")
    expect(dialog).to_contain_text("仅供筛查")
    expect(dialog).to_contain_text("不刷脸也能进")
    expect(dialog).not_to_contain_text("短期保留")
    screen.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_nothing_moves_for_whoever_wants_that(kiosk: ServedKiosk, screen: Page) -> None:
    screen.emulate_media(reduced_motion="reduce")
    kiosk.gate.show(phase=Phase.WORKING)
    is_shown(screen, "work")
    assert screen.evaluate("getComputedStyle(document.querySelector('.progress')).animationName") == "none"


def test_a_page_of_an_older_agent_loads_itself_anew(kiosk: ServedKiosk, screen: Page) -> None:
    loads: list[str] = []
    screen.on("load", lambda page: loads.append(page.url))

    def older(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "build": "older"})

    screen.route("**/api/start", older, times=1)
    screen.goto(kiosk.url)
    while len(loads) < 2:
        screen.wait_for_timeout(100)
    is_shown(screen, "idle")
    screen.wait_for_timeout(500)
    assert len(loads) == 2
