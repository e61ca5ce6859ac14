"""The page over a whole gate: simulated people before real camera servers and real models, a relay on a serial line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Error, Page, async_playwright, expect

from tests.support.broker import running_broker
from tests.support.chromium import ARGUMENTS, find_chromium, is_required, missing
from tests.support.edge_site import USERS, listening_host
from tests.support.gate_stand import GateStand, now_ms, pin, roll_of
from tests.support.kiosk import LOGIN, PASSWORD, staff_file

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(400)]

SLOW_MS = 45_000


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[GateStand]:
    """A gate that runs; residents 1 to 3 have PINs, and 1 and 2 are enrolled."""
    async with running_broker(tmp_path / "broker", users=USERS) as broker, listening_host(broker):
        one = GateStand(folder=tmp_path / "gate", broker=broker)
        one.write()
        port, file = f"port = {one.kiosk}", staff_file(tmp_path)
        one.file.write_text(one.file.read_text().replace(port, f"{port}\nstaff_file = '{file}'"))
        await asyncio.to_thread(one.enrol, roll_of([1, 2, 3], now_ms=now_ms()), [1, 2], now_ms=now_ms())
        async with one.simulators(), one.agent_process():
            yield one


@pytest.fixture
async def screen(stand: GateStand) -> AsyncIterator[Page]:
    """The kiosk's screen, upright; an error in a script fails the test."""
    chromium = find_chromium()
    if chromium is None:
        if is_required():
            pytest.fail(missing())
        pytest.skip(missing())
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1080, "height": 1920})
        page.set_default_timeout(SLOW_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await until_served(page, f"http://127.0.0.1:{stand.kiosk}/")
        yield page
        await browser.close()
    assert errors == []


async def until_served(page: Page, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await page.goto(url)
            except Error:
                await asyncio.sleep(0.3)
            else:
                return


async def test_a_resident_is_welcomed_a_pin_opens_and_staff_enrol(stand: GateStand, screen: Page) -> None:
    headline, name = screen.locator("#headline"), screen.locator("#name")
    await expect(screen.locator("#idle-head")).to_have_text("请看镜头", timeout=SLOW_MS)
    stand.stands("resident 1")
    await expect(headline).to_have_text("请进", timeout=SLOW_MS)
    await expect(name).to_have_text("居民1")
    stand.stands("nobody")
    await expect(screen.locator("body")).to_have_attribute("data-view", "idle", timeout=SLOW_MS)

    await screen.click("[data-way=pin]")
    await screen.keyboard.type("000000")
    await screen.click("[data-key=enter]")
    await expect(headline).to_have_text("密码不对", timeout=SLOW_MS)
    await screen.click("[data-way=pin]")
    await screen.keyboard.type(pin(2))
    await screen.click("[data-key=enter]")
    await expect(headline).to_have_text("请进", timeout=SLOW_MS)
    await expect(name).to_have_text("居民2")

    await screen.click("#staff-link")
    await screen.fill("#login", LOGIN)
    await screen.fill("#password", PASSWORD)
    await screen.click("button[type=submit]")
    stand.stands("resident 3")
    await screen.click("[data-person=resident-3]")
    await screen.check("#agreed")
    await screen.click("#next")
    done = screen.locator("main [role=alert].done")
    shoot = screen.locator("#shoot")
    async with asyncio.timeout(60):
        while not await done.is_visible():
            if await shoot.is_visible() and await shoot.is_enabled():
                await shoot.click()
            await asyncio.sleep(0.5)
    await expect(done).to_have_text("登记成功")
    await screen.click("#tab-test")
    await expect(screen.locator("#sight")).to_contain_text("居民3", timeout=SLOW_MS)
    await screen.click("#tab-status")
    await expect(screen.locator("#status")).to_contain_text("满 100000 须备案", timeout=SLOW_MS)
    log = (stand.folder / "agent.log").read_text(encoding="utf-8")
    assert pin(2) not in log
    assert PASSWORD not in log
    assert "居民" not in log
