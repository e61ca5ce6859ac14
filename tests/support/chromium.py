"""The system's Chromium, for tests and screenshots; none is ever downloaded. And what every visit begins with."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Page

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> Path | None:
    """Find the browser, or None."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    return None


def is_required() -> bool:
    """Whether a missing browser is a failure: a CI that skips the browser's tests would prove nothing."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing() -> str:
    """Say what to do about a missing browser."""
    return f"no Chromium found (looked for {', '.join(NAMES)}): `apt-get install chromium`"


def log_in(page: Page, login: str, password: str) -> None:
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("button[type=submit]")


def in_english(page: Page) -> None:
    """Everybody in the seeded community reads Chinese at first."""
    page.wait_for_selector(".bar button[data-act=language]")
    if page.locator("html").get_attribute("lang") != "en":
        with page.expect_navigation():
            page.click(".bar button[data-act=language]")
    page.wait_for_selector("html[lang=en] .main")
