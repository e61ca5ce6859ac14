"""Providers of health codes and of test or vaccination records: asked over HTTP, bounded in time, cached in memory.

What a provider answers is health data: it is held in memory as long as the policy says, and written nowhere.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import httpx
from pydantic import Field, ValidationError

from edge.gate.api import Check, CheckResult, Reason, Standing
from edge.gate.config import ProviderSettings
from runtime.config import Strict

_OK = 200
_MOST_BYTES = 64 * 1024
_MOST_KEPT = 20_000
_FAILURES: Mapping[Check, Reason] = {
    Check.HEALTH_CODE: Reason.HEALTH_CODE_NOT_GREEN,
    Check.RECORD: Reason.RECORD_MISSING,
}
_GOOD = frozenset({"green", "valid"})


class ProviderAnswer(Strict):
    """What a provider says of somebody. `until_ms`: Unix time up to which that holds; None: as long as it is cached."""

    status: Literal["green", "yellow", "red", "valid", "expired", "missing"]
    until_ms: int | None = Field(default=None, ge=0)


class Provider:
    """One provider. `monotonic` is in seconds, `clock_ms` Unix time; `client` is closed by whoever made it."""

    def __init__(
        self,
        check: Literal[Check.HEALTH_CODE, Check.RECORD],
        settings: ProviderSettings,
        *,
        token_file: Path | None,
        client: httpx.AsyncClient,
        monotonic: Callable[[], float],
        clock_ms: Callable[[], int],
    ) -> None:
        self._check: Check = check
        self._settings = settings
        self._token_file = token_file
        self._client = client
        self._monotonic = monotonic
        self._clock_ms = clock_ms
        self._known: dict[str, tuple[float, ProviderAnswer]] = {}
        self._asking: dict[str, asyncio.Task[ProviderAnswer]] = {}
        self.problem = ""
        """Why it did not answer last; empty while it does. Never with anybody's id."""

    async def ask(self, health_id: str | None) -> CheckResult:
        """Judge somebody; UNCHECKED when nobody knows them, or nothing can be known now."""
        if not health_id:
            return CheckResult.unchecked(self._check, Reason.NOT_ASKED)
        self._forget()
        known = self._known.get(health_id)
        if known is not None and self._age(known[0]) <= self._settings.cache.total_seconds() and self._holds(known[1]):
            return self._judge(known[1], how="cached")
        try:
            answer = await self._ask_once(health_id)
        except _Away as error:
            self.problem = str(error)
            if self._settings.offline == "last-known" and known is not None and self._holds(known[1]):
                return self._judge(known[1], how="last known")
            return CheckResult.unchecked(self._check, Reason.PROVIDER_AWAY)
        self.problem = ""
        return self._judge(answer, how="asked")

    async def _ask_once(self, health_id: str) -> ProviderAnswer:
        """Ask once for all who want to know of the same person now; a check that gives up ends nobody else's."""
        task = self._asking.get(health_id)
        if task is None:
            task = asyncio.create_task(self._request(health_id), name=f"provider:{self._check.value}")
            self._asking[health_id] = task
            task.add_done_callback(lambda _: self._asking.pop(health_id, None))
        return await asyncio.shield(task)

    async def _request(self, health_id: str) -> ProviderAnswer:
        try:
            headers = await asyncio.to_thread(self._headers)
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                said = await self._client.post(
                    self._settings.url,
                    json={"health_id": health_id, "kind": self._check.value},
                    headers=headers,
                )
        except TimeoutError as error:
            raise _Away(f"no answer within {self._settings.timeout.total_seconds():g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _Away(f"cannot be asked: {type(error).__name__}") from None  # a cause may know the request
        if said.status_code != _OK:
            raise _Away(f"it answers {said.status_code}")
        try:
            answer = ProviderAnswer.model_validate_json(said.content[:_MOST_BYTES])
        except ValidationError:
            raise _Away("its answer cannot be read") from None
        if len(self._known) >= _MOST_KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[health_id] = (self._monotonic(), answer)
        return answer

    def _headers(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        return {"Authorization": f"Bearer {self._token_file.read_text(encoding='utf-8').strip()}"}

    def _judge(self, answer: ProviderAnswer, *, how: str) -> CheckResult:
        good = answer.status in _GOOD and self._holds(answer)
        return CheckResult(
            check=self._check,
            standing=Standing.PASSED if good else Standing.FAILED,
            reason=Reason.OK if good else _FAILURES[self._check],
            figures={"how": how},
        )

    def _holds(self, answer: ProviderAnswer) -> bool:
        return answer.until_ms is None or self._clock_ms() < answer.until_ms

    def _age(self, at_s: float) -> float:
        return self._monotonic() - at_s

    def _forget(self) -> None:
        """Drop answers that nothing may use any more."""
        longest = max(self._settings.cache, self._settings.last_known_for).total_seconds()
        while self._known:
            oldest = next(iter(self._known))
            if self._age(self._known[oldest][0]) <= longest:
                return
            del self._known[oldest]


class _Away(Exception):
    """The provider gave no answer that could be used."""
