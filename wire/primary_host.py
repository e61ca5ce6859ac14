"""An edge node that follows a primary host over several servers (Sparkplug 3.0, 5.4, 5.5 and 5.10). Pure.

The shell connects to `server`, tells what happened, and does the step that comes back. Times are monotonic seconds.
"""

from enum import StrEnum

from wire.errors import SequenceError
from wire.events import HostState
from wire.state import read_state
from wire.topic import state_host, state_topic


class Step(StrEnum):
    """What the shell has to do now."""

    BIRTH = "birth"  # publish NBIRTH and all that follows
    LEAVE = "leave"  # publish NDEATH, disconnect, tell `disconnected`, then connect to `server`


class _Phase(StrEnum):
    AWAY = "away"
    WAITING = "waiting"
    ONLINE = "online"
    LEAVING = "leaving"


class PrimaryHost:
    """Where an edge node is connected, and whether it may be born there: at one server at a time, or at none.

    A server at which the host is offline, or says nothing for `patience_s`, is left for the next one. With one server
    only, an edge node that is not born yet waits where it is instead, because there is nowhere else to go.
    """

    def __init__(self, *, host_id: str, servers: int, patience_s: float) -> None:
        if servers < 1:
            raise SequenceError("an edge node needs a server to connect to")
        self._topic = state_topic(host_id)
        self._host_id = host_id
        self._servers = servers
        self._patience_s = patience_s
        self._phase = _Phase.AWAY
        self._server = 0
        self._since = 0.0
        self._newest: dict[int, int] = {}  # by server, because a host has a timestamp for each of its connections

    @property
    def server(self) -> int:
        """The server to connect to, or that we are connected to: a number from 0."""
        return self._server

    @property
    def may_publish(self) -> bool:
        """Whether the host is online where we are."""
        return self._phase is _Phase.ONLINE

    @property
    def topic(self) -> str:
        """What to subscribe to with QoS 1, at every server, before anything is published."""
        return self._topic

    def connected(self, *, now: float) -> None:
        """Take note of a connection to `server`; SequenceError when the one before was not given up."""
        if self._phase is not _Phase.AWAY:
            raise SequenceError(f"connected to server {self._server} already: an edge node has one connection")
        self._phase = _Phase.WAITING
        self._since = now

    def disconnected(self) -> None:
        """Take note that the connection is gone, or could not be made: the next server's turn."""
        self._phase = _Phase.AWAY
        self._server = (self._server + 1) % self._servers

    def receive(self, topic: str, payload: bytes) -> Step | None:
        """Take a message; one that is not the host's STATE, or is older than its last one, changes nothing."""
        if state_host(topic) != self._host_id:
            return None
        state = read_state(topic, self._host_id, payload)
        if not isinstance(state, HostState) or self._phase is _Phase.AWAY:
            return None
        if state.timestamp_ms < self._newest.get(self._server, state.timestamp_ms):
            return None
        self._newest[self._server] = state.timestamp_ms
        if state.online:
            if self._phase is not _Phase.WAITING:
                return None
            self._phase = _Phase.ONLINE
            return Step.BIRTH
        return self._leave(was_born=self._phase is _Phase.ONLINE)

    def tick(self, *, now: float) -> Step | None:
        """Let time pass."""
        if self._phase is _Phase.WAITING and now - self._since >= self._patience_s:
            return self._leave(was_born=False)
        return None

    def _leave(self, *, was_born: bool) -> Step | None:
        if self._phase is _Phase.LEAVING or (self._servers == 1 and not was_born):
            return None
        self._phase = _Phase.LEAVING
        return Step.LEAVE
