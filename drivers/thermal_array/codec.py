"""Frames and commands of the GY-MCU90640. Bytes in, values out: no line, no clock.

From the module: 5A 5A | 02 06 | 768 x int16 | ambient int16 | sum uint16, low bytes first, in hundredths of a degree
Celsius, by rows of 32. The sum is that of all 771 words before it. To the module: A5 | command | argument | sum of the
three bytes. README.md has the sources.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROWS, COLUMNS = 24, 32
PIXELS = ROWS * COLUMNS
FRAME_BYTES = 1544
RATES: Mapping[float, int] = {0.5: 0, 1: 1, 2: 2, 4: 3, 8: 4}
"""Pictures a second, to the argument that sets them."""
BAUDRATES: Mapping[int, int] = {9600: 1, 115200: 2, 460800: 3}
"""What the module can, to the argument that sets it; in force at once, and it may be saved."""
QUERY, AUTOMATIC = b"\xa5\x35\x01\xdb", b"\xa5\x35\x02\xdc"
"""Send one picture, and no more of your own; send pictures again and again."""
ASK_EMISSIVITY = b"\xa5\x55\x01\xfb"
SAVE = b"\xa5\x65\x01\x0b"
"""Keep the settings over a power failure. It writes the flash: not for every start."""

_HEADER = b"\x5a\x5a"
_LENGTH = b"\x02\x06"  # 1538: the pixels and the ambient temperature
_PIXELS_AT = 4
_WORDS = 771
_FULL = 100  # per cent
_LOW, _HIGH = -40_00, 300_00  # what the sensor can measure, by its data sheet
_COLD, _HOT = -40_00, 85_00  # in which it can live
_MOST_DEFECTIVE = 4  # pixels that the data sheet allows to be defective


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A picture. `pixels` are 768 int16, low byte first, by rows of 32, in hundredths of a degree.

    Those that `defective` names have no temperature: the sensor cannot measure what they say.
    """

    pixels: bytes
    ambient_c: float
    defective: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Emissivity:
    """The answer to ASK_EMISSIVITY: 0 to 1."""

    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Damaged:
    """Something began like a picture and was none."""


Said = Frame | Emissivity | Damaged


def set_rate(rate: float) -> bytes:
    """Set the pictures a second; KeyError for one that is not in RATES."""
    return _command(0x25, RATES[rate])


def set_baudrate(baudrate: int) -> bytes:
    """Set the speed of the line; KeyError for one that is not in BAUDRATES."""
    return _command(0x15, BAUDRATES[baudrate])


def set_emissivity(value: float) -> bytes:
    """Set the emissivity of what is looked at, 0.01 to 1."""
    return _command(0x45, round(value * _FULL))


class Decoder:
    """Takes pictures out of a stream, whatever lies between them.

    A frame that is damaged or cut off costs itself: the search goes on in its own bytes, so the next one is found even
    when it begins there. Nothing waits for more than one frame's bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._buffer)

    def clear(self) -> None:
        """Forget what came."""
        self._buffer.clear()

    def feed(self, data: bytes) -> Iterator[Said]:
        """Take bytes, and give what they complete, in order."""
        buffer = self._buffer
        buffer += data
        while (at := buffer.find(_HEADER)) >= 0:
            del buffer[:at]
            if len(buffer) < _PIXELS_AT:
                return
            if buffer[2:4] == _LENGTH:
                if len(buffer) < FRAME_BYTES:
                    return
                frame = _frame(bytes(buffer[:FRAME_BYTES]))
                del buffer[: 1 if frame is None else FRAME_BYTES]
                yield Damaged() if frame is None else frame
            elif buffer[2] <= _FULL and buffer[3] == sum(buffer[:3]) & 0xFF:
                yield Emissivity(value=buffer[2] / _FULL)
                del buffer[:_PIXELS_AT]
            else:
                del buffer[:1]
        del buffer[: len(buffer) - buffer.endswith(_HEADER[:1])]


def _frame(data: bytes) -> Frame | None:
    words = struct.unpack(f"<{_WORDS}H", data[:-2])
    if sum(words) & 0xFFFF != int.from_bytes(data[-2:], "little"):
        return None
    *pixels, ambient = struct.unpack_from(f"<{PIXELS + 1}h", data, _PIXELS_AT)
    defective = tuple(number for number, pixel in enumerate(pixels) if not _LOW <= pixel <= _HIGH)
    if not _COLD <= ambient <= _HOT or len(defective) > _MOST_DEFECTIVE:
        return None  # the sum of words is a weak check: it does not see two that changed places
    return Frame(pixels=data[_PIXELS_AT : _PIXELS_AT + 2 * PIXELS], ambient_c=ambient / 100, defective=defective)


def _command(command: int, argument: int) -> bytes:
    body = bytes([0xA5, command, argument])
    return body + bytes([sum(body) & 0xFF])
