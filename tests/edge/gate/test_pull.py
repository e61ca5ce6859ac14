import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.gate.pull import PATH, Puller, PullFailed, PullSettings
from tests.support.gate_rolls import KEY, KEYS, NOW, OTHER, ROLL
from tests.support.gate_service import Asked, GateService, StoredRoll, gate_service
from wire.roll import Person, PersonKind, RollDelta
from wire.roll_codec import encode_delta, encode_roll
from wire.seal import PublicKeys

WANG = Person(id="r9", kind=PersonKind.RESIDENT, name="王芳")


def delta(**changed: object) -> RollDelta:
    base = RollDelta(
        community="sunshine-garden", base=7, revision=8, issued_ms=NOW + 1000, people=(WANG,), gone=("s1",)
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def nothing_new(revision: int = 7, issued_ms: int = NOW + 60_000) -> bytes:
    return encode_delta(
        RollDelta(community="sunshine-garden", base=revision, revision=revision, issued_ms=issued_ms), KEY
    )


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[GateService]:
    async with gate_service(tmp_path) as running:
        running.answer = says(encode_roll(ROLL, KEY))
        yield running


def says(body: bytes, status: int = 200) -> Callable[[Asked], tuple[int, bytes]]:
    return lambda _: (status, body)


@pytest.fixture
def people() -> StoredRoll:
    return StoredRoll()


def settings(service: GateService, **changed: object) -> PullSettings:
    base = PullSettings(
        url=service.url, community="sunshine-garden", token="secret-token", ca_file=service.ca_file, timeout_s=10
    )
    return replace(base, **changed)  # type: ignore[arg-type]


@pytest.fixture
async def puller(service: GateService, people: StoredRoll) -> AsyncIterator[Puller]:
    made = Puller(settings(service), keys=KEYS, people=people)
    yield made
    await made.close()


async def fails(puller: Puller, said: str) -> None:
    before = puller.state
    with pytest.raises(PullFailed, match=said):
        await puller.pull()
    assert puller.state.failures == before.failures + 1
    assert puller.state.revision == before.revision
    assert said in str(puller.state.trouble)


async def test_a_gate_gets_the_whole_roll_first_and_then_what_changed(
    service: GateService, puller: Puller, people: StoredRoll
) -> None:
    state = await puller.pull()
    assert (state.revision, state.confirmed_ms, state.trouble) == (7, NOW, None)
    assert set(people.people) == {"r1", "s1"}
    service.answer = says(encode_delta(delta(), KEY))
    await puller.pull()
    assert (people.revision, set(people.people)) == (8, {"r1", "r9"})
    assert [(one.path, one.since, one.authorization) for one in service.asked] == [
        (PATH, None, "Bearer secret-token"),
        (PATH, 7, "Bearer secret-token"),
    ]


async def test_nothing_new_costs_no_write_and_makes_the_list_fresh(
    service: GateService, puller: Puller, people: StoredRoll
) -> None:
    await puller.pull()
    assert puller.state.age_ms(NOW + 90_000) == 90_000
    service.answer = says(nothing_new())
    await puller.pull()
    assert people.applied == 1
    assert puller.state.age_ms(NOW + 90_000) == 30_000


async def test_an_older_answer_does_not_make_the_list_older(service: GateService, puller: Puller) -> None:
    await puller.pull()
    service.answer = says(nothing_new(issued_ms=NOW - 5000))
    assert (await puller.pull()).confirmed_ms == NOW


async def test_a_lower_revision_is_refused_and_told(service: GateService, puller: Puller, people: StoredRoll) -> None:
    await puller.pull()
    service.answer = says(encode_roll(replace(ROLL, revision=6, people=(), credentials=()), KEY))
    await fails(puller, "older than 7")
    assert set(people.people) == {"r1", "s1"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (encode_roll(ROLL, OTHER), "not signed by the service"),
        (encode_roll(ROLL, KEY)[:-1], "not signed by the service"),
        (b"\x09" + encode_roll(ROLL, KEY)[1:], "newer than this agent"),
        (b"<html>hotel wifi</html>", "no roll"),
        (b"", "no roll"),
        (b"\x01\x07garbage", "no roll"),
        (encode_roll(replace(ROLL, community="lake"), KEY), "roll of lake"),
    ],
    ids=["other key", "cut off", "of the future", "a page", "nothing", "garbage", "another community"],
)
async def test_what_is_not_the_service_s_roll_changes_nothing(
    service: GateService, puller: Puller, people: StoredRoll, body: bytes, said: str
) -> None:
    service.answer = says(body)
    await fails(puller, said)
    assert people.revision == 0


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "token"), (403, "token"), (404, "address"), (429, "too often"), (500, "later"), (302, "later")],
)
async def test_other_answers_say_what_to_do(service: GateService, puller: Puller, status: int, said: str) -> None:
    service.answer = says(encode_roll(ROLL, KEY), status)
    await fails(puller, said)


async def test_a_key_that_was_replaced_is_trusted_when_the_agent_is_told(
    service: GateService, puller: Puller, people: StoredRoll
) -> None:
    service.answer = says(encode_roll(ROLL, OTHER))
    await fails(puller, "not signed by the service")
    puller.trust(PublicKeys.of([KEY.public, OTHER.public]))
    assert (await puller.pull()).revision == 7


async def test_a_service_that_is_down_is_told_and_returns(
    service: GateService, people: StoredRoll, tmp_path: Path
) -> None:
    puller = Puller(settings(service, url="https://127.0.0.1:1"), keys=KEYS, people=people)
    await fails(puller, "cannot be reached")
    await puller.close()


async def test_a_certificate_of_somebody_else_is_refused(service: GateService, people: StoredRoll) -> None:
    puller = Puller(settings(service, ca_file=None), keys=KEYS, people=people)
    await fails(puller, "cannot be reached")
    assert service.asked == []
    await puller.close()


async def test_a_ca_file_that_is_missing_is_told(service: GateService, people: StoredRoll, tmp_path: Path) -> None:
    puller = Puller(settings(service, ca_file=tmp_path / "none.pem"), keys=KEYS, people=people)
    await fails(puller, "cannot be reached")


async def test_a_service_that_stalls_is_left(service: GateService, people: StoredRoll) -> None:
    service.stall = True
    puller = Puller(settings(service, timeout_s=0.2), keys=KEYS, people=people)
    await fails(puller, "within 0.2 s")
    service.stall = False
    await puller.pull()
    assert people.revision == 7
    await puller.close()


@pytest.mark.parametrize("url", ["http://linli.example", "ftp://127.0.0.1", "linli.example", ""])
def test_names_do_not_travel_in_plain_text(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        PullSettings(url=url, community="a", token="b")


async def test_changes_that_do_not_fit_are_asked_for_as_a_whole(
    service: GateService, puller: Puller, people: StoredRoll
) -> None:
    await puller.pull()
    service.answer = says(encode_delta(delta(base=6), KEY))
    await fails(puller, "lead on from")
    service.answer = says(encode_roll(replace(ROLL, revision=9), KEY))
    await puller.pull()
    assert [one.since for one in service.asked] == [None, 7, None]
    assert people.revision == 9


async def test_a_store_that_takes_nothing_is_told_and_gets_the_whole_roll(
    service: GateService, puller: Puller, people: StoredRoll
) -> None:
    await puller.pull()
    service.answer = says(encode_delta(delta(), KEY))
    people.fails = OSError("the disk is full")
    await fails(puller, "disk is full")
    people.fails = None
    service.answer = says(encode_roll(ROLL, KEY))  # of the very revision that it holds
    await puller.pull()
    assert service.asked[-1].since is None
    assert people.applied == 2


async def test_the_proof_of_freshness_outlives_a_restart(
    service: GateService, people: StoredRoll, tmp_path: Path
) -> None:
    proof = tmp_path / "state" / "proof"
    first = Puller(settings(service), keys=KEYS, people=people, proof_file=proof)
    await first.pull()
    assert not proof.exists()  # a roll has names in it
    service.answer = says(nothing_new())
    await first.pull()
    service.answer = says(nothing_new(issued_ms=NOW + 70_000))
    await first.pull()
    await first.close()
    again = Puller(settings(service), keys=KEYS, people=people, proof_file=proof)
    await again.recall()
    assert (again.state.revision, again.state.confirmed_ms) == (7, NOW + 60_000)  # written once in an hour
    for damaged in (b"", proof.read_bytes()[:-1], nothing_new(revision=8)):
        proof.write_bytes(damaged)
        other = Puller(settings(service), keys=KEYS, people=people, proof_file=proof)
        await other.recall()
        assert other.state.confirmed_ms == NOW


async def test_a_disk_that_takes_no_proof_stops_nothing(
    service: GateService, people: StoredRoll, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    puller = Puller(settings(service), keys=KEYS, people=people, proof_file=tmp_path / "file" / "proof")
    await puller.pull()
    service.answer = says(nothing_new())
    assert (await puller.pull()).failures == 0
    await puller.close()


async def test_it_comes_ever_more_rarely_while_it_fails(service: GateService, people: StoredRoll) -> None:
    waited: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 4:
            service.answer = says(encode_roll(ROLL, KEY))
        if len(waited) == 6:
            enough.set()
            await asyncio.Event().wait()

    service.answer = says(b"", 500)
    puller = Puller(settings(service), keys=KEYS, people=people, sleep=sleep)
    task = asyncio.create_task(puller.run())
    await asyncio.wait_for(enough.wait(), 30)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert waited == [20, 40, 80, 160, 10, 10]
    assert people.revision == 7


def test_gates_do_not_come_all_at_once(service: GateService, people: StoredRoll) -> None:
    waits = {Puller(settings(service), keys=KEYS, people=people, jitter=lambda: part).wait_s() for part in (0, 0.5, 1)}  # noqa: B023
    assert waits == {7.5, 10.0, 12.5}
