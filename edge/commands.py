"""What a command asks, whether it may be done, and when its effect has shown (docs/CONTRACT.md, "Commands"). Pure."""

import math
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from drivers.api import Value
from drivers.profile import Kind, Profile
from wire import contract
from wire.edge_node import Command

TOKEN_EVERY_S = 5.0
"""How often the agent publishes a fresh token."""
TOKEN_LIFE_S = 15.0
"""How long a token is accepted after it was issued, by the agent's monotonic clock."""
LONGEST = timedelta(seconds=30)
"""The longest time that a command may take from receipt to outcome."""


class MalformedCommand(ValueError):
    """A DCMD that is no command at all; there is nobody to whom an outcome could be told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A command as it came. `value` is what stood in its `Command/Do` metric."""

    device: str
    command_id: str
    token: str
    timeout: timedelta
    name: str
    value: Value | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a command is not carried out."""

    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to write, and what then proves its effect: `proof` shows `expected`, to within `tolerance`, in time."""

    point: str
    value: Value
    proof: str
    expected: Value
    tolerance: float
    within: timedelta


class TokenBook:
    """The tokens that were issued a short while ago. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._issued: deque[tuple[float, str]] = deque()

    def issue(self, token: str, *, now: float) -> None:
        """Take note of a token that is published now."""
        self._issued.append((now, token))
        self._forget(now)

    def accepts(self, token: str, *, now: float) -> bool:
        """Whether this token was issued, and not longer ago than a token lives."""
        self._forget(now)
        return any(known == token for _, known in self._issued)

    def _forget(self, now: float) -> None:
        while self._issued and now - self._issued[0][0] > TOKEN_LIFE_S:
            self._issued.popleft()


def read_request(command: Command) -> Request:
    """Read a DCMD; MalformedCommand when it has no id or asks for nothing, or for several things at once."""
    if command.device is None:
        raise MalformedCommand("a command of the node is not a command to a device")
    said = {metric.name: metric.value for metric in command.metrics}
    wanted = [metric for metric in command.metrics if metric.name and contract.command_name(metric.name) is not None]
    if len(wanted) != 1:
        raise MalformedCommand(f"the DCMD has {len(wanted)} `{contract.COMMAND_DO}…` metrics, not one")
    command_id = said.get(contract.COMMAND_ID)
    try:
        command_id = str(uuid.UUID(str(command_id)))
    except ValueError as error:
        raise MalformedCommand(f"`{contract.COMMAND_ID}` is {command_id!r}, which is no UUID") from error
    value = wanted[0].value
    if value is not None and not isinstance(value, bool | int | float | str):
        raise MalformedCommand(f"a command's value is a boolean, a number or a text, not {type(value).__name__}")
    timeout_ms = said.get(contract.COMMAND_TIMEOUT_MS)
    if not isinstance(timeout_ms, int) or timeout_ms <= 0:
        raise MalformedCommand(f"`{contract.COMMAND_TIMEOUT_MS}` is {timeout_ms!r}, not a number above 0")
    return Request(
        device=command.device,
        command_id=command_id,
        token=str(said.get(contract.COMMAND_TOKEN) or ""),
        timeout=min(timedelta(milliseconds=min(timeout_ms, 2**31)), LONGEST),
        name=contract.command_name(wanted[0].name or "") or "",
        value=value,
    )


def judge(request: Request, profile: Profile, *, token_is_valid: bool) -> Plan | Refusal:
    """Decide whether a command may be carried out, and how."""
    if not token_is_valid:
        return Refusal(detail="the token is expired or was never issued by this agent")
    command = profile.commands.get(request.name)
    if command is None:
        return Refusal(detail=f"the profile `{profile.name}` has no command `{request.name}`")
    if command.value is not None and request.value is not True:
        return Refusal(detail=f"`{request.name}` takes `true`, because its profile fixes the value")
    wanted = request.value if command.value is None else command.value
    kind = profile.points[command.point].value_type
    value = _as_kind(wanted, kind)
    if value is None:
        return Refusal(detail=f"{wanted!r} is not a {kind.__name__}")
    limits = command.limits
    if limits is not None and not isinstance(value, bool | str) and not limits.low <= value <= limits.high:
        return Refusal(detail=f"{value:g} is outside the limits, {limits.low:g} to {limits.high:g}")
    back = command.read_back
    proof = profile.points[back.point]
    return Plan(
        point=command.point,
        value=value,
        proof=back.point,
        expected=value if back.equals is None else back.equals,
        # A point shows multiples of its step only.
        tolerance=max(back.tolerance, proof.step / 2) if proof.value_type is float else back.tolerance,
        within=back.within,
    )


def shows(plan: Plan, value: Value | None) -> bool:
    """Whether a read-back proves the effect."""
    if isinstance(value, bool) or isinstance(plan.expected, bool):
        return value is plan.expected
    if isinstance(value, int | float) and isinstance(plan.expected, int | float):
        near = math.isclose(value, plan.expected, rel_tol=1e-6)  # a 32-bit float holds no more
        return near or abs(value - plan.expected) <= plan.tolerance
    return value == plan.expected


def _as_kind(value: Value | None, kind: Kind) -> Value | None:
    """Give the value in the point's own type, or None when it is of another."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    return value if type(value) is kind else None
