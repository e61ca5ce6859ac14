"""What notices are about, and when they are tried again. Pure."""

from dataclasses import dataclass
from enum import StrEnum

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
