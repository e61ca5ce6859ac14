"""What `linli simulate list` prints: scenes, machines and faults, in tables that fit a terminal."""

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from simulators.machines import card_reader, reader
from simulators.machines.announcer import BATTERY_LOW, DUPLICATE, OUT_OF_DATE, RETAINED, SILENT, WRONG_TYPE
from simulators.machines.generic import OUT_OF_RANGE, STUCK_SENSOR
from simulators.machines.on_demand import ALARM
from simulators.machines.sensors import DRIFT, STUCK

_NAME = 28
_NARROWEST = 60
_NUMBERED = re.compile(r"(.*?-)(\d+)(-.*)?")

COMMON: Mapping[str, str] = {
    STUCK_SENSOR: "measurements stay as they are",
    OUT_OF_RANGE: "measurements leave the range of a working sensor",
    DRIFT: "drift, or drift:POINT: measurements go away from the truth by 3 % of their range in a minute",
    STUCK: "stuck, or stuck:POINT: measurements stay as they are, whatever the machine does",
    ALARM: "alarm:NAME: the points show what this alarm of the profile asks for; alarm:NAME.CODE for one of its codes",
    SILENT: "who publishes: nothing comes any more",
    DUPLICATE: "who publishes: every message comes twice",
    RETAINED: "who publishes: the broker keeps the messages",
    WRONG_TYPE: "who publishes: numbers come as text",
    OUT_OF_DATE: "who publishes: messages carry a time long ago",
    BATTERY_LOW: "who has a battery: it is nearly empty",
}
"""Faults that many machines have, explained once."""

PARAMETERS: Mapping[str, str] = {
    reader.PRESENT: "present:0008075634 or present:VISIT-7 (readers), present:26:2F623AE or present:123,4567 (OSDP)",
    reader.HOLD: "hold:0008075634: it lies on the reader until it is cleared",
    card_reader.KEYS: "keys:1234#: keys are pressed, once",
    "press": "press, or press:2 for one of several kinds: what happens once is a fault named for its point",
    "state": "state:10: a state that stays until it is cleared, by its number in the profile",
}
"""Faults that take a parameter, and how it is written."""


def own_faults(faults: Iterable[str]) -> list[str]:
    """Give the faults that are not common to many, numbers in a row written as one: `pump-1..2-trip`."""
    numbers: dict[tuple[str, str], list[int]] = {}
    order: list[tuple[str, str] | str] = []
    for fault in faults:
        if fault in COMMON:
            continue
        match = _NUMBERED.fullmatch(fault)
        key = (match[1], match[3] or "") if match is not None else fault
        if isinstance(key, tuple) and match is not None:
            numbers.setdefault(key, []).append(int(match[2]))
        if key not in order:
            order.append(key)
    return [text for key in order for text in ([key] if isinstance(key, str) else _folded(*key, numbers[key]))]


def common() -> Iterator[tuple[str, str]]:
    """Give the faults that many have, and those with a parameter, with what they do."""
    yield from COMMON.items()
    yield from PARAMETERS.items()


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Write names with their texts, which go on below themselves where the terminal ends."""
    width = max(_NARROWEST, shutil.get_terminal_size().columns)
    behind = " " * (_NAME + 3)
    return "\n".join(
        textwrap.fill(
            text,
            width=width,
            initial_indent=f"  {name:{_NAME}} ",
            subsequent_indent=behind,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in rows
    )


def _folded(before: str, behind: str, numbers: list[int]) -> list[str]:
    if len(numbers) > 1 and numbers == list(range(1, len(numbers) + 1)):
        return [f"{before}1..{numbers[-1]}{behind}"]
    return [f"{before}{number}{behind}" for number in numbers]
