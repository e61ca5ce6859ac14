"""One simulated reader: what it answers, secured or not, and what is wrong with it. Pure but for the witness."""

from collections.abc import Callable, Mapping
from random import Random

from drivers.api import Value
from drivers.places.osdp import OsdpPoint
from drivers.profile import Profile
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Disturbances, Kind
from simulators.machines import card_reader
from simulators.machines.card_reader import CardReaderMachine
from simulators.osdp import frames
from simulators.osdp.frames import Heard
from simulators.osdp.secure import EVERYBODYS_KEY, ReaderSession, Unproven
from simulators.transmitter import Reply
from simulators.witness import Witness

_PATIENCE_S = 8.0
"""A reader that hears nothing for so long ends its session, as the standard demands."""
_VENDOR = bytes.fromhex("006E8A")
_IN_THE_CLEAR = frozenset({frames.ID, frames.CAP, frames.CHLNG, frames.SCRYPT})
_WITH_DATA = 0x17
_TEXT_HEADER = 6
_COLOURS = ("off", "red", "green", "amber", "blue", "magenta", "cyan", "white")
Answer = tuple[int, bytes]


class ReaderStation:
    """A reader with its address and its key. `key` is what it has; it changes by KEYSET."""

    def __init__(
        self,
        *,
        name: str,
        unit: int,
        key: bytes,
        profile: Profile,
        machine: CardReaderMachine,
        witness: Witness,
        random: Random,
        outputs: int = 1,
        display: bool = True,
    ) -> None:
        self.name = name
        self.unit = unit
        self.key = key
        self.profile = profile
        self.machine = machine
        self.disturbances = Disturbances()
        self._witness = witness
        self._random = random
        self._outputs = outputs
        self._display = display
        self._session: ReaderSession | None = None
        self._last: Heard | None = None
        self._reply = b""
        self._points: dict[str, Value | None] = {}
        self._silent_s = 0.0
        self._local = (False, False)
        self._old_card = b""
        self._signals: dict[str, list[str]] = {}
        for point, described in profile.points.items():
            self._signals.setdefault(described.at(OsdpPoint).signal, []).append(point)
        self._witness.changes(dict(machine.values()), start=True)

    @property
    def is_secure(self) -> bool:
        """Whether a session stands."""
        return self._session is not None and self._session.open

    def tick(self, dt_s: float) -> None:
        """Let time pass."""
        self.machine.step(dt_s, self._random)
        self._silent_s += dt_s
        if self._silent_s > _PATIENCE_S:
            self._forget()
        self._witness.flush()

    def values(self) -> Mapping[str, Value]:
        """Give what the machine shows now."""
        return self.machine.values()

    def hear(self, heard: Heard) -> Reply | None:
        """Give what goes out in answer to a command; None when it stays silent, as to another's."""
        if heard.address not in {self.unit, frames.ANYBODY}:
            return None
        struck = self.disturbances.draw(self._random)
        if not disturbing.hears(struck):
            return None
        if self.machine.starts_again():
            self._forget()
        self._silent_s = 0.0
        points: Mapping[str, Value | None] = {}
        if any(one.kind is Kind.BUSY for one in struck):
            reply = frames.sealed(frames.unsigned(self.unit, 0, frames.BUSY, b""))
        else:
            reply, points = self._respond(heard)
        sent = disturbing.transmit(struck, reply, self._random)

        def note() -> None:
            if points:
                self._witness.answer_points(points, mark=sent.mark)

        return Reply(parts=sent.parts, note=note)

    def _forget(self) -> None:
        self._session = None
        self._last = None
        self._reply = b""

    def _respond(self, heard: Heard) -> tuple[bytes, Mapping[str, Value | None]]:
        last = self._last
        if last is not None and heard.number and heard.whole == last.whole:
            return self._reply, self._points  # it was not understood: the same once more, and nothing happens twice
        if heard.number == 0:
            self._forget()
        elif last is None or heard.number != last.number % 3 + 1:
            return self._plain(heard, (frames.NAK, bytes([frames.BAD_SEQUENCE]))), {}
        self._last = heard
        self._points = {}
        self._reply = self._make(heard, self._points)
        return self._reply, self._points

    def _make(self, heard: Heard, points: dict[str, Value | None]) -> bytes:
        if card_reader.PLAIN_TEXT in self.machine.active():
            return self._plain(heard, self._careless(heard, points))
        if heard.code in {frames.CHLNG, frames.SCRYPT}:
            return self._handshake(heard)
        if not heard.block and heard.code in _IN_THE_CLEAR and not self.is_secure:
            return self._plain(heard, self._act(heard.code, heard.data, points))
        session, self._session = self._session, None
        if session is None or not heard.block:
            return self._plain(heard, (frames.NAK, bytes([frames.SECURITY_NEEDED])))
        try:
            data = session.opened(heard.signed, heard.mac, heard.data, encrypted=heard.block[0] == _WITH_DATA)
        except Unproven:
            return self._plain(heard, (frames.NAK, bytes([frames.SECURITY_NEEDED])))
        self._session = session
        return self._secured(heard, session, data, points)

    def _secured(self, heard: Heard, session: ReaderSession, data: bytes, points: dict[str, Value | None]) -> bytes:
        if heard.code == frames.POLL and card_reader.REPLAY in self.machine.active() and self._old_card:
            old = self._old_card[:-2]
            return frames.sealed(old[:4] + bytes([old[4] & ~3 | heard.number]) + old[5:])
        code, plain = self._act(heard.code, data, points)
        block = bytes([0x18 if plain else 0x16])
        hidden = session.hidden(plain) if plain else b""
        signed = frames.unsigned(self.unit, heard.number, code, hidden, block, mac=4)
        reply = frames.sealed(signed + session.signature(signed))
        if code == frames.RAW:
            self._old_card = reply
        if heard.code == frames.KEYSET and code == frames.ACK:
            self._session = None
        return reply

    def _plain(self, heard: Heard, answer: Answer) -> bytes:
        return frames.sealed(frames.unsigned(self.unit, heard.number, *answer))

    def _careless(self, heard: Heard, points: dict[str, Value | None]) -> Answer:
        """Answer as a reader without security, or one that somebody put in its place."""
        if self.machine.waiting and heard.code != frames.ID:
            return self._event(points)
        if heard.code in {frames.CHLNG, frames.SCRYPT} or heard.block:
            return frames.NAK, bytes([frames.NO_SECURE_CHANNEL])
        return self._act(heard.code, heard.data, points)

    def _handshake(self, heard: Heard) -> bytes:
        active = self.machine.active()
        has_default = card_reader.DEFAULT_KEY in active or self.key == EVERYBODYS_KEY
        key = EVERYBODYS_KEY if has_default else self.key
        if card_reader.WRONG_KEY in active:
            key = bytes(255 - byte for byte in self.key)
        wants_default = heard.block[1:2] == b"\x00"
        if heard.code == frames.CHLNG:
            own = self._random.randbytes(8)
            self._session = None
            if wants_default != has_default:
                return self._plain(heard, (frames.NAK, bytes([frames.SECURITY_NEEDED])))
            self._session = ReaderSession(key, panel_random=heard.data, own_random=own)
            name = _VENDOR + bytes([1, self.unit, 0, 0, 0])
            data = name + own + self._session.answer()
            block = bytes([0x12, 0 if has_default else 1])
            return frames.sealed(frames.unsigned(self.unit, heard.number, frames.CCRYPT, data, block))
        session, self._session = self._session, None
        try:
            first = session.accept(heard.data) if session is not None else b""
        except Unproven:
            first = b""
        if not first:
            return self._plain(heard, (frames.NAK, bytes([frames.SECURITY_NEEDED])))
        self._session = session
        return frames.sealed(frames.unsigned(self.unit, heard.number, frames.RMAC_I, first, b"\x14\x01"))

    def _act(self, code: int, data: bytes, points: dict[str, Value | None]) -> Answer:
        act = _ACTS.get(code)
        return act(self, data, points) if act is not None else (frames.NAK, bytes([frames.UNKNOWN]))

    def _on_poll(self, _data: bytes, points: dict[str, Value | None]) -> Answer:
        if self.machine.waiting:
            return self._event(points)
        if self._local != self._housing():
            return self._on_local(_data, points)
        return frames.ACK, b""

    def _event(self, points: dict[str, Value | None]) -> Answer:
        event = self.machine.waiting.popleft()
        if len(event) == 2:  # noqa: PLR2004 - keys, whose text is in no witness
            codes = event[1].encode().replace(b"#", b"\x0d").replace(b"*", b"\x7f")
            return frames.KEYPAD, bytes([0, len(codes)]) + codes
        _, bits, value = event
        size = (bits + 7) // 8
        points.update(dict.fromkeys(self._signals.get("card", ()), f"{bits}:{value:0{(bits + 3) // 4}X}"))
        return frames.RAW, bytes([0, 1, bits % 256, bits // 256]) + (value << (size * 8 - bits)).to_bytes(size, "big")

    def _housing(self) -> tuple[bool, bool]:
        active = self.machine.active()
        return card_reader.TAMPER in active, card_reader.POWER_FAILURE in active

    def _on_local(self, _data: bytes, points: dict[str, Value | None]) -> Answer:
        self._local = self._housing()
        for signal, value in zip(("tamper", "power_failure"), self._local, strict=True):
            points.update(dict.fromkeys(self._signals.get(signal, ()), value))
        return frames.LSTATR, bytes(self._local)

    def _on_id(self, _data: bytes, _points: dict[str, Value | None]) -> Answer:
        return frames.PDID, _VENDOR + bytes([1, 2]) + (0xC0FFEE00 + self.unit).to_bytes(4, "little") + bytes([10, 0, 3])

    def _on_cap(self, _data: bytes, _points: dict[str, Value | None]) -> Answer:
        told = [(2, 2, self._outputs), (3, 1, 0), (4, 4, 1), (5, 2, 1), (6, int(self._display), int(self._display))]
        told += [(8, 1, 0), (9, 1, int(self.key == EVERYBODYS_KEY)), (10, 0, 2), (16, 2, 0)]
        return frames.PDCAP, b"".join(map(bytes, told))

    def _on_outputs(self, _data: bytes, points: dict[str, Value | None]) -> Answer:
        states = [self.machine.is_on(number) for number in range(self._outputs)]
        for point in self._signals.get("output_on", ()):
            points[point] = states[self.profile.points[point].at(OsdpPoint).number]
        return frames.OSTATR, bytes(states)

    def _on_out(self, data: bytes, _points: dict[str, Value | None]) -> Answer:
        if len(data) != 4 or data[0] >= self._outputs or data[1] != 5:  # noqa: PLR2004 - only timed, as a door wants it
            return frames.NAK, bytes([frames.NOT_POSSIBLE])
        self._told("output", int.from_bytes(data[2:], "little") / 10)
        self.machine.switch(data[0], int.from_bytes(data[2:], "little") / 10)
        return frames.ACK, b""

    def _on_led(self, data: bytes, _points: dict[str, Value | None]) -> Answer:
        if len(data) != 14 or max(data[5:7] + data[12:14]) >= len(_COLOURS):  # noqa: PLR2004 - one record
            return frames.NAK, bytes([frames.BAD_LENGTH])
        timed = data[2] == 2  # noqa: PLR2004 - set temporary
        colour = _COLOURS[data[5] if timed else data[12]]
        lasts = f" for {int.from_bytes(data[7:9], 'little') / 10:g}s" if timed else ""
        self._told("led", colour + lasts, keep=True)
        return frames.ACK, b""

    def _on_buzzer(self, data: bytes, _points: dict[str, Value | None]) -> Answer:
        if len(data) != 5:  # noqa: PLR2004 - one record
            return frames.NAK, bytes([frames.BAD_LENGTH])
        self._told("buzzer", data[2] / 10, keep=True)
        return frames.ACK, b""

    def _on_text(self, data: bytes, _points: dict[str, Value | None]) -> Answer:
        if not self._display:
            return frames.NAK, bytes([frames.UNKNOWN])
        if len(data) < _TEXT_HEADER or data[5] != len(data) - _TEXT_HEADER:
            return frames.NAK, bytes([frames.BAD_LENGTH])
        self._told("text", data[6:].decode("ascii"), keep=True)
        return frames.ACK, b""

    def _on_keyset(self, data: bytes, _points: dict[str, Value | None]) -> Answer:
        if not self.is_secure or len(data) != 18 or data[:2] != b"\x01\x10":  # noqa: PLR2004 - type, length, key
            return frames.NAK, bytes([frames.NOT_POSSIBLE])
        self.key = data[2:]
        self.machine.clear(card_reader.DEFAULT_KEY)
        return frames.ACK, b""

    def _told(self, signal: str, value: Value, *, keep: bool = False) -> None:
        for point in self._signals.get(signal, ()):
            self._witness.write(point, value, taken=True)
        if keep:
            self.machine.told.append((signal, value))


_ACTS: Mapping[int, Callable[[ReaderStation, bytes, dict[str, Value | None]], Answer]] = {
    frames.POLL: ReaderStation._on_poll,  # noqa: SLF001 - its own table
    frames.ID: ReaderStation._on_id,  # noqa: SLF001 - likewise
    frames.CAP: ReaderStation._on_cap,  # noqa: SLF001 - likewise
    frames.LSTAT: ReaderStation._on_local,  # noqa: SLF001 - likewise
    frames.OSTAT: ReaderStation._on_outputs,  # noqa: SLF001 - likewise
    frames.OUT: ReaderStation._on_out,  # noqa: SLF001 - likewise
    frames.LED: ReaderStation._on_led,  # noqa: SLF001 - likewise
    frames.BUZ: ReaderStation._on_buzzer,  # noqa: SLF001 - likewise
    frames.TEXT: ReaderStation._on_text,  # noqa: SLF001 - likewise
    frames.KEYSET: ReaderStation._on_keyset,  # noqa: SLF001 - likewise
}
"""A command to what the reader does."""


class ReaderStations(Devices[ReaderStation]):
    """The readers of one line."""
