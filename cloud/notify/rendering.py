"""What a notice says, in one language or both."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud.notify.domain import Notice
from runtime.messages import Language, Messages


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
