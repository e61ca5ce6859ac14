"""A last value whose time is not to be trusted says so, over REST and on the page."""

import pytest

from cloud.assets import service
from cloud.assets.domain import LastValue
from cloud.assets.view import point_row
from cloud.platform.database import transaction
from cloud.ui.texts import texts
from drivers.catalog import catalog_profile
from tests.support.cloud import Town


def reading(device_id: int, at_ms: int, doubt: str | None = None) -> LastValue:
    return LastValue(
        device_id=device_id,
        point="flow_rate",
        value=3.5,
        quality=192,
        at_ms=at_ms,
        received_ms=at_ms,
        time_quality=doubt,
    )


async def test_rest_says_how_far_a_time_can_be_trusted_until_a_better_one_comes(town: Town) -> None:
    device = await town.device()
    async with town.client("operator") as client:

        async def shown() -> list[str]:
            values = (await client.get(f"/api/v1/devices/{device.id}")).json()["values"]
            return [value["time_quality"] for value in values]

        async with transaction(town.engine) as conn:
            await service.put_last_values(conn, [reading(device.id, town.now)])
            await service.doubt_times(conn, {(device.id, "flow_rate"): (town.now, "behind")})
        assert await shown() == ["behind"]
        async with transaction(town.engine) as conn:
            await service.put_last_values(conn, [reading(device.id, town.now + 1)])
            await service.doubt_times(conn, {(device.id, "flow_rate"): (town.now, "stepped")})
        assert await shown() == ["good"], "a doubt about a value that was replaced is none about the new one"


@pytest.mark.parametrize(
    ("language", "doubt", "words"),
    [
        ("en", "unsynchronised", "time not certain: clock not synchronised"),
        ("zh", "stepped", "时钟刚被调整"),
        ("en", "a word of a newer agent", "time not certain"),
        ("en", None, ""),
    ],
)
def test_the_page_says_it_under_the_points_name(language: str, doubt: str | None, words: str) -> None:
    point = catalog_profile("grundfos-hydro-mpc").points["discharge_pressure"]
    _, row = point_row(
        texts(language), "discharge_pressure", point, value=reading(1, 0, doubt), limits=((), ()), alarm=None
    )
    assert words in row
    assert ("certain" in row or "不可信" in row) is (doubt is not None)
