"""Changed settings of a running gate: taken up between two openings, with no pulse half done and nothing told twice."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.edge_site import Host
from tests.support.gate_stand import (
    GateStand,
    card,
    decisions,
    next_decision,
    now_ms,
    resident,
    roll_of,
    shown,
    until_shown,
    until_shut,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture
def pulse_s() -> float:
    """Short, so that an opening is over soon after its settings have changed."""
    return 0.5


def edit(stand: GateStand, old: str, new: str) -> None:
    text = stand.file.read_text()
    assert old in text
    stand.file.write_text(text.replace(old, new))


async def checks(stand: GateStand) -> dict[str, Any]:
    def page() -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{stand.http}/health", timeout=10) as answer:
            return dict(json.loads(answer.read())["checks"])

    return await asyncio.to_thread(page)


async def shows_card(stand: GateStand, host: Host, number: int) -> dict[str, Any]:
    """Show a card until the gate says something: while it is started anew it hears nothing, as at any start."""
    after = len(decisions(host))
    for _ in range(20):
        stand.presents("card-1", card(number))
        try:
            return await next_decision(host, after, within=2)
        except TimeoutError:
            continue
    raise AssertionError("the gate hears no card")


async def test_a_changed_setting_holds_from_the_next_opening_on(stand: GateStand, host: Host) -> None:
    async with stand.agent():
        await until_shut(host)
        assert (await shows_card(stand, host, 1))["opened"] == "confirmed"
        edit(stand, "seconds = 0.5", "seconds = 1.5")
        await asyncio.sleep(3)
        assert (await checks(stand))["site"]["status"] == "ok"
        await until_shut(host)
        assert (await shows_card(stand, host, 2))["who"] == resident(2)
        assert stand.unlock_times() == [0.5, 1.5]
        edit(stand, "device = 'north-gate'", "device = 'south-gate'")  # there is none: refused, and all goes on
        await asyncio.sleep(3)
        assert "not used" in (await checks(stand))["site"]["detail"]
        await until_shut(host)
        assert (await shows_card(stand, host, 3))["opened"] == "confirmed"


async def test_changes_in_the_middle_of_openings_cut_none_off(stand: GateStand, host: Host) -> None:
    async with stand.agent():
        await until_shut(host)
        for number in range(4):
            edit_at = asyncio.create_task(change_soon(stand, number))
            assert (await shows_card(stand, host, 1 + number % 3))["answer"] in {"open", "staff"}
            await edit_at
            await asyncio.sleep(2.5)
            await until_shut(host)
        opened = [one["opened"] for one in decisions(host) if one["answer"] == "open"]
    assert "unknown" not in opened
    assert opened.count("confirmed") == stand.pulses()
    ids = [one["id"] for one in decisions(host)]
    assert len(ids) == len(set(ids)), "no opening is told twice"


async def change_soon(stand: GateStand, number: int) -> None:
    """Write other settings while the gate is at work; every second time those of the door's own line too."""
    await asyncio.sleep(0.9 + 0.05 * number)
    text = stand.file.read_text()
    before, after = (f"held_after = '{seconds}s'" for seconds in (20 + number, 21 + number))
    text = text.replace(before, after) if before in text else text.replace("seconds = 0.5", f"seconds = 0.5\n{after}")
    if number % 2:
        text = text.replace("timeout = '300ms'", f"timeout = '{300 + number}ms'")
        text = text.replace(f"timeout = '{298 + number}ms'", f"timeout = '{300 + number}ms'")
    stand.file.write_text(text)


async def test_a_gate_that_is_taken_away_opens_nothing_and_one_that_comes_back_does(
    stand: GateStand, host: Host
) -> None:
    async with stand.agent():
        await until_shut(host)
        whole = stand.file.read_text()
        stand.file.write_text(whole[: whole.index("[agents.edge-1.gatehouse]")])
        await asyncio.sleep(3)
        assert "gatehouse" not in [name for name, one in (await checks(stand)).items() if one["status"] != "ok"]
        stand.presents("card-1", card(1))
        await asyncio.sleep(1)
        assert decisions(host) == []
        stand.file.write_text(whole)
        assert (await shows_card(stand, host, 1))["opened"] == "confirmed"
    assert stand.pulses() == 1


async def test_cameras_that_are_not_aligned_are_told_and_put_right_without_a_restart(
    tmp_path: Path, broker: Broker, host: Host
) -> None:
    """Have people stand before a gate whose thermal picture lies elsewhere than its settings say, then mend these."""
    stand = GateStand(folder=tmp_path / "faces", broker=broker, checks="temperature = { demand = 'required' }")
    # By this, what the thermal camera shows of somebody lies an eye distance and a half beside and below them.
    stand.thermal = "align = [[0.25, 0.5, 0.75, 0.5], [0.13, 0.37, 0.63, 0.37]]"
    stand.write()
    bare = (2, 4)  # without glasses
    await asyncio.to_thread(stand.enrol, roll_of(bare, now_ms=now_ms()), bare, now_ms=now_ms())

    async def met(number: int) -> dict[str, Any]:
        before = len(decisions(host))
        stand.stands(f"resident {number}")
        try:
            return await next_decision(host, before, within=60)
        finally:
            await asyncio.sleep(2)
            stand.stands("nobody")
            await until_shut(host)
            await asyncio.sleep(3)

    async with stand.simulators(), stand.agent():
        await until_shown(host, "face_works", value=True, within=60)
        for attempt in range(8):
            await met(bare[attempt % 2])
            if shown(host, "misaligned") is True:
                break
        assert shown(host, "misaligned") is True
        assert shown(host, "liveness_checked") is False
        found = await met(2)
        assert found["answer"] == "staff"
        assert ["liveness", "misaligned"] in found["reasons"]
        assert stand.pulses() == 0
        edit(stand, stand.thermal, "")
        await until_shown(host, "misaligned", value=False, within=60)
        found = await met(4)
        assert (found["answer"], found["opened"], found["who"]) == ("open", "confirmed", resident(4))
