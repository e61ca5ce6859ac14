"""What a notice says and when it is tried again. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from runtime.messages import Language, Messages

FIRST_DELAY_MS = 5_000
LONGEST_DELAY_MS = 3_600_000


class Kind(StrEnum):
    """What a notice is about; each has its texts in messages.toml."""

    ALARM_RAISED = "alarm_raised"
    ALARM_AGAIN = "alarm_again"
    ORDER_ASSIGNED = "order_assigned"
    ORDER_UNASSIGNED = "order_unassigned"
    ORDER_REOPENED = "order_reopened"


class Channel(StrEnum):
    """How a notice reached people; IN_APP means that nothing was sent, because no service is configured."""

    NONE = ""
    APPRISE = "apprise"
    IN_APP = "in-app"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """A rendered notice."""

    title: str
    text: str


def retry_delay_ms(attempts: int) -> int:
    """How long to wait after that many failed attempts: doubling from 5 s up to an hour."""
    return min(FIRST_DELAY_MS << min(attempts - 1, 20), LONGEST_DELAY_MS)


def render(
    messages: Messages, *, kind: str, key: str, body: Mapping[str, Any], languages: tuple[Language, ...]
) -> Notice:
    """Write a notice in each language, one below the other; the key at its end lets a person recognise a repeat.

    `body` has `time_zone`, `at_ms`, `number`, `place`, and by language `device`, `title`, `cause`, `response`.
    """
    return Notice(
        title=" / ".join(messages.text(f"title.{kind}", one, **_values(body, one)) for one in languages),
        text="\n\n".join(messages.text(f"text.{kind}", one, **_values(body, one)) for one in languages) + f"\n[{key}]",
    )


def _values(body: Mapping[str, Any], language: Language) -> dict[str, str]:
    texts = {name: value[language.value] if isinstance(value, dict) else str(value) for name, value in body.items()}
    local = datetime.fromtimestamp(body["at_ms"] / 1000, ZoneInfo(body["time_zone"]))
    return {**texts, "at": local.strftime("%Y-%m-%d %H:%M:%S")}
