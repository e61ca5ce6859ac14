from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.alarmed_pump import AlarmedPump
from tests.support.cloud_world import World, cloud_world
from tests.support.pump_profile import pump_profile


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with cloud_world(tmp_path, database_url) as world:
        yield world


@pytest.fixture
async def pump(world: World) -> AlarmedPump:
    return await AlarmedPump.born(world, pump_profile())
