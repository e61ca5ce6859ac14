"""Gates of one community share their faces over the local network: who listens, who calls, and what they say."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from edge.gate.people.api import PeopleError
from edge.gate.people.channel import Away, Channel, NotOurs, hang_up, shake_hands
from edge.gate.people.exchange import SHARED, Inventory, Taken, erase_with, inventory, shared, summary, take, wanted
from edge.gate.people.keys import KeyRing
from edge.gate.people.people import People
from runtime.logs import get_log

_AT_ONCE = 8
_IDS_A_FRAME = 4000
_FACES_A_FRAME = 100
_MOST_ITEMS = 500_000

_log = get_log("edge.gate.sharing")


@dataclass(kw_only=True, slots=True)
class Peer:
    """Another gate, as `host:port`, and how it went last."""

    address: str
    synced_ms: int | None = None
    problem: str = ""
    taken: Taken = field(default_factory=Taken)


class Sharing:
    """Shares the faces of `people`. `run` listens (where `listen` says so) and calls the others, until it is cancelled.

    It calls at once when something has changed here, so that an erasure reaches whoever is there, and every
    `every_s` seconds for whoever was not.
    """

    def __init__(
        self,
        people: People,
        ring: KeyRing,
        *,
        peers: Sequence[str] = (),
        listen: str | None = None,
        every_s: float = 30.0,
    ) -> None:
        self._people, self._ring, self._every_s = people, ring, every_s
        self._listen = listen
        self.peers = tuple(Peer(address=one) for one in peers)
        self.port = 0
        """Where it listens, once it does."""
        self._open = 0
        self._news = asyncio.Event()
        self._ready = asyncio.Event()

    async def ready(self) -> None:
        """Wait until it listens."""
        await self._ready.wait()

    async def run(self) -> None:
        """Share until cancelled; OSError when the address to listen at cannot be had."""
        loop = asyncio.get_running_loop()
        stop = self._people.on_change(lambda: loop.call_soon_threadsafe(self._news.set))
        try:
            async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
                if self._listen is not None:
                    host, port = split_address(self._listen)

                    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                        answer = self._answer(reader, writer)
                        try:
                            task = group.create_task(answer, name="answer about faces")
                        except RuntimeError:  # sharing has just ended
                            answer.close()
                            writer.close()
                        else:
                            task.add_done_callback(lambda _: writer.close())  # also where it never began

                    server = await asyncio.start_server(accept, host, port, limit=1 << 16)
                    await stack.enter_async_context(server)
                    self.port = int(server.sockets[0].getsockname()[1])
                self._ready.set()
                await self._call_all()
        finally:
            stop()

    async def _call_all(self) -> None:
        while True:
            self._news.clear()
            async with asyncio.TaskGroup() as group:
                for peer in self.peers:
                    group.create_task(self._call(peer), name=f"share with {peer.address}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()

    async def _call(self, peer: Peer) -> None:
        try:
            peer.taken = await self.sync(peer.address)
        except PeopleError as error:
            if peer.problem != str(error):
                _log.warning("faces are not shared", peer=peer.address, why=str(error))
            peer.problem = str(error)
            return
        peer.problem, peer.synced_ms = "", self._people.now_ms()

    async def sync(self, address: str) -> Taken:
        """Agree with one gate now. Away, NotOurs, StoreFull."""
        host, port = split_address(address)
        try:
            async with asyncio.timeout(5.0):
                reader, writer = await asyncio.open_connection(host, port, limit=1 << 16)
        except (OSError, TimeoutError) as error:
            raise Away(f"{address} does not answer: {str(error) or 'no answer in time'}") from error
        try:
            channel = await shake_hands(reader, writer, self._ring, side="client")
            return await self._talk(channel, first=True)
        finally:
            await hang_up(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _AT_ONCE:
            await hang_up(writer)
            return
        self._open += 1
        try:
            channel = await shake_hands(reader, writer, self._ring, side="server")
            await self._talk(channel, first=False)
        except PeopleError as error:
            _log.warning("a call about faces failed", why=str(error))
        finally:
            self._open -= 1
            await hang_up(writer)

    async def _talk(self, channel: Channel, *, first: bool) -> Taken:
        """Tell each other what each has; erase, then take over. Both sides do the same, `first` speaks first."""
        mine = await asyncio.to_thread(summary, self._people)
        hello = {"summary": mine, "demo": self._people.demo}
        said = await self._both(channel, first=first, mine=[hello])
        if len(said) != 1 or not isinstance(said[0], dict) or said[0].get("demo") != self._people.demo:
            raise NotOurs("a demonstration and a real gate do not share")
        if said[0].get("summary") == mine:
            return Taken()
        here = await asyncio.to_thread(inventory, self._people)
        there = _read_inventory(await self._both(channel, first=first, mine=_inventory_frames(here)))
        gone = await asyncio.to_thread(erase_with, self._people, there)
        wants = await asyncio.to_thread(wanted, self._people, there)
        asked = _texts(await self._both(channel, first=first, mine=_chunks(wants, _IDS_A_FRAME)))
        added = refused = 0
        for sends in (first, not first):
            if sends:
                for part in _chunks(asked, _FACES_A_FRAME):
                    faces = await asyncio.to_thread(shared, self._people, part)
                    await channel.send(SHARED.dump_json(faces))
                await channel.send(b"end")
                continue
            while (frame := await channel.receive()) != b"end":
                try:
                    faces = SHARED.validate_json(frame)
                except ValidationError as error:
                    raise NotOurs("the other gate tells what is no face") from error
                taken = await asyncio.to_thread(take, self._people, faces)
                added, refused = added + taken.added, refused + taken.refused
        return Taken(added=added, erased=gone.erased, refused=refused)

    async def _both(self, channel: Channel, *, first: bool, mine: Iterable[object]) -> list[object]:
        """Send a list, frame by frame, and receive the other side's."""
        said: list[object] = []
        for sends in (first, not first):
            if sends:
                for one in mine:
                    await channel.send(json.dumps(one).encode())
                await channel.send(b"end")
                continue
            while (frame := await channel.receive()) != b"end":
                try:
                    said.append(json.loads(frame))
                except ValueError as error:
                    raise NotOurs("a frame that is no text of ours") from error
                if len(said) > _MOST_ITEMS:
                    raise NotOurs("the other gate does not come to an end")
        return said


def split_address(address: str) -> tuple[str, int]:
    """Read `host:port`; ValueError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise ValueError(f"{address!r} is no host:port")
    return host.strip("[]"), int(port)


def _inventory_frames(one: Inventory) -> Iterator[dict[str, dict[str, object]]]:
    parts: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("faces", one.faces), ("tombstones", one.tombstones), ("erasures", one.erasures)
    )  # fmt: skip
    for name, items in parts:
        keys = sorted(items)
        for part in _chunks(keys, _IDS_A_FRAME):
            yield {name: {key: items[key] for key in part}}


def _read_inventory(frames: Sequence[object]) -> Inventory:
    faces: dict[str, str] = {}
    times: dict[str, dict[str, int]] = {"tombstones": {}, "erasures": {}}
    for frame in frames:
        for name, items in (frame if isinstance(frame, dict) else {"": None}).items():
            if not isinstance(items, dict) or name not in {"faces", *times}:
                raise NotOurs("an inventory that is none")
            for key, value in items.items():
                if name == "faces" and isinstance(value, str):
                    faces[key] = value
                elif name in times and isinstance(value, int):
                    times[name][key] = value
                else:
                    raise NotOurs("an inventory that is none")
    return Inventory(faces=faces, tombstones=times["tombstones"], erasures=times["erasures"])


def _texts(frames: Sequence[object]) -> list[str]:
    found = [one for frame in frames if isinstance(frame, list) for one in frame if isinstance(one, str)]
    if len(found) > _MOST_ITEMS:
        raise NotOurs("the other gate asks for more than there is")
    return found


def _chunks(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
