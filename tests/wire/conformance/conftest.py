import asyncio
from pathlib import Path

import pytest

from tests.support.cloud import fresh_database
from tests.wire.conformance.agent_recording import Life
from tests.wire.conformance.agent_recording import record as record_agent
from tests.wire.conformance.ingest_recording import Life as IngestLife
from tests.wire.conformance.ingest_recording import record as record_ingest


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder: Path = tmp_path_factory.mktemp("agent")
    return asyncio.run(record_agent(folder))


@pytest.fixture(scope="session")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> IngestLife:
    folder: Path = tmp_path_factory.mktemp("ingest")
    return asyncio.run(record_ingest(folder, fresh_database(folder)))
