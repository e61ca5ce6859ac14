"""How a site file describes a broker to which devices publish, and a device's address on it."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runtime.config import Strict
from runtime.durations import Duration

_FORBIDDEN = frozenset("+#\0")
_LONGEST = 256


class JsonMqttSettings(Strict):
    """A broker that devices, or what speaks for them, publish to: not the one that the agent itself publishes to.

    `client_id` names this agent at the broker, where no other client has it, and stays the same: by it the broker keeps
    what is said while the agent is away. `variables` fill in the profile's topics, such as `application`. The
    password stands in a file. `timeout` bounds connecting, and each command's publishing.
    """

    protocol: Literal["json-mqtt"]
    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65535)
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    username: str | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None
    tls: bool = False
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    keepalive: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=20)
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=5)
    variables: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], str] = Field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where the broker is, for people."""
        return f"{self.host}:{self.port}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("`username` and `password_file` need each other")
        if self.ca_file is not None and not self.tls:
            raise ValueError("`ca_file` needs `tls = true`")
        for name, value in self.variables.items():
            if name == "address":
                raise ValueError("`variables.address` is each device's own `address`")
            if problem := level_problem(value):
                raise ValueError(f"`variables.{name}` {problem}")
        return self


def level_problem(text: str) -> str | None:
    """Say why a text cannot stand in a topic; None when it can."""
    if not text or len(text.encode(errors="replace")) > _LONGEST:
        return f"is empty, or longer than {_LONGEST} bytes"
    if _FORBIDDEN & set(text) or not text.isprintable() or text != text.strip() or text.startswith("$"):
        return "has a character that no topic has: `+`, `#`, `$` in front, a line break, or space around it"
    return None


def address_problem(address: str) -> str | None:
    """Say why a device cannot have this address; None when it can."""
    problem = level_problem(address)
    return None if problem is None else f"{address!r} {problem}"
