"""Gates of one community agree about faces over a real socket; nobody else reads, speaks, changes or repeats a word."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.gate.api import Reason
from edge.gate.people.channel import MAGIC, Away, NotOurs, hang_up, shake_hands
from edge.gate.people.keys import KeyRing, make_keys, new_key
from edge.gate.people.people import People
from edge.gate.people.sharing import Sharing, split_address
from tests.support.gate_people import MODEL, YEAR, Box, consent, faces, roll_of, somebody, template
from wire.roll import RollDelta


@asynccontextmanager
async def sharing(
    people: People, ring: KeyRing, *, peers: tuple[str, ...] = (), every_s: float = 60.0
) -> AsyncIterator[Sharing]:
    """Share in the background; the system chooses the port."""
    one = Sharing(people, ring, peers=peers, listen="127.0.0.1:0", every_s=every_s)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.run(), name="sharing under test")
        await one.ready()
        yield one
        task.cancel()


async def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in threads and sockets
            await asyncio.sleep(0.01)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return make_keys(tmp_path / "community.key")


@pytest.fixture
def north(tmp_path: Path) -> Box:
    return Box(tmp_path / "north", gate="edge-1/north")


@pytest.fixture
def south(tmp_path: Path, north: Box) -> Box:
    return Box(tmp_path / "south", gate="edge-2/south", clock=north.clock)


async def test_what_one_gate_enrols_the_other_knows(north: Box, south: Box, ring: KeyRing) -> None:
    one, known = north.with_faces(250, several=2)
    other = south.open()
    other.apply(roll_of(251))
    mine = faces(1, seed=55)[0]
    other.keep("p250", [template(mine)], consent=consent(), by="test")
    one.apply(roll_of(251, revision=2))
    async with sharing(one, ring) as server:
        client = Sharing(other, ring)
        taken = await client.sync(f"127.0.0.1:{server.port}")
        assert (taken.added, taken.erased, taken.refused) == (500, 0, 0)
        assert (await client.sync(f"127.0.0.1:{server.port}")).added == 0, "there is nothing more to tell"
    assert other.verify("p7", known[7], model=MODEL).person == "p7"
    assert one.verify("p250", mine, model=MODEL).person == "p250"
    with other.vault.read() as db:
        records = other.faces.of_person(db, "p7")
        assert {record.origin for record in records} == {"edge-1/north"}
        assert {text for _, text in other.faces.consents(db, "p7").values()} == {consent()}
    assert other.counts().faces == one.counts().faces == 501
    one.close()
    other.close()


async def test_an_erasure_reaches_the_others_at_once_and_the_face_never_comes_back(
    north: Box, south: Box, tmp_path: Path, ring: KeyRing
) -> None:
    one, known = north.with_faces(3)
    other = south.open()
    other.apply(roll_of(3))
    away = Box(tmp_path / "west", gate="edge-3/west", clock=north.clock).open()
    away.apply(roll_of(3))
    async with sharing(other, ring) as server:
        peers = (f"127.0.0.1:{server.port}",)
        await Sharing(away, ring).sync(peers[0])
        async with sharing(one, ring, peers=peers):
            await until(lambda: other.counts().faces == 3)
            await Sharing(away, ring).sync(peers[0])
            assert away.counts().faces == 3
            north.clock.now += 1000
            one.erase("p1", by="guard")
            await until(lambda: other.counts().faces == 2)
        assert other.verify("p1", known[1], model=MODEL).reason is Reason.UNKNOWN_FACE
        assert away.counts().faces == 3, "it was not there"
        taken = await Sharing(away, ring).sync(peers[0])
        assert (taken.added, taken.erased) == (0, 1)
    for people in (one, other, away):
        assert people.counts().faces == 2
        people.close()


async def test_an_erasure_holds_for_a_face_that_comes_later(north: Box, south: Box, ring: KeyRing) -> None:
    one, known = north.with_faces(1)
    other = south.open()
    other.apply(roll_of(1))
    north.clock.now += 1000
    other.erase("p0", by="guard")  # before it ever heard of the face
    async with sharing(one, ring) as server:
        await Sharing(other, ring).sync(f"127.0.0.1:{server.port}")
        assert one.counts().faces == other.counts().faces == 0
        north.clock.now += 1000
        one.keep("p0", [template(known[0])], consent=consent(), by="test")
        await Sharing(other, ring).sync(f"127.0.0.1:{server.port}")
    assert other.verify("p0", known[0], model=MODEL).person == "p0"
    one.close()
    other.close()


async def test_a_gate_takes_only_faces_of_people_on_its_own_roll(north: Box, south: Box, ring: KeyRing) -> None:
    one, _ = north.with_faces(3)
    other = south.open()
    other.apply(roll_of(0, people=(somebody(0), somebody(1, face=False))))
    async with sharing(one, ring) as server:
        address = f"127.0.0.1:{server.port}"
        assert (await Sharing(other, ring).sync(address)).added == 1
        other.apply(RollDelta(community="garden", base=1, revision=2, issued_ms=1, people=(somebody(2),)))
        assert (await Sharing(other, ring).sync(address)).added == 1
    assert [(person.id, count) for person, count in other.everyone()] == [("p0", 1), ("p1", 0), ("p2", 1)]
    one.close()
    other.close()


async def test_an_expired_face_is_not_taken(north: Box, south: Box, ring: KeyRing) -> None:
    one, _ = north.with_faces(1)
    other = south.open()
    other.apply(roll_of(1))
    north.clock.now += YEAR
    async with sharing(one, ring) as server:
        taken = await Sharing(other, ring).sync(f"127.0.0.1:{server.port}")
    assert (taken.added, taken.refused) == (0, 1)
    one.close()
    other.close()


async def test_another_communitys_gate_learns_nothing(north: Box, south: Box, tmp_path: Path, ring: KeyRing) -> None:
    one, _ = north.with_faces(2)
    other = south.open()
    other.apply(roll_of(2))
    same_name = KeyRing(current=new_key(lambda size: ring.current.id if size == 4 else bytes(size)))
    async with sharing(one, ring) as server:
        for wrong in (make_keys(tmp_path / "other.key"), same_name):
            with pytest.raises((NotOurs, Away)):
                await Sharing(other, wrong).sync(f"127.0.0.1:{server.port}")
    assert other.counts().faces == 0
    one.close()
    other.close()


async def test_a_demonstration_does_not_share_with_a_real_gate(north: Box, tmp_path: Path, ring: KeyRing) -> None:
    one, _ = north.with_faces(2)
    demo = Box(tmp_path / "demo", demo=True).open()
    demo.apply(roll_of(2))
    async with sharing(one, ring) as server:
        with pytest.raises(NotOurs, match="a demonstration"):
            await Sharing(demo, ring).sync(f"127.0.0.1:{server.port}")
    assert demo.counts().faces == 0
    one.close()
    demo.close()


@asynccontextmanager
async def wire_tap(
    port: int, change: Callable[[int, bytes], bytes] = lambda _, data: data
) -> AsyncIterator[tuple[int, list[bytes], list[bytes]]]:
    """Stand between two gates: keep what each says, and change what the client says, by its place in the stream."""
    to_server: list[bytes] = []
    to_client: list[bytes] = []

    async def pump(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        kept: list[bytes],
        changed: Callable[[int, bytes], bytes],
    ) -> None:
        place = 0
        try:
            while data := await reader.read(65536):
                kept.append(data)
                writer.write(changed(place, data))
                place += len(data)
        finally:
            await hang_up(writer)

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        calls: tuple[Awaitable[None], ...] = (
            pump(reader, back, to_server, change), pump(there, writer, to_client, lambda _, data: data)
        )  # fmt: skip
        await asyncio.gather(*calls, return_exceptions=True)

    async with await asyncio.start_server(pair, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], to_server, to_client


async def test_who_listens_reads_nothing_and_cannot_say_it_again(north: Box, south: Box, ring: KeyRing) -> None:
    one, known = north.with_faces(2)
    other = south.open()
    other.apply(roll_of(2))
    async with sharing(one, ring) as server, wire_tap(server.port) as (port, said, heard):
        await Sharing(other, ring).sync(f"127.0.0.1:{port}")
        everything = b"".join(said) + b"".join(heard)
        assert everything.startswith(MAGIC)
        for secret in (b"p0", b"summary", b"edge-1", known[0].tobytes()[:12], ring.current.secret):
            assert secret not in everything[100:]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(said))  # the recording, played again
        answer = await asyncio.wait_for(reader.read(), 10)
        assert len(answer) <= 82, "its own hello, and then it hangs up"
        await hang_up(writer)
    one.close()
    other.close()


@pytest.mark.parametrize("place", [20, 60, 100, 160])
async def test_one_changed_byte_ends_the_call(north: Box, south: Box, ring: KeyRing, place: int) -> None:
    one, _ = north.with_faces(2)
    other = south.open()
    other.apply(roll_of(2))

    def change(start: int, data: bytes) -> bytes:
        if not start <= place < start + len(data):
            return data
        spoilt = bytearray(data)
        spoilt[place - start] ^= 1
        return bytes(spoilt)

    async with sharing(one, ring) as server, wire_tap(server.port, change) as (port, _, _):
        with pytest.raises((NotOurs, Away)):
            await Sharing(other, ring).sync(f"127.0.0.1:{port}")
    assert other.counts().faces == 0
    one.close()
    other.close()


async def test_a_stranger_who_says_nothing_or_nonsense_is_hung_up_on(north: Box, ring: KeyRing) -> None:
    one, _ = north.with_faces(1)
    async with sharing(one, ring) as server:
        for noise in (b"", b"GET / HTTP/1.1\r\n\r\n" * 10, bytes(200)):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(noise)
            if not noise:
                writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 15) == b""
            await hang_up(writer)
    one.close()


async def test_the_server_proves_itself_too(ring: KeyRing, tmp_path: Path) -> None:
    """An impostor who lets the client prove itself, and echoes."""
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        await hang_up(writer)
        ended.set()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(NotOurs):
            await shake_hands(reader, writer, ring, side="client")
        await hang_up(writer)
        await asyncio.wait_for(ended.wait(), 10)


async def test_nobody_there_is_told_and_tried_again(north: Box, south: Box, ring: KeyRing) -> None:
    one, _ = north.with_faces(1)
    other = south.open()
    other.apply(roll_of(1))
    async with sharing(other, ring) as gone:
        pass
    address = f"127.0.0.1:{gone.port}"
    async with sharing(one, ring, peers=(address,), every_s=0.1) as client:
        await until(lambda: "does not answer" in client.peers[0].problem)
        back = Sharing(other, ring, listen=address)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(back.run(), name="back again")
            await until(lambda: client.peers[0].synced_ms is not None)
            task.cancel()
    assert client.peers[0].problem == ""
    assert other.counts().faces == 1
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("text", "found"), [("10.0.0.7:9301", ("10.0.0.7", 9301)), ("[fe80::1]:9301", ("fe80::1", 9301))]
)
def test_addresses(text: str, found: tuple[str, int]) -> None:
    assert split_address(text) == found


@pytest.mark.parametrize("text", ["10.0.0.7", "host:", ":1", "host:99999", "host:x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="no host:port"):
        split_address(text)
