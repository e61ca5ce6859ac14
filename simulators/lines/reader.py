"""Lines of QR and card readers. Their framing is written here once more, and on purpose not the driver's."""

from functools import reduce
from operator import xor
from random import Random
from typing import ClassVar, Literal

from drivers.api import Value
from drivers.places.reader import ReaderDefaults, ReaderPoint
from simulators import disturbances as disturbing
from simulators.devices import Devices
from simulators.disturbances import Disturbance, Kind, Mark, Part, Transmission
from simulators.lines.base import LineContext
from simulators.lines.speaking import SpeakingLine, SpeakingStation, serve
from simulators.machines.reader import ReaderMachine, number_of
from simulators.transmitter import Reply

_VERSION = 0x4B  # the first byte of a tag, which is not printed
_AFTERGLOW_S = 0.003
_NOISE = b"\x00\x01\x7f"  # what no text of any character set has
_MOST_NOISE = 4


class ReaderLine(SpeakingLine):
    """A reader."""

    speaks: ClassVar[str] = "reader"
    bus: ClassVar[str] = "reader"

    protocol: Literal["reader"]


class ReaderStation(SpeakingStation[ReaderMachine]):
    """A reader: it says what is presented to it."""

    def tick(self, dt_s: float) -> None:
        """Let time pass, and say what is read."""
        self.machine.step(dt_s, self._random)
        for presented in self.machine.take():
            self._speak(presented)
        self._witness.flush()

    def hear(self, data: bytes) -> None:
        """Pass over what a master sends: this reader takes no commands."""

    def _speak(self, presented: str) -> None:
        struck = self.disturbances.draw(self._random)
        if not disturbing.hears(struck):
            return
        how = self.profile.reader
        sent = on_its_way(struck, presented, how, self._random)
        points = {
            name: value
            for name, point in self.profile.points.items()
            if (value := shown(point.at(ReaderPoint), presented, how)) is not None
        }
        self.say(Reply(parts=sent.parts, note=lambda: self._witness.answer_points(points, mark=sent.mark)))


def shown(place: ReaderPoint, presented: str, how: ReaderDefaults) -> Value | None:
    """Say what a point should show of what is presented; None where it shows nothing, and for counters."""
    number = None if how.content == "text" else number_of(presented)
    if place.field == "text":
        return presented if number is None else _body(presented, how, checked=False).decode("latin-1")
    if number is None or place.field in {"count", "malformed"}:
        return None
    if how.printed == "W34" and _few_bits(how):
        return None
    code, low = number // 65536, number % 65536
    if how.printed == "W26":
        code %= 256
    if place.field == "facility":
        return code
    return f"{code:03d},{low:05d}" if how.printed == "W26" else f"{number:010d}"


def reader_frame(presented: str, how: ReaderDefaults) -> bytes:
    """Give the bytes that a reader of this type sends for a text, or a card by its printed number."""
    body = how.prefix.encode(how.charset) + _body(presented, how, checked=True)
    if how.framing == "line":
        return body + b"\r\n"
    if how.framing == "pause":
        return body
    frame = b"\x02" + body + b"\x03"
    behind = {"lrc": bytes([reduce(xor, frame)]), "bcc": bytes([reduce(xor, frame[1:])])}
    return frame + behind.get(how.check, b"")


def on_its_way(struck: tuple[Disturbance, ...], presented: str, how: ReaderDefaults, random: Random) -> Transmission:
    """Say what becomes of a read on its way."""
    kinds = {one.kind for one in struck}
    frame = good = reader_frame(presented, how)
    if Kind.WRONG_CRC in kinds:
        frame = _spoilt(frame, how, random)
    if Kind.TRUNCATED in kinds:  # before its end could be taken for one
        frame = frame[: random.randrange(1, max(2, len(frame) - _end_bytes(how)))]
    delay = sum(one.delay_s for one in struck)
    parts = [Part(after_s=delay, data=frame)]
    for one in struck:
        if one.kind is Kind.NOISE and one.side != "after":
            parts[0] = Part(after_s=delay, data=_noise(random) + frame)
        if one.kind is Kind.NOISE and one.side != "before":
            parts.append(Part(after_s=delay + _AFTERGLOW_S, data=_noise(random), is_answer=False))
    if frame != good:
        return Transmission(parts=tuple(parts), mark=Mark.BROKEN)
    return Transmission(parts=tuple(parts), mark=Mark.DOUBTFUL if kinds & {Kind.LATE, Kind.NOISE} else Mark.NONE)


def _body(presented: str, how: ReaderDefaults, *, checked: bool) -> bytes:
    if how.content == "wiegand-raw":
        body = int(_bits(presented, how), 2).to_bytes(-(-(how.bits or 0) // 8), "big")
        body = body if checked else body.hex().upper().encode()
    else:
        body = _written(presented, how).encode(how.charset)
    if not checked:
        return body
    if how.check == "xor":
        return body + bytes([reduce(xor, body)])
    if how.check in {"em4100", "sum"}:
        pairs = [int(body[at : at + 2], 16) for at in range(0, len(body), 2)]
        return body + f"{(sum(pairs) if how.check == 'sum' else reduce(xor, pairs)) % 256:02X}".encode()
    return body


def _written(presented: str, how: ReaderDefaults) -> str:
    number = number_of(presented)
    if how.content == "text" or number is None:
        return presented
    bits = _bits(presented, how)
    padded = bits + "0" * (-len(bits) % 8)
    short = how.bits == 24  # noqa: PLR2004 - facility and number
    return {
        "em4100": f"{_VERSION:02X}{number:08X}",
        "wiegand-decimal": f"{number // 65536 % 256:03d}{number % 65536:05d}" if short else f"{number:010d}",
        "wiegand-bits": bits,
        "wiegand-hex": f"{int(bits, 2):0{-(-len(bits) // 4)}X}",
        "wiegand-counted": f"{len(bits):02X}{int(padded, 2):0{len(padded) // 4}X}",
    }[how.content]


def _bits(presented: str, how: ReaderDefaults) -> str:
    """Write a number in bits, with its parity bits where it has them."""
    total = how.bits or (26 if how.printed == "W26" else 34)
    width = 24 if total <= 26 else 32  # noqa: PLR2004 - Wiegand's two sizes
    data = f"{(number_of(presented) or 0) % 2**width:0{width}b}"
    if total == width:
        return data
    upper, lower = data[: width // 2], data[width // 2 :]
    return f"{upper.count('1') % 2}{data}{1 - lower.count('1') % 2}"


def _few_bits(how: ReaderDefaults) -> bool:
    return how.content.startswith("wiegand") and how.bits in {24, 26}


def _end_bytes(how: ReaderDefaults) -> int:
    return {"line": 2, "pause": 1}.get(how.framing, 2 if how.check in {"lrc", "bcc"} else 1)


def _spoilt(frame: bytes, how: ReaderDefaults, random: Random) -> bytes:
    """Give a frame with a wrong check; without a check, one with a byte in it that is no text."""
    at = {"xor": len(frame) - 1, "lrc": len(frame) - 1, "bcc": len(frame) - 1}.get(how.check)
    if at is not None:
        return frame[:at] + bytes([frame[at] ^ random.randrange(1, 256)])
    if how.check == "none":
        at = random.randrange(int(how.framing == "stx-etx"), len(frame) - _end_bytes(how))
        return frame[:at] + b"\x00" + frame[at + 1 :]
    at = len(frame) - _end_bytes(how) - int(how.framing != "pause")
    wrong = random.choice([digit for digit in b"0123456789ABCDEF" if digit != frame[at]])
    return frame[:at] + bytes([wrong]) + frame[at + 1 :]


def _noise(random: Random) -> bytes:
    return bytes(random.choices(_NOISE, k=random.randint(1, _MOST_NOISE)))


async def start(line: ReaderLine, context: LineContext) -> tuple[Devices[ReaderStation], str]:
    """Serve a line; gives its device, and where it is. LineUnavailable."""
    (device,) = line.devices
    profile = context.profiles[device.name]
    station = ReaderStation(
        name=device.name,
        profile=profile,
        machine=ReaderMachine(profile, time_scale=context.time_scale),
        witness=context.witness(device),
        random=context.random(device),
    )
    devices = Devices([station], transport=line.transport)
    return devices, await serve(line, devices, context)
