"""What notify does: keeps notices in the transaction that caused them, and delivers them afterwards, at least once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.notify import repository
from cloud.notify.domain import Channel, Kind, Notice, retry_delay_ms
from cloud.notify.rendering import render
from cloud.platform.clock import Clock
from cloud.platform.database import reading, transaction
from runtime.messages import Language, Messages, load_messages

_BATCH = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What one attempt achieved: which services have the notice now, and why others have not (never with secrets)."""

    reached: frozenset[str]
    error: str = ""


class Sender(Protocol):
    """A way out of the house."""

    @property
    def configured(self) -> bool:
        """Whether there is anywhere to send to."""
        ...

    async def send(self, notice: Notice, *, already: frozenset[str]) -> Attempt:
        """Send to every service that has not got it `already`; never raises for a service that fails."""
        ...


@cache
def messages() -> Messages:
    """Give the texts of notices, read once."""
    return load_messages(Path(__file__).with_name("messages.toml"))


async def enqueue(
    conn: AsyncConnection,
    *,
    key: str,
    kind: Kind,
    account_id: int | None,
    community_id: int | None,
    body: Mapping[str, Any],
    now_ms: int,
) -> None:
    """Put a notice into the outbox, in the caller's transaction; the same `key` again changes nothing.

    `account_id` None is for everybody who watches. `body` is what `cloud.notify.rendering.render` takes.
    """
    await repository.add(
        conn, key=key, kind=kind.value, account_id=account_id, community_id=community_id, body=body, now_ms=now_ms
    )


async def deliver_due(engine: AsyncEngine, sender: Sender, *, clock: Clock) -> int:
    """Deliver what is due; how many notices were settled. No transaction is open while a service is waited for.

    Without any service configured, notices are settled as in-app only.
    """
    async with reading(engine) as conn:
        waiting = await repository.due(conn, now_ms=clock(), limit=_BATCH)
    settled = 0
    for notice in waiting:
        if not sender.configured:
            async with transaction(engine) as conn:
                await repository.delivered(conn, notice.id, channel=Channel.IN_APP, attempts=0, now_ms=clock())
            settled += 1
            continue
        attempt = await _attempt(sender, notice)
        attempts = notice.attempts + 1
        async with transaction(engine) as conn:
            if attempt.error:
                due_ms = clock() + retry_delay_ms(attempts)
                await repository.failed(
                    conn, notice.id, reached=attempt.reached, attempts=attempts, error=attempt.error, due_ms=due_ms
                )
            else:
                await repository.delivered(conn, notice.id, channel=Channel.APPRISE, attempts=attempts, now_ms=clock())
                settled += 1
    return settled


async def _attempt(sender: Sender, notice: repository.Due) -> Attempt:
    languages = (Language(notice.language),) if notice.language else (Language.ZH, Language.EN)
    try:
        rendered = render(messages(), kind=notice.kind, key=notice.key, body=notice.body, languages=languages)
    except (KeyError, ValueError) as error:  # what an older or newer version put there must not block the others
        return Attempt(reached=notice.reached, error=f"cannot be written: {error!r}")
    return await sender.send(rendered, already=notice.reached)
