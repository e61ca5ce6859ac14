"""Durations as people write them in configuration: `500ms`, `5s`, `10min`, `2h`, `1d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


def parse_duration(value: object) -> timedelta:
    """Read a duration; ValueError names the accepted forms."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _PATTERN.fullmatch(value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    raise ValueError("write a duration as a number and a unit, such as '500ms', '5s', '10min', '2h' or '1d'")


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that divides it, so that equal durations have one spelling."""
    for unit in ("d", "h", "min", "s"):
        if value and value % _UNITS[unit] == timedelta(0):
            return f"{value // _UNITS[unit]}{unit}"
    return f"{value / _UNITS['ms']:g}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""A pydantic field type: a `timedelta` that is written as text in TOML and JSON."""
