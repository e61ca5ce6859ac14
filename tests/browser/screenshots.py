"""Pictures of every page: `python -m tests.browser.screenshots [--url URL --login L --password P] [--out FOLDER]`.

Without `--url` it serves a seeded community of its own, and a kiosk. Three sizes, both languages, light; the overview
dark too.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.browser import kiosk_pictures
from tests.support.chromium import ARGUMENTS, find_chromium, missing
from tests.support.gate_pages import serving_gates
from tests.support.page_world import PASSWORD
from tests.support.pages import Site

SIZES = {"1920": (1920, 1080), "1280": (1280, 800), "390": (390, 844)}
LANGUAGES = ("zh", "en")
LISTS = {
    "overview": "/",
    "alarms": "/alarms?state=all",
    "work-orders": "/work-orders?state=all&mine=no",
    "devices": "/devices",
    "people": "/people",
    "gates": "/gates",
    "gate-rules": "/gates/rules",
    "gate-people": "/gates/people",
    "gate-passes": "/gates/passes",
    "audit": "/audit",
    "diagnostics": "/quarantine",
    "me": "/me",
}
DETAILS = {"alarm": ("/alarms?state=open", "/alarms/"), "work-order": ("/work-orders", "/work-orders/")}


def main() -> int:
    """Take the pictures; 0, or 1 with the reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running server; without it one is started with data of its own")
    parser.add_argument("--login", default="admin")
    parser.add_argument("--password", default=PASSWORD)
    parser.add_argument("--out", type=Path, default=Path(".linli/screenshots"))
    parser.add_argument("--only", help="only pages whose name has this in it")
    arguments = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.stderr.write(missing() + "\n")
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (
        _server(arguments.url) as (url, site),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as browser,
    ):
        for language in LANGUAGES:
            _all(browser, url, site, language, arguments)
            if site is not None:
                kiosk_pictures.take(browser, language, arguments.out, arguments.only)
    sys.stdout.write(f"{len(list(arguments.out.glob('*.png')))} pictures in {arguments.out}\n")
    return 0


@contextmanager
def _server(url: str | None) -> Iterator[tuple[str, Site | None]]:
    if url is not None:
        yield url.rstrip("/"), None
        return
    with tempfile.TemporaryDirectory(prefix="linli-screenshots-") as folder, serving_gates(Path(folder)) as site:
        yield site.url, site


def _all(browser: Browser, url: str, site: Site | None, language: str, arguments: argparse.Namespace) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.on("pageerror", _complain)
        if not arguments.only or arguments.only in "login":
            _login_pictures(page, url, language, arguments.out)
        page.goto(f"{url}/login?lang={language}")
        page.fill("#login", arguments.login)
        page.fill("#password", arguments.password)
        page.click("button[type=submit]")
        page.wait_for_selector(".bar")
        _speak(page, language)
        paths = {**LISTS, **_details(page, url, site)}
        for name, path in paths.items():
            if arguments.only and arguments.only not in name:
                continue
            for size, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                _picture(page, site, f"{url}{path}", arguments.out / f"{name}-{size}-{language}.png")
        if not arguments.only or arguments.only in "overview":
            _dark(context, page, site=site, url=url, out=arguments.out, language=language)


def _complain(error: Error) -> None:
    sys.stdout.write(f"an error in the page: {error}\n")


def _login_pictures(page: Page, url: str, language: str, out: Path) -> None:
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{url}/login?lang={language}&reason=expired&next=%2Falarms")
        page.screenshot(path=out / f"login-{size}-{language}.png")


def _speak(page: Page, language: str) -> None:
    if not (page.locator("html").get_attribute("lang") or "").startswith(language):
        with page.expect_navigation():
            page.click(f".bar button[lang={language}]")
        page.wait_for_selector(".bar")


def _details(page: Page, url: str, site: Site | None) -> dict[str, str]:
    if site is not None:
        return {
            "alarm": f"/alarms/{site.alarms['pump-1/dry_run']}",
            "work-order": f"/work-orders/{site.orders['pump-1/dry_run']}",
            "work-order-verified": f"/work-orders/{site.orders['pump-2/pump_fault']}",
            "device-pump": f"/devices/{site.devices['pump-1'].id}",
            "device-pump-commands": f"/devices/{site.devices['pump-2'].id}",
            "device-lift": f"/devices/{site.devices['lift-1'].id}",
            "device-gate": f"/devices/{site.devices['north'].id}",
            "gate-decisions": f"/gates/{site.devices['north'].id}/decisions",
        }
    found = {}
    for name, (listing, prefix) in {**DETAILS, "device": ("/devices", "/devices/")}.items():
        page.goto(f"{url}{listing}")
        page.wait_for_selector(".main")
        page.wait_for_timeout(500)
        links = page.locator(f'.main a[href^="{prefix}"]')
        if links.count():
            found[name] = links.first.get_attribute("href") or listing
    return found


def _picture(page: Page, site: Site | None, address: str, file: Path) -> None:
    if site is not None:
        site.beat()
    page.goto(address)
    page.wait_for_selector(".main > *")
    page.wait_for_timeout(1200)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        sys.stdout.write(f"{file.name}: {wide} px too wide\n")
    page.screenshot(path=file, full_page=True)


def _dark(context: BrowserContext, page: Page, *, site: Site | None, url: str, out: Path, language: str) -> None:
    context.add_cookies([{"name": "linli_theme", "value": "dark", "url": url}])
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        _picture(page, site, f"{url}/", out / f"overview-dark-{size}-{language}.png")
    context.add_cookies([{"name": "linli_theme", "value": "light", "url": url}])


if __name__ == "__main__":
    sys.exit(main())
