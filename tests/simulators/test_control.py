import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.control import (
    ControlError,
    PlayedLine,
    answer,
    ask,
    hold_process,
    running,
    serve_control,
    socket_file,
    tell,
)
from simulators.disturbances import Kind
from simulators.modbus.station import Stations
from simulators.pseudo_terminal import LineUnavailable
from tests.support.simulated_line import ELEVATOR, PUMP, stations_of


@asynccontextmanager
async def controlled(folder: Path, line: str = "pump-line") -> AsyncIterator[Stations]:
    with stations_of(folder, pump_1=(PUMP, 1), pump_2=(PUMP, 2)) as stations, hold_process(folder, line):
        async with serve_control([PlayedLine(name=line, devices=stations, endpoint="here")], data=folder, process=line):
            yield stations


async def test_faults_come_and_go(tmp_path: Path) -> None:
    async with controlled(tmp_path) as stations:
        reply = await asyncio.to_thread(tell, tmp_path, "pump-1", "fault", "dry-run")
        assert reply["active"] == ["dry-run"]
        assert stations.by_name["pump-1"].machine.active() == ("dry-run",)
        assert stations.by_name["pump-2"].machine.active() == ()
        reply = await asyncio.to_thread(tell, tmp_path, "pump-1", "clear")
        assert reply["active"] == []


async def test_status_and_values(tmp_path: Path) -> None:
    async with controlled(tmp_path) as stations:
        (state,) = await asyncio.to_thread(running, tmp_path)
        assert (state["line"], state["endpoint"]) == ("pump-line", "here")
        assert state["devices"]["pump-2"] == {
            "profile": PUMP,
            "unit": 2,
            "faults": list(stations.by_name["pump-2"].machine.faults()),
            "disturbances": list(Kind),
            "active": [],
        }
        reply = await asyncio.to_thread(tell, tmp_path, "pump-1", "values")
        assert reply["values"]["setpoint"] == pytest.approx(48.82)


async def test_disturbances_come_and_go_beside_faults(tmp_path: Path) -> None:
    async with controlled(tmp_path) as stations:
        for fault in ("dry-run", "slow:300ms", "half-open"):
            reply = await asyncio.to_thread(tell, tmp_path, "pump-1", "fault", fault)
        assert reply["active"] == ["dry-run", "slow:300ms", "half-open"]
        assert stations.active("pump-2") == ("half-open",)
        reply = await asyncio.to_thread(tell, tmp_path, "pump-1", "clear", "slow")
        assert reply["active"] == ["dry-run", "half-open"]
        await asyncio.to_thread(tell, tmp_path, "pump-2", "clear")
        assert stations.active("pump-1") == ("dry-run",)
        with pytest.raises(ControlError, match=r"late:soon.*'500ms'"):
            await asyncio.to_thread(tell, tmp_path, "pump-1", "fault", "late:soon")
        with pytest.raises(ControlError, match=r"no fault 'trapped'; there are: dry-run.*dead, slow"):
            await asyncio.to_thread(tell, tmp_path, "pump-1", "fault", "trapped")


async def test_one_process_answers_for_all_its_lines(tmp_path: Path) -> None:
    with (
        stations_of(tmp_path, pump_1=(PUMP, 1)) as pumps,
        stations_of(tmp_path, lift_1=(ELEVATOR, 1)) as lifts,
        hold_process(tmp_path, "both"),
    ):
        lines = [
            PlayedLine(name="pump-line", devices=pumps, endpoint="here"),
            PlayedLine(name="lift-line", devices=lifts, endpoint="there"),
        ]
        async with serve_control(lines, data=tmp_path, process="both"), controlled(tmp_path / "other"):
            states = await asyncio.to_thread(running, tmp_path)
            assert [(state["line"], state["endpoint"]) for state in states] == [
                ("pump-line", "here"),
                ("lift-line", "there"),
            ]
            reply = await asyncio.to_thread(tell, tmp_path, "lift-1", "fault", "trapped")
            assert reply["active"] == ["trapped"]
            with pytest.raises(ControlError, match="no device 'lift-2' runs; there are: pump-1, lift-1"):
                await asyncio.to_thread(tell, tmp_path, "lift-2", "clear")


async def test_mistakes_are_answered_with_what_there_is(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        with pytest.raises(ControlError, match="no device 'lift-9' runs; there are: pump-1, pump-2"):
            await asyncio.to_thread(tell, tmp_path, "lift-9", "fault", "trapped")
        with pytest.raises(ControlError, match="no fault 'trapped'; there are: dry-run"):
            await asyncio.to_thread(tell, tmp_path, "pump-1", "fault", "trapped")
        with pytest.raises(ControlError, match="not a request"):
            await asyncio.to_thread(ask, socket_file(tmp_path, "pump-line"), {"do": "explode"})


@pytest.mark.parametrize("row", [b"", b"\n", b"[]\n", b"{\n", b'{"do": "fault", "devise": "x"}\n', b"\xff\n"])
def test_no_request_breaks_the_simulator(tmp_path: Path, row: bytes) -> None:
    with stations_of(tmp_path, lift_1=(ELEVATOR, 1)) as stations:
        assert answer([PlayedLine(name="lift-line", devices=stations, endpoint="x")], row)["ok"] is False


def test_nothing_runs(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    with pytest.raises(ControlError, match="start one with"):
        tell(tmp_path, "pump-1", "fault", "dry-run")


async def test_a_dead_process_s_socket_is_passed_over_and_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_file(tmp_path, "pump-line")))
    assert running(tmp_path) == []
    async with controlled(tmp_path):
        assert len(await asyncio.to_thread(running, tmp_path)) == 1
    assert not socket_file(tmp_path, "pump-line").exists()


async def test_a_line_has_one_process(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        with pytest.raises(LineUnavailable, match="already runs"), hold_process(tmp_path, "pump-line"):
            pass
        assert len(await asyncio.to_thread(running, tmp_path)) == 1
    with hold_process(tmp_path, "pump-line"):
        pass


async def test_a_path_too_long_for_a_socket_works_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 20) / ("longer-" * 10)
    folder.mkdir(parents=True)
    async with controlled(folder):
        reply = await asyncio.to_thread(tell, folder, "pump-1", "fault", "dry-run")
        assert reply["active"] == ["dry-run"]
