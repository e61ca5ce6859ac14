"""The agent as a process of its own: what signals and kills leave behind."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.broker import running_broker
from tests.support.edge_site import USERS, Host, listening_host, write_site
from tests.support.modbus_server import modbus_units
from wire import contract
from wire.topic import MessageType

pytestmark = pytest.mark.system
PUMP = "pump-1"
_EDGE = "from edge.cli import app; app()"


@asynccontextmanager
async def agent_process(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    log = (file.parent / "agent.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _EDGE, "run", file, "--agent", "edge-1", "--log-format", "json", stderr=log, stdout=log
    )
    try:
        yield process
    finally:
        log.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _settled(host: Host) -> None:
    await host.until(lambda: [one for one in host.taken if "locked" in one.metrics])


async def test_sigterm_ends_cleanly_with_a_death_certificate(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        modbus_units(1) as units,
        listening_host(broker) as host,
        agent_process(write_site(tmp_path, broker, units)) as process,
    ):
        await _settled(host)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await host.until(lambda: host.of(MessageType.NDEATH))
        # One from the agent itself: after a clean disconnect the broker does not publish the will.
        await asyncio.sleep(0.3)
        assert len(host.of(MessageType.NDEATH)) == 1
    log = (tmp_path / "agent.log").read_text()
    assert '"event": "stopped"' in log
    assert "Traceback" not in log


async def test_a_killed_agent_continues_without_loss_and_owns_up_to_its_open_command(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "broker", users=USERS) as broker,
        modbus_units(1) as units,
        listening_host(broker) as host,
    ):
        file = write_site(tmp_path, broker, units)
        async with agent_process(file) as process:
            await _settled(host)
            command_id = await host.command(PUMP, "jam", value=True)
            async with asyncio.timeout(10):
                while not units.writes:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.005)
            process.kill()
            await process.wait()
        await host.until(lambda: host.of(MessageType.NDEATH))
        units.registers[1][0] = 90
        async with agent_process(file):
            outcome = await host.outcome(command_id)
            await host.until(lambda: [one for one in host.taken if "pressure" in one.metrics], 2)
    assert outcome.value(contract.COMMAND_OUTCOME) == "unknown"
    assert units.writes == [(1, 3, 1)]
    assert [one.offset for one in host.taken] == list(range(1, len(host.taken) + 1))
    births = [one.value("bdSeq") for one in host.of(MessageType.NBIRTH)]
    assert births == [0, 1]
    assert [one.value("bdSeq") for one in host.of(MessageType.NDEATH)][:1] == [0]


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "site.toml").read_text()
    text = text.replace("port = 0", "port = 1").replace(
        'host = "127.0.0.1", port = 1', 'host = "203.0.113.1", port = 1'
    )
    text = text.replace('"profiles"', f'"{Path(__file__).parent / "profiles"}"')
    file = tmp_path / "site.toml"
    file.write_text(text.replace('"secrets/', f'"{Path(__file__).parent}/secrets/'))
    done = subprocess.run(
        [sys.executable, "-c", _EDGE, "run", file, "--agent", "edge-1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "edge-1 cannot run" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_agent_loads_nothing_of_the_web_or_of_vision() -> None:
    code = (
        "import sys, edge.app, edge.cli\n"
        "heavy = {'fastapi', 'nicegui', 'sqlalchemy', 'starlette', 'uvicorn', 'onnxruntime', 'cv2', 'numpy', 'cloud'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_loads_its_parts_only_when_a_command_runs() -> None:
    code = "import sys, edge.cli; print(sorted({'pydantic', 'aiomqtt', 'pymodbus', 'structlog'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
