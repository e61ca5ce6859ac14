"""What a reader's outputs are told: patterns in words, to the data of commands. Pure; ValueError says what to write.

A pattern of an LED is `COLOUR`, or `COLOUR/COLOUR TIME[/TIME]` for blinking, and ` for TIME` behind it when the reader
itself is to end it: `red`, `green for 3s`, `red/off 200ms for 5s`, `amber/off 100ms/900ms`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.osdp.codec import Command
from runtime.durations import parse_duration

COLOURS: Mapping[str, int] = {
    "off": 0,
    "red": 1,
    "green": 2,
    "amber": 3,
    "blue": 4,
    "magenta": 5,
    "cyan": 6,
    "white": 7,
}
OWN = "own"
"""What an LED shows that was told nothing: the reader's own."""
SHORTEST_S = 0.1
LONGEST_BEEP_S = 25.5
LONGEST_TIMER_S = 6553.5
LONGEST_TEXT = 32
_TENTHS = 10
_TIME = r"\d+(?:\.\d+)?(?:ms|s)"
_PATTERN = re.compile(rf"([a-z]+)(?:/([a-z]+) ({_TIME})(?:/({_TIME}))?)?(?: for ({_TIME}))?")
_TEMPORARY_ON_RESUME = 5
_SET_TEMPORARY, _SET_PERMANENT, _CANCEL = 2, 1, 1
_DEFAULT_TONE = 2
_PERMANENT_TEXT = 1
_FIRST = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """What an LED shows: one colour, or two in turn; `lasts_s` is 0 where it stays."""

    colours: tuple[int, int]
    on_s: float
    off_s: float
    lasts_s: float


def parse_pattern(text: str) -> Pattern:
    """Read a pattern; ValueError."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or match[1] not in COLOURS or (match[2] or match[1]) not in COLOURS:
        raise ValueError(
            f"{text!r} is no pattern: write such as `green`, `green for 3s` or `red/off 200ms for 5s`, "
            f"with the colours {', '.join(COLOURS)}"
        )
    first = COLOURS[match[1]]
    on_s = _seconds(match[3]) if match[3] else 1.0
    off_s = (_seconds(match[4]) if match[4] else on_s) if match[2] else 0.0
    for period in (on_s, off_s):
        if period and not SHORTEST_S <= period <= LONGEST_BEEP_S:
            raise ValueError(f"{text!r}: a colour shows for 100ms to {LONGEST_BEEP_S:g}s")
    lasts_s = _seconds(match[5]) if match[5] else 0.0
    if match[5] and not SHORTEST_S <= lasts_s <= LONGEST_TIMER_S:
        raise ValueError(f"{text!r}: a pattern lasts 100ms to {LONGEST_TIMER_S:g}s")
    return Pattern(colours=(first, COLOURS[match[2]] if match[2] else first), on_s=on_s, off_s=off_s, lasts_s=lasts_s)


def led(text: str, *, reader: int, number: int) -> tuple[Command, bytes]:
    """Make the command for a pattern. One that stays ends any that is timed."""
    pattern = parse_pattern(text)
    shown = bytes([_tenths(pattern.on_s), _tenths(pattern.off_s), *pattern.colours])
    if pattern.lasts_s:
        timed = bytes([_SET_TEMPORARY]) + shown + _tenths(pattern.lasts_s).to_bytes(2, "little")
        return Command.LED, bytes([reader, number]) + timed + bytes(5)
    return Command.LED, bytes([reader, number, _CANCEL]) + bytes(6) + bytes([_SET_PERMANENT]) + shown


def buzzer(seconds: float, *, reader: int) -> tuple[Command, bytes]:
    """Make the command for one tone of so many seconds."""
    if not SHORTEST_S <= seconds <= LONGEST_BEEP_S:
        raise ValueError(f"a tone lasts 0.1 to {LONGEST_BEEP_S:g} s")
    return Command.BUZ, bytes([reader, _DEFAULT_TONE, _tenths(seconds), 0, 1])


def text(shown: str, *, reader: int) -> tuple[Command, bytes]:
    """Make the command for a text that stays in the first line of the display."""
    if len(shown) > LONGEST_TEXT or not (shown.isascii() and shown.isprintable()):
        raise ValueError(f"a text has up to {LONGEST_TEXT} characters of ASCII")
    return Command.TEXT, bytes([reader, _PERMANENT_TEXT, 0, _FIRST, _FIRST, len(shown)]) + shown.encode("ascii")


def output(seconds: float, *, number: int) -> tuple[Command, bytes]:
    """Make the command for an output that the reader itself lets go after so many seconds."""
    if not SHORTEST_S <= seconds <= LONGEST_TIMER_S:
        raise ValueError(f"an output is on for 0.1 to {LONGEST_TIMER_S:g} s")
    return Command.OUT, bytes([number, _TEMPORARY_ON_RESUME]) + _tenths(seconds).to_bytes(2, "little")


def new_key(key: bytes) -> tuple[Command, bytes]:
    """Make the command that gives a reader its key (type 1, SCBK)."""
    return Command.KEYSET, bytes([1, len(key)]) + key


def _seconds(written: str) -> float:
    return parse_duration(written).total_seconds()


def _tenths(seconds: float) -> int:
    return round(seconds * _TENTHS)
