"""The pages of gates in a real browser, over a real web process and a real database."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access import service as access
from cloud.assets import command_repository as commands
from cloud.assets import service as assets
from cloud.gate import ruling
from cloud.gate.keys import KeyFile
from tests.support.chromium import in_english, log_in
from tests.support.gate_pages import hold_newest_list, serving_gates
from tests.support.page_world import PASSWORD, now_ms
from tests.support.pages import Site
from wire.orders import decode_order

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving_gates(tmp_path_factory.mktemp("gates")) as served:
        yield served


def open_as(page: Page, path: str, login: str = "admin") -> None:
    page.goto(f"/login?lang=en&next={path.replace('/', '%2F')}")
    log_in(page, login, PASSWORD)
    in_english(page)


def fresh_token(site: Site) -> None:
    """Say that the agent told a token just now, as ingest does."""
    node_id = site.devices["north"].node_id
    site.run(lambda conn: assets.token_seen(conn, node_id=node_id, token="7" * 32, now_ms=now_ms()))


def test_gates_show_door_list_and_last_decisions(page: Page, site: Site) -> None:
    open_as(page, "/gates")
    north = page.locator("[data-gate='edge-1/north']")
    expect(north).to_contain_text("Door closed")
    expect(north).to_contain_text("face · 张伟")
    expect(north).to_contain_text("Refused")
    expect(page.locator("[data-gate='edge-1/south']")).to_contain_text("Door held open")
    garage = page.locator("[data-gate='edge-2/garage']")
    expect(garage).to_contain_text("Offline")
    expect(garage.get_by_role("button", name="Open")).to_be_disabled()
    site.put("north", "door", 2.0)
    expect(north).to_contain_text("Door open")


def test_names_are_for_those_who_manage_gates(page: Page) -> None:
    open_as(page, "/gates", "operator")
    north = page.locator("[data-gate='edge-1/north']")
    expect(north).to_contain_text("face · r1")
    expect(north).not_to_contain_text("张伟")
    expect(page.get_by_role("link", name="Who may pass")).to_have_count(0)
    page.goto("/gates/people")
    expect(page.locator(".gate-people")).to_contain_text("You may not do this here.")


def test_a_viewer_opens_nothing(page: Page) -> None:
    open_as(page, "/gates", "viewer")
    expect(page.locator("[data-gate='edge-1/north']")).to_contain_text("Door")
    expect(page.locator("button[data-act=ask]")).to_have_count(0)


def test_opening_asks_for_a_reason_and_sends_a_signed_order(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_as(page, "/gates", "operator")
    north = page.locator("[data-gate='edge-1/north']")
    north.get_by_role("button", name="Open…").click()
    north.get_by_role("button", name="Cancel").click()
    expect(north.locator("input[name=reason]")).to_have_count(0)
    north.get_by_role("button", name="Open…").click()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    north.locator("input[name=reason]").fill("courier with parcels")
    fresh_token(site)
    north.get_by_role("button", name="Open now").click()
    expect(north.locator("[aria-live=polite]")).to_contain_text("Opening from afar")
    expect(north.locator("form")).to_have_count(0)
    sent: list[str] = []

    async def look(conn: AsyncConnection) -> None:
        [row] = await commands.of_device(conn, site.devices["north"].id, limit=5)
        sent.append(str(row.value))

    site.run(look)
    order = decode_order(sent[0], KeyFile(site.folder / "data" / "gate-keys").get().public)
    assert (order.gate, order.by, order.token) == ("edge-1/north", "operator", "7" * 32)
    assert "LINLI-ORDER" not in page.content()


def test_somebody_is_added_gets_a_pin_once_and_is_removed(page: Page) -> None:
    open_as(page, "/gates/people")
    page.get_by_role("button", name="Add a person").click()
    page.fill("[name=name]", "Wu Yun")
    page.fill("[name=unit]", "7-0101")
    page.fill("[name=hours]", "whenever")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("times and hours")
    page.fill("[name=hours]", "1-5 06:00-22:00")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".gate-people")).to_contain_text("1-5 06:00-22:00")
    page.get_by_role("button", name="Make a PIN").click()
    expect(page.locator(".secret")).to_have_text(re.compile(r"^\d{6}$"))
    pin = page.locator(".secret").inner_text()
    page.get_by_role("button", name="I have noted it").click()
    expect(page.locator(".secret")).to_have_count(0)
    page.reload()
    row = page.locator(".gate-people .row", has_text="Wu Yun")
    expect(row).to_contain_text("PIN")
    assert pin not in page.content()
    row.get_by_role("button", name="Edit").click()
    page.fill("[name=number]", "00 11 22 33")
    page.get_by_role("button", name="Add a card").click()
    expect(row).to_contain_text("Card …233")
    page.get_by_role("button", name="Remove this person…").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".gate-people")).not_to_contain_text("Wu Yun")


def test_what_is_typed_stays_while_the_page_follows_the_data(page: Page, site: Site) -> None:
    open_as(page, "/gates/people")
    page.locator("button[data-act=edit][data-id=r1]").click()
    page.fill("[name=unit]", "3-9999")
    page.wait_for_timeout(2500)  # two looks at the data
    expect(page.locator("[name=unit]")).to_have_value("3-9999")


def begin_pass(page: Page, name: str) -> Locator:
    """Fill in a pass for a visitor of 张伟, but no gate or area; give the button that issues it."""
    open_as(page, "/gates/passes", "operator")
    page.get_by_role("button", name="Issue a pass").click()
    page.fill("[name=name]", name)
    page.locator("[name=host]").press_sequentially("张伟")
    option = page.locator("#hosts option")
    expect(option).to_have_count(1)
    page.fill("[name=host]", option.get_attribute("value") or "")
    return page.locator("form").get_by_role("button", name="Issue a pass")


def test_a_pass_is_issued_shown_and_revoked(page: Page) -> None:
    send = begin_pass(page, "Li Lei")
    send.click()
    expect(page.get_by_role("status")).to_contain_text("gates of one agent")
    page.get_by_label("edge-1/north").check()
    page.get_by_label("edge-1/south").check()
    send.click()
    expect(page.locator(".pass svg")).to_be_visible()
    expect(page.locator(".pass")).to_contain_text("edge-1/north, edge-1/south")
    row = page.locator(".gate-passes .row", has_text="Li Lei")
    row.get_by_role("button", name="Revoke").click()
    row.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    expect(page.locator(".pass svg")).to_have_count(0)


def test_a_pass_is_for_areas(page: Page) -> None:
    send = begin_pass(page, "Mei Mei")
    page.get_by_label("edge-1/north").check()
    page.get_by_label("tower-1").check()
    page.fill("[name=areas]", "garage，roof")  # noqa: RUF001 - as a Chinese keyboard writes a comma
    send.click()
    expect(page.locator(".pass")).to_contain_text("tower-1, garage, roof")
    expect(page.locator(".gate-passes .row", has_text="Mei Mei")).to_contain_text("tower-1, garage, roof")


def test_every_decision_is_shown_page_by_page(page: Page, site: Site) -> None:
    open_as(page, "/gates")
    page.locator("[data-gate='edge-1/south']").get_by_role("link", name="All decisions").click()
    rows = page.locator(".gate-decisions .row")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("card · p0")
    expect(rows.nth(49)).to_contain_text("card · p49")
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(20)
    expect(rows.last).to_contain_text("card · p69")
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    page.get_by_role("link", name="Newest").click()
    expect(rows).to_have_count(50)
    page.goto(f"/gates/{site.devices['pump-1'].id}/decisions")
    expect(page.locator(".gate-decisions")).to_contain_text("no such thing")


def rule_of(page: Page, gate: str) -> Locator:
    return page.locator(f".gate-rules .row[data-gate='{gate}']")


def test_a_rule_is_changed_and_told_when_it_is_in_force(page: Page, site: Site) -> None:
    open_as(page, "/gates/rules")
    north = rule_of(page, "edge-1/north")
    expect(north).to_contain_text("Liveness off")
    expect(north).to_contain_text("In force")
    expect(rule_of(page, "edge-2/garage")).to_contain_text("as the gate's own settings say")
    expect(rule_of(page, "edge-9/old")).to_contain_text("No gate of this name")
    north.get_by_role("button", name="Edit").click()
    expect(page.locator("select[name=identity] option")).to_have_count(2)
    page.select_option("select[name=liveness]", "required")
    page.select_option("select[name=mask]", "")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("form.gate-form")).to_have_count(0)
    expect(north).to_contain_text("Liveness required")
    expect(north).not_to_contain_text("Mask")
    expect(north).to_contain_text("On its way to the gate")
    expect(north).to_contain_text("王敏")
    site.run(lambda conn: hold_newest_list(conn, site, "north"))
    expect(north).to_contain_text("In force")


def test_two_who_edit_a_rule_do_not_overwrite_each_other(page: Page, site: Site) -> None:
    open_as(page, "/gates/rules")
    south = rule_of(page, "edge-1/south")
    south.get_by_role("button", name="Edit").click()
    page.select_option("select[name=mask]", "required")

    async def other(conn: AsyncConnection) -> None:
        actor = await access.actor_of(conn, login="admin", address="192.0.2.9")
        community = site.devices["south"].where.community_id
        seen = {row["gate"]: row["revision"] for row in await ruling.list_rules(conn, actor)}["edge-1/south"]
        await ruling.put_rule(
            conn,
            actor,
            community_id=community,
            gate="edge-1/south",
            demands=[("record", "required")],
            seen=seen,
            now_ms=now_ms(),
        )

    site.run(other)
    alert = page.locator(".panel[role=alert]")
    expect(alert).to_contain_text("Test or vaccination record required")
    expect(page.locator("select[name=mask]")).to_have_value("required")  # what was chosen stays until they decide
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Somebody else has changed this rule")
    expect(south).not_to_contain_text("Mask")
    page.get_by_role("button", name="Take the rule as it is now").click()
    expect(page.locator("select[name=record]")).to_have_value("required")
    page.select_option("select[name=mask]", "required")
    page.get_by_role("button", name="Save").click()
    expect(south).to_contain_text("Mask required")
    expect(south).to_contain_text("Test or vaccination record required")


def test_rules_are_read_by_whoever_sees_the_gates_and_changed_by_whoever_manages_them(page: Page) -> None:
    open_as(page, "/gates/rules", "operator")
    expect(rule_of(page, "edge-1/north")).to_contain_text("Temperature")
    expect(page.locator(".gate-rules button")).to_have_count(0)


def test_an_agent_s_token_is_shown_once(page: Page) -> None:
    open_as(page, "/gates")
    page.locator("[data-key^=agent-], .gate-agents .row").filter(has_text="edge-2").get_by_role(
        "button", name="New token"
    ).click()
    expect(page.locator(".secret")).to_have_text(re.compile(r"^[\w-]{43}$"))
    page.get_by_role("button", name="I have noted it").click()
    expect(page.locator(".secret")).to_have_count(0)


def test_the_device_s_page_leads_to_the_gates_for_opening(page: Page, site: Site) -> None:
    open_as(page, f"/devices/{site.devices['north'].id}", "operator")
    link = page.locator(".main a[href='/gates']")
    expect(link).to_be_visible()
    expect(page.locator("form[data-id=open]")).to_have_count(0)
    link.click()
    expect(page.locator("[data-gate='edge-1/north']")).to_be_visible()


@pytest.mark.parametrize("path", ["/gates", "/gates/people", "/gates/passes", "/gates/rules", "decisions"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_page_is_wider_than_its_screen(page: Page, site: Site, path: str, width: int) -> None:
    if path == "decisions":
        path = f"/gates/{site.devices['south'].id}/decisions"
    page.set_viewport_size({"width": width, "height": 844})
    open_as(page, path)
    page.wait_for_selector(".main .panel")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
