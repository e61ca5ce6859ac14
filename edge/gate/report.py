"""What leaves the gate about a decision: the event of its device. Pure.

Health is nobody's business but the gate's: where a check of health decided, the event does not say whom, and no
temperature, health code or record is ever in it.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from edge.gate.api import Answer, Check, Decision, Reason, Way

HEALTH = frozenset({Check.TEMPERATURE, Check.HEALTH_CODE, Check.RECORD})
_SCHEMA = 1


def event(
    *,
    attempt: str,
    way: Way,
    who: str,
    decision: Decision,
    opened: str,
    took_ms: float,
    stages: Mapping[str, float] = MappingProxyType({}),
    by: str = "",
) -> str:
    """Write the event. `who` is an opaque id, or empty; `opened` the outcome of the opening, or empty without one.

    `stages` says what took how many milliseconds, for whoever wonders why it took so long.
    """
    about_health = any(check in HEALTH for check, _ in (*decision.reasons, *decision.advice))
    return _document(
        {
            "schema": _SCHEMA,
            "id": attempt,
            "way": way.value,
            "who": "" if about_health else who,
            "answer": decision.answer.value,
            "reasons": told(decision.reasons),
            "advice": told(decision.advice),
            "checks": {
                result.check.value: result.standing.value
                for result in decision.results
                if not (result.check in HEALTH and who)
            },
            "opened": opened,
            "took_ms": round(took_ms, 1),
            "stages": {name: round(value, 1) for name, value in stages.items()},
            "by": by,
        }
    )


def interrupted(said: str) -> str:
    """Turn the event of an opening whose end nobody knows into one that says so; `said` as `event` wrote it."""
    document = json.loads(said)
    return _document(document | {"opened": "unknown"})


def by_hand(*, attempt: str, way: Way, opened: str, took_ms: float, by: str) -> str:
    """Write the event of an opening that somebody ordered: from afar, or a guard at the kiosk."""
    return event(
        attempt=attempt, way=way, who="", decision=Decision(answer=Answer.OPEN), opened=opened, took_ms=took_ms, by=by
    )


def told(found: Iterable[tuple[Check, Reason]]) -> list[list[str]]:
    """Give checks with their reasons; of health only that it was about health."""
    return [["health", ""] if check in HEALTH else [check.value, reason.value] for check, reason in found]


def _document(said: dict[str, object]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
