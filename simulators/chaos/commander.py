"""Commands devices through the REST API all the time, each with a value of its own, and judges how each ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from simulators.chaos.schedule import Order
from simulators.demo.api import Api
from simulators.witness import WrittenPoint

TIMEOUT_MS = 3000
TOKEN_LIFE_MS = 15_000
_ON_THE_WAY_MS = 3_000
LATE_AFTER_MS = TOKEN_LIFE_MS + TIMEOUT_MS + _ON_THE_WAY_MS
"""By the contract: its token lives so long, then the agent has the command's time; the rest is the slow line's."""
ENDINGS = frozenset({"done", "refused", "timed out", "unknown"})
_WRITES: Mapping[str, tuple[int, int]] = {"done": (1, 1), "refused": (0, 0), "timed out": (0, 1), "unknown": (0, 1)}
"""How often a device may have heard a command that ended so, at least and at most."""


@dataclass(kw_only=True)
class Commander:
    """Sends the orders. `asked` is when each was sent, by value; `not_taken` counts by the reason."""

    api: Api
    devices: Mapping[str, int]
    asked: dict[int, float] = field(default_factory=dict)
    taken: int = 0
    not_taken: Counter[str] = field(default_factory=Counter)

    async def send(self, order: Order) -> None:
        """Send one; an answer that is lost says nothing of whether it was taken."""
        self.asked[order.value] = time.time() * 1000
        body = {"name": "set_level", "value": order.value, "timeout_ms": TIMEOUT_MS}
        try:
            await self.api.post(f"/devices/{self.devices[order.device]}/commands", body)
        except httpx.HTTPStatusError as error:
            self.not_taken[_code(error.response)] += 1
        except httpx.HTTPError:
            self.not_taken["no answer"] += 1
        else:
            self.taken += 1

    async def ended(self, *, within_s: float) -> dict[str, list[dict[str, Any]]]:
        """Wait until every command has ended; gives those of each device."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while True:
            found = {name: await all_pages(self.api, f"/devices/{one}/commands") for name, one in self.devices.items()}
            if all(row["state"] in ENDINGS for rows in found.values() for row in rows) or loop.time() > deadline:
                return found
            await asyncio.sleep(0.5)


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)


async def all_pages(api: Api, path: str, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Read a list of the REST API to its end."""
    found: list[dict[str, Any]] = []
    cursor: Any = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = await api.get(path, limit=500, **query, **more)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def judge_commands(
    rows: Iterable[Mapping[str, Any]], writes: Sequence[WrittenPoint], asked: Mapping[int, float]
) -> tuple[list[str], list[str]]:
    """Compare the commands of one device with what it heard; gives (wrong outcomes, late ones) in words. Pure."""
    wrong: list[str] = []
    late: list[str] = []
    heard: dict[int, list[float]] = {}
    for one in writes:
        heard.setdefault(int(one.value), []).append(one.at_ms)
    known = {int(row["value"]): row for row in rows}
    for value, row in known.items():
        times = heard.get(value, [])
        if row["state"] not in _WRITES:
            wrong.append(f"{row['device']}: command {value} never ended, it is {row['state']!r}")
            continue
        least, most = _WRITES[row["state"]]
        if not least <= len(times) <= most:
            wrong.append(
                f"{row['device']}: command {value} is {row['state']!r} ({row['detail']}), heard {len(times)} times"
            )
    for value, times in heard.items():
        if value not in known:
            wrong.append(f"value {value} was written, and the service knows no such command")
        took = max(times) - asked.get(value, max(times))
        if took > LATE_AFTER_MS:
            late.append(f"command {value} was executed {took / 1000:.1f} s after it was given: {known.get(value)}")
    return wrong, late
