"""Every page says that data stands still while no ingest process works, and stops saying so when one does again."""

import pytest
from playwright.sync_api import Page, expect

from cloud.ingest import repository
from tests.support.chromium import in_english, log_in
from tests.support.page_world import PASSWORD, now_ms
from tests.support.pages import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_people_see_that_data_stands_still_and_since_when(page: Page, site: Site) -> None:
    killed_ms = now_ms() - 3_600_000
    site.run(lambda conn: repository.put_lease(conn, owner="a", process="ingest", replaces=None, now_ms=killed_ms))
    page.goto("/login?lang=en&next=%2Fdevices")
    log_in(page, "operator", PASSWORD)
    in_english(page)
    told = page.get_by_role("region", name="Receiving")
    expect(told).to_contain_text("Data stands still since")
    expect(told).to_contain_text("states and values may be old")
    # A minute ahead, so that it stays fresh for the length of the test.
    site.run(lambda conn: repository.beat_lease(conn, owner="a", now_ms=now_ms() + 60_000))
    expect(page.locator(".standstill")).to_have_count(0)
