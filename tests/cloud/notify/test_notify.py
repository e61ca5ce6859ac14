from typing import Any

import pytest

from cloud.notify import service
from cloud.notify.domain import LONGEST_DELAY_MS, Kind, retry_delay_ms
from cloud.notify.rendering import render
from cloud.notify.sender import AppriseSender
from cloud.platform.database import transaction
from cloud.platform.schema import notify
from runtime.config import ConfigError
from runtime.messages import Language
from tests.support.cloud_world import NOW, World

# Apprise loads all of its plug-ins, and one of them imports a module that a later Python drops.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

BODY = {
    "time_zone": "Asia/Shanghai",
    "at_ms": NOW,
    "number": "WO-20261122-0001",
    "place": "Tower 1 / Roof",
    "device": {"zh": "一号梯", "en": "Lift 1"},
    "title": {"zh": "困人", "en": "Passenger trapped"},
    "cause": {"zh": "停在层间", "en": "Stopped between floors"},
    "response": {"zh": "立即救援", "en": "Rescue at once"},
}


async def enqueue(world: World, key: str = "k-1", account_id: int | None = None, **body: Any) -> None:
    async with transaction(world.engine) as conn:
        await service.enqueue(
            conn,
            key=key,
            kind=Kind.ORDER_ASSIGNED,
            account_id=account_id,
            community_id=1,
            body={**BODY, **body},
            now_ms=world.clock(),
        )


async def deliver(world: World, *urls: str) -> int:
    return await service.deliver_due(world.engine, AppriseSender(urls), clock=world.clock)


async def outbox(world: World) -> dict[str, Any]:
    (row,) = await world.rows(notify.outbox)
    return row


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", Language)
def test_every_notice_says_where_why_and_what_to_do(kind: Kind, language: Language) -> None:
    notice = render(service.messages(), kind=kind.value, key="k-1", body=BODY, languages=(language,))
    for name in ("cause", "response", "device"):
        assert BODY[name][language.value] in notice.text  # type: ignore[index]
    assert "Tower 1 / Roof" in notice.text
    assert "2026-11-22 12:00:00" in notice.text
    assert notice.text.endswith("[k-1]")
    if kind.value.startswith("order"):
        assert "WO-20261122-0001" in notice.title


def test_the_pauses_grow_up_to_an_hour() -> None:
    assert [retry_delay_ms(n) for n in (1, 2, 3)] == [5_000, 10_000, 20_000]
    assert retry_delay_ms(500) == LONGEST_DELAY_MS


async def test_a_notice_reaches_a_service_in_its_account_s_language(world: World, receiver: Any) -> None:
    await enqueue(world, account_id=2)
    assert await deliver(world, receiver.url) == 1
    (message,) = receiver.got
    assert message["title"].startswith("新工单 WO-20261122-0001")
    assert "[k-1]" in message["message"]
    row = await outbox(world)
    assert (row["channel"], row["attempts"], row["delivered_ms"]) == ("apprise", 1, NOW)
    assert await deliver(world, receiver.url) == 0


async def test_a_notice_for_everybody_is_in_both_languages(world: World, receiver: Any) -> None:
    await enqueue(world)
    await deliver(world, receiver.url)
    assert "立即救援" in receiver.got[0]["message"]
    assert "Rescue at once" in receiver.got[0]["message"]


async def test_the_same_key_is_told_once(world: World, receiver: Any) -> None:
    await enqueue(world)
    await enqueue(world)
    await deliver(world, receiver.url)
    assert len(receiver.got) == 1


async def test_a_failure_is_counted_tried_again_later_and_keeps_no_secret(world: World, receiver: Any) -> None:
    receiver.status = 500
    await enqueue(world)
    assert await deliver(world, receiver.url) == 0
    row = await outbox(world)
    assert (row["attempts"], row["delivered_ms"], row["due_ms"]) == (1, None, NOW + 5_000)
    assert row["last_error"]
    assert "hidden-word" not in row["last_error"]
    assert await deliver(world, receiver.url) == 0
    assert len(receiver.got) == 1  # not yet due
    receiver.status = 200
    world.clock.now_ms += 5_000
    assert await deliver(world, receiver.url) == 1
    assert ((await outbox(world))["attempts"], (await outbox(world))["last_error"]) == (2, "")


async def test_a_service_that_has_it_does_not_get_it_again_because_another_failed(
    world: World, receiver: Any, other_receiver: Any
) -> None:
    other_receiver.status = 500
    await enqueue(world)
    await deliver(world, receiver.url, other_receiver.url)
    other_receiver.status = 200
    world.clock.now_ms += 5_000
    assert await deliver(world, receiver.url, other_receiver.url) == 1
    assert (len(receiver.got), len(other_receiver.got)) == (1, 2)


async def test_without_a_service_a_notice_is_in_app_only_and_says_so(world: World) -> None:
    await enqueue(world)
    assert await deliver(world) == 1
    row = await outbox(world)
    assert (row["channel"], row["attempts"]) == ("in-app", 0)


async def test_a_notice_that_cannot_be_written_holds_up_no_other(world: World, receiver: Any) -> None:
    await enqueue(world, key="bad", time_zone="Nowhere/Land")
    await enqueue(world, key="good")
    assert await deliver(world, receiver.url) == 1
    failed = [row["key"] for row in await world.rows(notify.outbox) if row["last_error"]]
    assert failed == ["bad"]


def test_a_url_that_is_no_service_is_refused_without_telling_it() -> None:
    with pytest.raises(ConfigError) as caught:
        AppriseSender(("json://127.0.0.1", "nonsense://top-secret@host"))
    assert "URL 2" in str(caught.value)
    assert "top-secret" not in str(caught.value)
