"""How a site file describes the bus inside the agent."""

import re
from datetime import timedelta
from typing import Literal

from runtime.config import Strict

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class AgentBusSettings(Strict):
    """The bus inside the agent: nothing is connected, and its devices are told apart by their address."""

    protocol: Literal["agent"]

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return "inside the agent"

    @property
    def timeout(self) -> timedelta:
        """How long an order may take."""
        return timedelta(seconds=5)


def address_problem(address: str) -> str | None:
    """Say what is wrong with an address; None when it names a part of the agent."""
    return None if _NAME.fullmatch(address) else f"{address!r} is no name of a part: use small letters, digits and -"
