"""Events as lines of text for people: words say what is wrong, and colour only repeats it. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from drivers.inspection.dialogue import Event, Shown, Sign
from drivers.modbus.bus import EXCEPTIONS

_ARROWS: Mapping[Sign, str] = {
    Sign.REQUEST: "->",
    Sign.ANSWER: "<-",
    Sign.EXCEPTION: "<-",
    Sign.SILENCE: "--",
    Sign.GARBAGE: "??",
}
_COLOURS: Mapping[Sign, str] = {Sign.REQUEST: "36", Sign.EXCEPTION: "33", Sign.SILENCE: "31", Sign.GARBAGE: "31"}
_MOST_WORDS = 16
_MOST_BYTES = 32


def line(event: Event, *, colour: bool = False, zone: tzinfo = UTC) -> str:
    """Write an event as one line; its time is Unix time, shown in `zone`."""
    moment = datetime.fromtimestamp(event.at_s, tz=zone).strftime("%H:%M:%S.%f")[:-3]
    unit = f"unit {event.unit:<3}" if event.unit is not None else " " * 8
    text = f"{moment} {_ARROWS[event.sign]} {unit} {_what(event)}"
    paint = _COLOURS.get(event.sign)
    return f"\x1b[{paint}m{text}\x1b[0m" if colour and paint else text


def _what(event: Event) -> str:
    took = f" ({1000 * event.took_s:.0f} ms)" if event.took_s is not None else ""
    match event.sign:
        case Sign.EXCEPTION:
            return f"EXCEPTION {event.code} {event.why or EXCEPTIONS.get(event.code, 'unknown')}: {event.what}{took}"
        case Sign.SILENCE:
            return f"NO ANSWER: {event.what}{took}"
        case Sign.GARBAGE:
            return f"GARBLED {event.what}: {_hex(event.data)}{took}"
        case Sign.REQUEST | Sign.ANSWER:
            return f"{event.what}{_content(event)}{took}"


def _content(event: Event) -> str:
    if event.points:
        return ": " + ", ".join(_point(one) for one in event.points)
    if event.span is not None and event.span.words is not None:
        words = event.span.words
        shown = " ".join(str(word) for word in words[:_MOST_WORDS])
        return f": {shown}{f' ... ({len(words)})' if len(words) > _MOST_WORDS else ''}"
    if event.data:
        return f": {_hex(event.data)}"
    return ": done" if event.sign is Sign.ANSWER else ""


def _point(one: Shown) -> str:
    if one.value is None:
        return f"{one.point}=not available"
    value = f"{one.value:.7g}" if isinstance(one.value, float) else str(one.value)
    meaning = f" ({one.meaning})" if one.meaning else ""
    return f"{one.point}={value}{' ' + one.unit if one.unit else ''}{meaning}"


def _hex(data: bytes) -> str:
    more = f" ... ({len(data)} bytes)" if len(data) > _MOST_BYTES else ""
    return data[:_MOST_BYTES].hex(" ").upper() + more
