"""A host application's own session with one server: will, subscriptions, STATE (Sparkplug 3.0, 5.3 and 5.13). Pure."""

from wire.errors import SequenceError
from wire.events import HostState
from wire.payload import Message
from wire.state import state_message
from wire.topic import host_filters, state_topic


class HostSession:
    """What one host application says of itself to one server; a host of several servers has one for each.

    `connect`, then subscribe to `filters`, then publish `birth`, before anything else.
    """

    def __init__(self, host_id: str, *, group: str = "+", node: str = "+") -> None:
        self._host_id = host_id
        self._filters = (state_topic(host_id), *host_filters(group, node))
        self._connect_ms: int | None = None
        self._is_born = False

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to with QoS 1, before `birth` is published."""
        return self._filters

    def connect(self, at_ms: int) -> Message:
        """Begin a session; return the will of its CONNECT. `at_ms` is the time of the CONNECT."""
        self._connect_ms = at_ms
        self._is_born = False
        return state_message(self._host_id, online=False, timestamp_ms=at_ms)

    def birth(self) -> Message:
        """Return the STATE that says we are online; its timestamp is that of the will."""
        self._is_born = True
        return state_message(self._host_id, online=True, timestamp_ms=self._connected())

    def receive(self, state: HostState) -> Message | None:
        """Return our STATE again when somebody, such as the will of an earlier session, said that we are offline."""
        if not self._is_born or state.online or state.host_id != self._host_id:
            return None
        return self.birth()

    def death(self, at_ms: int) -> Message:
        """Return the STATE to publish before an intended disconnect; it is never older than our birth."""
        self._is_born = False
        return state_message(self._host_id, online=False, timestamp_ms=max(at_ms, self._connected()))

    def _connected(self) -> int:
        if self._connect_ms is None:
            raise SequenceError(f"host {self._host_id} has no session")
        return self._connect_ms
