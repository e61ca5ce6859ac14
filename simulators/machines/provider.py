"""What a provider of health codes and records knows of people: all is well with everybody, until it is told otherwise.

`says:yellow` holds for everybody, `says:h-007=missing` for one; a status belongs to the kind of question that it
answers. `wrong` answers what nobody can read, `refuses` takes nobody's token, `fails` has an error of its own.
"""

import re
from collections.abc import Mapping
from random import Random

from drivers.api import Value
from drivers.profile import Profile
from simulators.machines.api import Faults, UnknownFault

SAYS, WRONG, REFUSES, FAILS = "says", "wrong", "refuses", "fails"

STATUSES: Mapping[str, tuple[str, ...]] = {
    "health_code": ("green", "yellow", "red"),
    "record": ("valid", "expired", "missing"),
}
"""What is answered to each kind of question; the first is what all is well with."""

_SAYS = re.compile(r"(?:(?P<who>[^=]+)=)?(?P<status>[a-z]+)")
_EVERYBODY = ""


class HealthProviderMachine:
    """A provider's knowledge, and how often it was asked."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._faults = Faults(WRONG, REFUSES, FAILS)
        self._says: dict[tuple[str, str], str] = {}
        self.asked = 0

    def status(self, kind: str, who: str) -> str:
        """Say what is known of somebody; `kind` is one of STATUSES."""
        return self._says.get((kind, who)) or self._says.get((kind, _EVERYBODY)) or STATUSES[kind][0]

    def values(self) -> Mapping[str, Value]:
        """Give how often it was asked."""
        return dict.fromkeys(self._profile.points, self.asked)

    def step(self, dt_s: float, random: Random) -> None:
        """Nothing moves here."""

    def write(self, point: str, value: Value) -> None:
        """Refuse: nobody writes here. ValueError."""
        raise ValueError(f"{point} cannot be set to {value!r}")

    def faults(self) -> tuple[str, ...]:
        """Name what it can be told."""
        return (SAYS, *self._faults.known)

    def active(self) -> tuple[str, ...]:
        """Name what it was told."""
        says = (f"{SAYS}:{who}={status}" if who else f"{SAYS}:{status}" for (_, who), status in self._says.items())
        return (*says, *self._faults.active)

    def fault(self, name: str) -> None:
        """Tell it something; UnknownFault says how it is written."""
        kind, _, said = name.partition(":")
        if kind != SAYS:
            self._faults.add(name)
            return
        written = _SAYS.fullmatch(said)
        question = next((one for one, known in STATUSES.items() if written and written["status"] in known), None)
        if written is None or question is None:
            raise UnknownFault(name, tuple(f"{SAYS}:{one}" for known in STATUSES.values() for one in known))
        self._says[question, written["who"] or _EVERYBODY] = written["status"]

    def clear(self, name: str | None) -> None:
        """Forget one thing or all; `says` forgets all of its kind. UnknownFault."""
        kind, _, said = (name or SAYS).partition(":")
        if kind == SAYS:
            self._says = {
                (question, who): status
                for (question, who), status in self._says.items()
                if said and said not in {status if not who else "", f"{who}={status}"}
            }
        if name is None or kind != SAYS:
            self._faults.remove(name)
