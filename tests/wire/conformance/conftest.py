import asyncio
from pathlib import Path

import pytest

from tests.wire.conformance.agent_recording import Life
from tests.wire.conformance.agent_recording import record as record_agent


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder: Path = tmp_path_factory.mktemp("agent")
    return asyncio.run(record_agent(folder))
