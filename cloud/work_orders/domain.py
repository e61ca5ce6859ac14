"""The life of a work order: states, actions, and who may end it. Pure; times are Unix milliseconds."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an order stands; VERIFIED means that the sensor is back to normal."""

    NEW = "new"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    WORKING = "working"
    ON_HOLD = "on hold"
    DONE = "done"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Action(StrEnum):
    """What moves an order."""

    ASSIGN = "assign"
    ACCEPT = "accept"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    COMPLETE = "complete"
    SENSOR_RESTORED = "sensor restored"
    SENSOR_FAILED_AGAIN = "sensor failed again"
    CLOSE = "close"
    CANCEL = "cancel"


class Closes(StrEnum):
    """Who may end an order once the sensor is back to normal, as its template says."""

    SENSOR = "sensor"
    PERSON = "person"


PERSON_ACTIONS = frozenset(Action) - {Action.SENSOR_RESTORED, Action.SENSOR_FAILED_AGAIN}
"""What people may ask for; the rest follows from the alarm."""

ENDED = frozenset({State.CLOSED, State.CANCELLED})
"""States of orders that ask nobody for anything."""

OPEN = tuple(state for state in State if state not in ENDED)
"""States of orders that somebody still has to look at."""

TRANSITIONS: Mapping[tuple[State, Action], State] = {
    (State.NEW, Action.ASSIGN): State.DISPATCHED,
    (State.NEW, Action.CANCEL): State.CANCELLED,
    (State.NEW, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.DISPATCHED, Action.ASSIGN): State.DISPATCHED,
    (State.DISPATCHED, Action.ACCEPT): State.ACCEPTED,
    (State.DISPATCHED, Action.CANCEL): State.CANCELLED,
    (State.DISPATCHED, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.ACCEPTED, Action.ASSIGN): State.DISPATCHED,
    (State.ACCEPTED, Action.START): State.WORKING,
    (State.ACCEPTED, Action.HOLD): State.ON_HOLD,
    (State.ACCEPTED, Action.CANCEL): State.CANCELLED,
    (State.ACCEPTED, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.WORKING, Action.ASSIGN): State.DISPATCHED,
    (State.WORKING, Action.HOLD): State.ON_HOLD,
    (State.WORKING, Action.COMPLETE): State.DONE,
    (State.WORKING, Action.CANCEL): State.CANCELLED,
    (State.WORKING, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.ON_HOLD, Action.ASSIGN): State.DISPATCHED,
    (State.ON_HOLD, Action.RESUME): State.WORKING,
    (State.ON_HOLD, Action.CANCEL): State.CANCELLED,
    (State.ON_HOLD, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.DONE, Action.SENSOR_RESTORED): State.VERIFIED,
    (State.DONE, Action.CLOSE): State.CLOSED,  # only where a person closes: see `move`
    (State.VERIFIED, Action.CLOSE): State.CLOSED,
    (State.VERIFIED, Action.SENSOR_FAILED_AGAIN): State.DISPATCHED,
    # The same alarm came back although its order had ended: one order for an alarm, so that one opens again.
    (State.CLOSED, Action.SENSOR_FAILED_AGAIN): State.DISPATCHED,
    (State.CANCELLED, Action.SENSOR_FAILED_AGAIN): State.DISPATCHED,
}
"""State and action to the next state; what is not here is not allowed."""


class IllegalMove(Exception):
    """An action that an order's state does not have: from where, what, and what is allowed instead."""

    def __init__(self, *, state: State, action: Action, closes: Closes) -> None:
        self.state = state
        self.action = action
        self.allowed = allowed(state, closes)
        target = next((to.value for (_, name), to in TRANSITIONS.items() if name is action), "nowhere")
        choices = ", ".join(self.allowed) or "nothing"
        super().__init__(f"'{action}' does not lead from '{state}' to '{target}'; allowed from here: {choices}")


def move(state: State, action: Action, *, closes: Closes, assigned: bool) -> State:
    """Give the next state; IllegalMove when there is none.

    An order that waits for its sensor is not closed before the sensor is back (`closes`). One that opens again goes to
    its assignee when it is `assigned`, else it is new.
    """
    target = TRANSITIONS.get((state, action))
    if target is None or (state is State.DONE and action is Action.CLOSE and closes is Closes.SENSOR):
        raise IllegalMove(state=state, action=action, closes=closes)
    if action is Action.SENSOR_FAILED_AGAIN and not assigned:
        return State.NEW
    return target


def allowed(state: State, closes: Closes) -> tuple[Action, ...]:
    """List what people may do in a state."""
    return tuple(
        action
        for (origin, action) in TRANSITIONS
        if origin is state
        and action in PERSON_ACTIONS
        and not (state is State.DONE and action is Action.CLOSE and closes is Closes.SENSOR)
    )


def closes_by_itself(state: State, closes: Closes, *, restored_ms: int | None, now_ms: int, quiet_ms: int) -> bool:
    """Whether an order may end without a person: verified for `quiet_ms`, and its template trusts the sensor."""
    return (
        state is State.VERIFIED
        and closes is Closes.SENSOR
        and restored_ms is not None
        and now_ms - restored_ms >= quiet_ms
    )


def number(day: str, count: int) -> str:
    """Write an order's number, such as `WO-20261122-0001`; `day` is the community's local day."""
    return f"WO-{day}-{count:04d}"
