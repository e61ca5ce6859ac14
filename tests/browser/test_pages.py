"""The pages in a real browser, over a real web process and a real database."""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.tables import session
from tests.support.chromium import in_english, log_in
from tests.support.page_world import PASSWORD, PEOPLE
from tests.support.pages import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PATHS = (
    "/",
    "/alarms?state=all",
    "/work-orders?state=all&mine=no",
    "/devices",
    "/people",
    "/quarantine",
    "/audit",
    "/me",
)


def open_as(page: Page, path: str, login: str = "operator") -> None:
    page.goto(f"/login?lang=en&next={path.replace('/', '%2F').replace('?', '%3F').replace('&', '%26')}")
    log_in(page, login, PASSWORD)
    in_english(page)


def test_wrong_password_is_told_and_the_right_one_leads_back(page: Page, site: Site) -> None:
    page.goto("/alarms")
    expect(page).to_have_url(re.compile("/login"))
    log_in(page, "operator", "not this one")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expect(page.locator("#login")).to_have_value("operator")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page).to_have_url(f"{site.url}/alarms")
    expect(page.locator(".main h1")).to_be_visible()


def test_repeated_failures_are_throttled(page: Page) -> None:
    page.goto("/login?lang=en")
    for _ in range(6):
        log_in(page, "nobody-here", "guess")
        expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Too many failed attempts")


def test_login_leads_to_no_other_site(page: Page, site: Site) -> None:
    page.goto("/login?next=https%3A%2F%2Fexample.org%2F")
    log_in(page, "operator", PASSWORD)
    expect(page).to_have_url(f"{site.url}/")


def test_value_changes_without_reload(page: Page, site: Site) -> None:
    open_as(page, f"/devices/{site.devices['pump-2'].id}")
    value = page.locator("[data-point=discharge_pressure] .value")
    expect(value).to_contain_text("7.800")
    page.evaluate("window.stays = true")
    site.put("pump-2", "discharge_pressure", 6.4)
    expect(value).to_contain_text("6.400")
    site.put("pump-2", "discharge_pressure", 6.4, quality=500)
    expect(page.locator("[data-point=discharge_pressure]")).to_contain_text("stale")
    # What else is drawn anew on the page must not bring an old value back.
    page.get_by_role("button", name="24 h").click()
    expect(page.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(1500)
    expect(value).to_contain_text("6.400", timeout=1)
    assert page.evaluate("window.stays")


def test_one_click_acknowledges(page: Page, site: Site) -> None:
    open_as(page, "/")
    row = page.locator(f"[data-key=alarm-{site.alarms['pump-1/dry_run']}]")
    expect(row).to_contain_text("Running dry")
    expect(row.locator(".mark.unacknowledged")).to_be_visible()
    row.get_by_role("button").click()
    expect(row).to_contain_text("Acknowledged")
    expect(row.locator(".mark.unacknowledged")).to_have_count(0)
    row.get_by_role("link").click()
    expect(page.locator(".history")).to_contain_text("李静")


def test_keyboard_acknowledges_searches_and_moves(page: Page, site: Site) -> None:
    open_as(page, "/alarms")
    row = page.locator(f"[data-key=alarm-{site.alarms['lift-1/entrapment']}]")
    expect(row).to_contain_text("Unacknowledged")
    page.keyboard.press("ArrowDown")
    expect(row.get_by_role("link")).to_be_focused()
    page.keyboard.press("a")
    expect(row).not_to_contain_text("Unacknowledged")
    page.keyboard.press("/")
    page.keyboard.type("Lift 1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/devices"))
    expect(page.locator(".devices [data-row]")).to_have_count(2)


def test_work_order_goes_its_way_to_closed(page: Page, site: Site) -> None:
    order = f"/work-orders/{site.orders['lift-3/fault']}"
    open_as(page, order, login="engineer")
    now = page.locator(".stepper .now")
    expect(now).to_have_text("Accepted")
    page.get_by_role("button", name="Put on hold").click()
    expect(page.get_by_role("status")).to_contain_text("needs a reason")
    page.get_by_role("button", name="Start").click()
    expect(now).to_have_text("Working")
    page.get_by_label("Note").fill("brake contactor replaced")
    page.get_by_role("button", name="Complete").click()
    expect(now).to_have_text("Done")
    expect(page.locator(".history")).to_contain_text("brake contactor replaced")
    site.restore("lift-3/fault")
    expect(now).to_have_text("Verified")
    expect(page.locator(".verified")).to_contain_text("Verified by the sensor at")
    page.get_by_role("button", name="Close").click()
    expect(now).to_have_text("Closed")


def test_command_asks_again_and_shows_its_state(page: Page, site: Site) -> None:
    open_as(page, f"/devices/{site.devices['pump-2'].id}")
    form = page.locator("form[data-id=set_pressure]")
    form.get_by_role("spinbutton").fill("50")
    form.get_by_role("button", name="Send").click()
    confirm = page.get_by_role("alertdialog")
    expect(confirm).to_contain_text("Set pressure 50 %")
    expect(confirm.get_by_role("button", name="Confirm")).to_be_focused()
    confirm.get_by_role("button", name="Confirm").click()
    expect(page.locator(".history.commands li").first).to_contain_text("Waiting")


def test_expired_session_is_told_and_leads_back(page: Page, site: Site) -> None:
    open_as(page, "/devices", login="zhang")

    async def expire(conn: AsyncConnection) -> None:
        clause = session.c.account_id == site.accounts["zhang"]
        await conn.execute(update(session).where(clause).values(expires_ms=1))

    site.run(expire)
    expect(page).to_have_url(re.compile(r"/login.*reason=expired"))
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    log_in(page, "zhang", PASSWORD)
    expect(page).to_have_url(f"{site.url}/devices")


def test_language_stays_with_the_account(page: Page, site: Site) -> None:
    open_as(page, "/", login="viewer")
    expect(page.locator(".nav")).to_contain_text("Work orders")
    with page.expect_navigation():
        page.get_by_role("button", name="中文").click()
    expect(page.locator(".nav")).to_contain_text("工单")
    page.goto("/alarms")
    expect(page.locator("h1")).to_have_text("报警")


def test_viewer_has_no_buttons_that_the_server_would_refuse(page: Page, site: Site) -> None:
    open_as(page, f"/devices/{site.devices['pump-2'].id}", login="viewer")
    expect(page.locator("[data-point=flow]")).to_be_visible()
    expect(page.locator(".main")).to_contain_text("You may not command this device")
    expect(page.locator(".main form, .main [data-ack]")).to_have_count(0)
    expect(page.locator(".nav")).not_to_contain_text("Audit")
    page.goto("/audit")
    expect(page.locator(".main")).to_contain_text("You may not see the audit")


def test_technician_sees_own_orders_first(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_as(page, "/work-orders", login="liu")
    rows = page.locator(".orders [data-row]")
    expect(rows.first).to_be_visible()
    names = {PEOPLE["liu"][0]}
    expect(page.get_by_role("link", name=PEOPLE["liu"][0])).to_be_visible()
    assert all(names & set(re.findall("刘洋|张伟|陈刚", text)) == names for text in rows.all_inner_texts())


def test_pages_fit_a_phone_and_load_nothing_from_elsewhere(page: Page, site: Site) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not _is_own(request.url, site) else None)
    open_as(page, "/", login="admin")
    paths = [*PATHS, f"/devices/{site.devices['pump-1'].id}", f"/alarms/{site.alarms['pump-1/dry_run']}"]
    paths.append(f"/work-orders/{site.orders['pump-1/dry_run']}")
    for width in (360, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for path in paths:
            page.goto(path)
            page.wait_for_selector(".main > *")
            page.wait_for_timeout(300)
            too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert too_wide <= 0, f"{path} is {too_wide} px wider than {width}"
    assert elsewhere == []


def _is_own(url: str, site: Site) -> bool:
    return url.startswith((site.url, site.url.replace("http", "ws"), "data:", "blob:"))


def test_controls_have_names_and_texts_have_contrast(page: Page, site: Site) -> None:
    open_as(page, "/", login="admin")
    paths = [*PATHS, f"/devices/{site.devices['pump-2'].id}", f"/work-orders/{site.orders['pump-1/dry_run']}"]
    for theme in ("light", "dark"):
        page.context.add_cookies([{"name": "linli_theme", "value": theme, "url": site.url}])
        for path in paths:
            page.goto(path)
            page.wait_for_selector(".main > *")
            assert page.evaluate(NAMELESS) == [], f"{path}: controls without a name"
            assert page.evaluate(FAINT) == [], f"{path} ({theme}): text below 4.5:1"
    page.evaluate(SPOIL)
    assert len(page.evaluate(NAMELESS)) == 1, "the check finds what it forbids"
    assert len(page.evaluate(FAINT)) == 1


SPOIL = """() => document.querySelector('.main').insertAdjacentHTML('beforeend',
  '<button></button><p style="color: #999; background: #aaa">faint</p>')"""

NAMELESS = """() => [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select')]
  .filter(e => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.labels?.length))
  .map(e => e.outerHTML.slice(0, 120))"""

FAINT = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return {rgb: m.slice(0, 3), a: m[3] ?? 1}; };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.a === 1) return c.rgb; } return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('.bar *, .main *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.nodeValue.trim());
    if (!own || !e.checkVisibility() || e.disabled || e.closest('svg, canvas, option')) continue;
    const a = light(parse(getComputedStyle(e).color).rgb), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found.push(e.innerText.slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return found;
}"""


def test_what_lies_in_quarantine_is_replayed_and_dropped(page: Page, site: Site) -> None:
    open_as(page, "/quarantine")
    part = page.locator(".list.quarantine")
    rows = part.locator("[data-row]")
    together = part.get_by_role("button", name="Replay all 2 of this reason").first
    expect(together).to_be_visible()
    before = rows.count()
    together.click()
    expect(part.get_by_text("being replayed")).to_have_count(2)
    expect(part.get_by_role("status")).to_contain_text("0 taken, 0 stay here, 2 wait")
    site.answer_replays("the device is not in the current birth")
    expect(part.get_by_role("status")).to_contain_text("0 taken, 2 stay here, 0 wait")
    expect(part.get_by_text("Last replay: the device is not in the current birth")).to_have_count(2)
    part.get_by_role("button", name="Drop", exact=True).first.click()
    ask = part.get_by_role("alertdialog")
    expect(ask).to_contain_text("Drop this for good?")
    ask.get_by_role("button", name="Cancel").click()
    expect(ask).to_have_count(0)
    expect(rows).to_have_count(before)
    part.get_by_role("button", name="Drop", exact=True).first.click()
    ask.get_by_role("button", name="Drop").click()
    expect(rows).to_have_count(before - 1)


def test_a_viewer_cannot_touch_the_quarantine(page: Page) -> None:
    open_as(page, "/quarantine", login="viewer")
    part = page.locator(".list.quarantine")
    expect(part.locator("[data-row]").first).to_be_visible()
    expect(part.get_by_role("button")).to_have_count(0)
