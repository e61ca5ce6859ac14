"""Times as people write them: hours of the week, and moments by a community's clocks. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from cloud.gate.domain import DAYS, MINUTES, NotAccepted
from wire.roll import Hours

_PLAIN = str.maketrans(
    {
        "\N{FULLWIDTH SEMICOLON}": ";",
        "\N{FULLWIDTH COMMA}": ",",
        "\N{FULLWIDTH COLON}": ":",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
    }
)
"""What Chinese keyboards and word processors put in the place of plain signs."""
_SPAN = re.compile(r"^(?:([1-7](?:[-,][1-7])*)\s+)?([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})$")


def parse_hours(text: str) -> tuple[Hours, ...]:
    """Read times of the week as people write them: `1-5 06:00-23:00; 6,7 08:00-20:00`, 1 being Monday; NotAccepted.

    Without days it is every day; a time that ends before it begins lasts over midnight.
    """
    found: list[Hours] = []
    for part in text.translate(_PLAIN).split(";"):
        if not part.strip():
            continue
        match = _SPAN.match(part.strip())
        if match is None:
            raise NotAccepted(f"`{part.strip()}`: write days and times as `1-5 06:00-23:00; 6,7 08:00-20:00`")
        start, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (2, 4))
        if start >= MINUTES or end > MINUTES or int(match[3]) >= 60 or int(match[5]) >= 60:  # noqa: PLR2004 - minutes
            raise NotAccepted(f"`{part.strip()}`: times are 00:00 to 24:00")
        found.append(Hours(days=_days(match[1] or "1-7"), from_min=start, to_min=end))
    return tuple(found)


def _days(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        days |= set(range(int(first[0]), int((last or first)[-1]) + 1))
    if not days:
        raise NotAccepted(f"`{text}`: days go from 1 (Monday) to 7")
    return tuple(sorted(day - 1 for day in days))


def format_hours(hours: Sequence[Hours]) -> str:
    """Write times of the week as `parse_hours` reads them."""
    return "; ".join(
        f"{_format_days(one.days)}{_format_minute(one.from_min)}-{_format_minute(one.to_min)}" for one in hours
    )


def _format_minute(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _format_days(days: tuple[int, ...]) -> str:
    if days == tuple(range(DAYS)):
        return ""
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):  # noqa: PLR2004 - a run
        return f"{days[0] + 1}-{days[-1] + 1} "
    return ",".join(str(day + 1) for day in days) + " "


def parse_local(text: str, zone: str) -> int | None:
    """Read a moment as a browser's field gives it, by the clocks of a time zone; None when empty; NotAccepted."""
    if not text.strip():
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise NotAccepted(f"`{text}` is no moment") from error


def format_local(at_ms: int | None, zone: str) -> str:
    """Write a moment as a browser's field takes it."""
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
