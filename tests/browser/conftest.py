"""One seeded web process and one browser for all tests in a browser; each test has its own session in it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.chromium import ARGUMENTS, find_chromium, is_required, missing
from tests.support.pages import Site, serving

PATIENCE_MS = 20_000
"""How long a page may take for whatever is awaited of it: the machine may be busy."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        if is_required():
            pytest.fail(missing())
        pytest.skip(missing())
    expect.set_options(timeout=PATIENCE_MS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS) as launched,
    ):
        yield launched


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A page of somebody who is not logged in, whose browser prefers English; errors in scripts fail the test."""
    with browser.new_context(locale="en-GB", base_url=site.url, viewport={"width": 1280, "height": 800}) as context:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        assert errors == []
