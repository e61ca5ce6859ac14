"""Who comes to the demonstration's gate: an operator's first minutes, and then a quiet rhythm."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from simulators import control
from simulators.control import ControlError
from simulators.demo.api import Api
from simulators.demo.gate import CARD_ONLY, FEVERISH, FULL_NAME, GATE_DEVICE, HOST, MASKED, GateStack
from simulators.demo.layout import GATE, Layout
from simulators.demo.ledger import percentile
from simulators.demo.stack import DemoFailed

CARD_READER, QR_READER = "card-1", "qr-1"
_STAYS = "4s"
_PASS_HOLDS_MS = 24 * 3_600_000
_EARLY_MS = 60_000
_LOOK_S = 0.25
_IN_HAND = frozenset({"dispatched", "accepted", "working"})
_UNTIL_DECIDED, _DECIDED_WITHIN_S = "60s", 30.0
_AFTER_OPENING_S, _AFTER_REFUSAL_S = 6.0, 2.0
_FIRST_PAUSE_S, _PAUSE_S = 11.0, 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """Somebody comes: before the cameras (`act`), with a `card`, by an operator's order (`remote`), or with a pass.

    `answer` is what follows.
    """

    what: str
    way: str
    answer: str
    act: str = ""
    card: str = ""
    remote: bool = False


BY_FACE = (
    Visit(what="resident let in by face", way="face", answer="open", act=f"resident {HOST.number}"),
    Visit(what="stranger refused", way="face", answer="refuse", act="stranger 3"),
    Visit(what="fever passed to staff", way="face", answer="staff", act=f"resident {FEVERISH.number} fever"),
    Visit(what="printed photo refused", way="face", answer="refuse", act=f"print resident {HOST.number}"),
)
BY_CARD = (
    Visit(what="resident let in by card", way="card", answer="open", card=CARD_ONLY.card),
    Visit(what="card that nobody has refused", way="card", answer="refuse", card="0012345678"),
)
BY_PASS = (Visit(what="visitor let in by a signed pass", way="pass", answer="open"),)
BY_ORDER = (Visit(what="opened from afar by a signed order", way="remote", answer="open", remote=True),)
_LATER = (
    Visit(what="resident comes home", way="face", answer="open", act=f"resident {HOST.number}"),
    Visit(what="resident with a mask", way="face", answer="open", act=f"resident {MASKED.number}"),
    BY_CARD[0],
    BY_FACE[1],
    Visit(what="resident 44 comes home", way="face", answer="open", act="resident 44"),
)


def programme(gate: GateStack) -> tuple[Visit, ...]:
    """Give who comes first: without simulated cameras nobody comes by face."""
    faces = BY_FACE if gate.sight.simulated else ()
    # The order comes before the fever: whoever opens for somebody has answered their call.
    return (*faces[:2], *BY_CARD[:1], *BY_PASS, *BY_ORDER, *faces[2:], *BY_CARD[1:])


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """A decision as the store holds it."""

    at_ms: int
    answer: str
    way: str
    took_ms: float


class Gatekeeper:
    """Has people come, and reads what the gate decided, from the store of time series in `telemetry`."""

    def __init__(
        self, layout: Layout, gate: GateStack, api: Api, *, device_id: int | None, tell: Callable[[str], None]
    ) -> None:
        self._layout, self._api, self._tell = layout, api, tell
        self.stack = gate
        self.device_id = device_id

    async def come(self, visit: Visit, *, stays: str = _STAYS) -> float:
        """Have somebody come, and stay before the cameras; gives when (Unix ms). ControlError, httpx.HTTPError."""
        begun_ms = time.time() * 1000
        data = self._layout.simulators
        if visit.act:
            await asyncio.to_thread(control.stage, data, GATE, f"{visit.act} for {stays}")
        elif visit.card:
            await asyncio.to_thread(control.tell, data, CARD_READER, "fault", f"present:{visit.card}")
        elif visit.remote:
            await self._api.post(f"/gates/{self.device_id}/open", {"reason": "a parcel that was announced"})
        else:
            text = await self._issue_pass()
            await asyncio.to_thread(control.tell, data, QR_READER, "fault", f"present:{text}")
        self._tell(f"the gate: {visit.act or visit.what}")
        return begun_ms

    async def leave_pass(self) -> None:
        """Issue a pass that holds as often as one likes, and leave its text in a file, to be tried. DemoFailed."""
        try:
            text = await self._issue_pass(uses=None)
        except httpx.HTTPError as error:
            raise DemoFailed(f"the service issues no pass: {error}") from error
        self._layout.visitor_pass.touch(mode=0o600)
        self._layout.visitor_pass.write_text(text + "\n", encoding="utf-8")

    async def _issue_pass(self, *, uses: int | None = 1) -> str:
        now_ms = round(time.time() * 1000)
        body = {
            "uses": uses,
            "community_id": self.stack.community,
            "host": self.stack.people[HOST.number],
            "name": "访客 Visitor",
            "valid_from_ms": now_ms - _EARLY_MS,
            "valid_until_ms": now_ms + _PASS_HOLDS_MS,
            "gates": [FULL_NAME],
        }
        return str((await self._api.post("/gates/passes", body))["text"])

    async def one_of_each(self) -> list[tuple[str, bool]]:
        """Have one of each kind come, each until the gate has decided; gives what should be seen, and whether it was.

        Nobody comes while the door is still open for the one before.
        """
        seen: list[tuple[str, bool]] = []
        for visit in programme(self.stack):
            try:
                since_ms = await self.come(visit, stays=_UNTIL_DECIDED)
                seen.append((visit.what, await self._decides(visit, since_ms)))
                if visit.act:
                    await asyncio.to_thread(control.stage, self._layout.simulators, GATE, "nobody")
            except (ControlError, httpx.HTTPError) as error:
                self._tell(f"the gate: {error}")
                seen.append((visit.what, False))
            await asyncio.sleep(_AFTER_OPENING_S if visit.answer == "open" else _AFTER_REFUSAL_S)
        return seen

    async def _decides(self, visit: Visit, since_ms: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DECIDED_WITHIN_S
        while loop.time() < deadline:
            found = await asyncio.to_thread(self.decided, since_ms)
            if any(one.way == visit.way and one.answer == visit.answer for one in found):
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def decided(self, since_ms: float) -> list[Decided]:
        """Give all decisions since a time; blocking."""
        if self.device_id is None:
            return []
        return list(_decisions(self._layout.telemetry, self.device_id, since_ms))

    async def order_for_guard(self, api: Api) -> dict[str, Any] | None:
        """Wait for a work order of the gate that is in somebody's hands; None when there is none in time.

        It may be that of an earlier call, which nobody has closed: a new call opens no second one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DECIDED_WITHIN_S
        while loop.time() < deadline:
            for order in (await api.get("/work-orders", state="all", limit=500))["items"]:
                if order["device_id"] == self.device_id and order["state"] in _IN_HAND and order["assignee_id"]:
                    return dict(order)
            await asyncio.sleep(_LOOK_S)
        return None

    async def keep_coming(self) -> None:
        """Have people come for as long as the demonstration runs: first one of each kind, then now and then."""
        for visit in programme(self.stack):
            await self._come_or_say(visit)
            await asyncio.sleep(_FIRST_PAUSE_S)
        later = _LATER if self.stack.sight.simulated else BY_CARD[:1]
        number = 0
        while True:
            await asyncio.sleep(_PAUSE_S)
            await self._come_or_say(later[number % len(later)])
            number += 1

    async def _come_or_say(self, visit: Visit) -> None:
        try:
            await self.come(visit)
        except (ControlError, httpx.HTTPError) as error:
            self._tell(f"the gate: {error}")


def _decisions(telemetry: Path, device_id: int, since_ms: float) -> Iterator[Decided]:
    with closing(sqlite3.connect(f"file:{telemetry}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute(
            "SELECT at_ms, value FROM sample JOIN series ON series.id = series_id "
            "WHERE device_id = ? AND point = 'decision' AND at_ms >= ? ORDER BY at_ms",
            (device_id, since_ms),
        ).fetchall()
    for at_ms, value in rows:
        told: Mapping[str, Any] = json.loads(value)
        yield Decided(at_ms=at_ms, answer=str(told["answer"]), way=str(told["way"]), took_ms=float(told["took_ms"]))


def figures(decided: Sequence[Decided]) -> dict[str, Any]:
    """Give how many decisions there were, and how long half of those by face took at most."""
    answers = Counter(one.answer for one in decided)
    by_face = [one.took_ms for one in decided if one.way == "face"]
    return {
        "decisions": len(decided),
        "opened": answers["open"],
        "refused": answers["refuse"],
        "staff": answers["staff"],
        "p50_ms": round(percentile(by_face, 0.5), 1) if by_face else None,
        "meaning": "p50 of those by face: from the pictures to the answer, or to the read-back of the door",
    }


async def gate_device(api: Api, *, within_s: float) -> int | None:
    """Wait until the gate is online and may be asked; gives its id at the service, or None when it does not come."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while loop.time() < deadline:
        for device in (await api.get("/devices", kind="gate"))["items"]:
            if device["name"] == GATE_DEVICE and device["online"] and device["newest_ms"]:
                return int(device["id"])
        await asyncio.sleep(_LOOK_S)
    return None
