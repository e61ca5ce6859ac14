"""What ingest knows of nodes, and what it still has to tell them: acknowledgements, rebirth and profile requests."""

from dataclasses import dataclass, field

from cloud.ingest.memory import Births, NodeState, Rulebook
from cloud.ingest.metrics import IngestMetrics
from wire.contract import JOURNAL_ACK, PROFILE_REQUEST, JournalPosition
from wire.errors import WireError
from wire.host import Host, rebirth_request
from wire.payload import Message, Metric
from wire.topic import NodeKey

ACK_EVERY_MS = 100
ACK_REPEAT_EVERY_MS = 500
ASK_EVERY_MS = 5_000
ASK_ANOTHER_EVERY_MS = 1_000

AWAIT_MS = 10_000
"""How long a node that is asked for its births keeps its place from the next one."""

MOST_AWAITED = 100
"""Nodes that are asked for their births and have not answered yet. After an outage all nodes of a city have to be born
again: at once, that is more than the broker keeps for anybody, and what it drops has to be asked for again."""


@dataclass(kw_only=True, slots=True)
class Tracking:
    """The memory of one ingest process.

    `strangers` are nodes whose group is no community, and since when; `born` are all nodes whose births the host has.
    """

    host: Host
    metrics: IngestMetrics
    nodes: dict[NodeKey, NodeState] = field(default_factory=dict)
    births: Births = field(default_factory=Births)
    strangers: dict[NodeKey, int] = field(default_factory=dict)
    born: set[NodeKey] = field(default_factory=set)
    rulebook: Rulebook = field(default_factory=Rulebook)
    _acks: dict[NodeKey, None] = field(default_factory=dict)
    _rebirths: dict[NodeKey, None] = field(default_factory=dict)
    _awaited: dict[NodeKey, int] = field(default_factory=dict)
    _asked: dict[tuple[NodeKey, str], int] = field(default_factory=dict)
    _asked_profile: dict[str, int] = field(default_factory=dict)

    def forget_nodes(self) -> None:
        """Drop what came from the database, because a failed transaction may have left it ahead."""
        self.nodes.clear()
        self._acks.clear()

    def disconnected(self) -> None:
        """Drop everything that a rebirth will tell again."""
        for key in self.born:
            self.host.forget(key)
            self.births.forget(key)
        self.born.clear()
        self.forget_nodes()
        self.strangers.clear()
        self._rebirths.clear()
        self._awaited.clear()
        self._asked.clear()
        self._asked_profile.clear()

    def want_ack(self, key: NodeKey) -> None:
        """Tell a node how far its journal is stored: soon when there was progress, rarely on repeats and holes."""
        self._acks[key] = None

    def want_rebirth(self, key: NodeKey) -> None:
        """Ask a node for its births when it is time, and its turn."""
        self._rebirths[key] = None

    def arrived(self, key: NodeKey) -> None:
        """Take a node as born: the host has its birth, and it need not be asked for."""
        self.born.add(key)
        self._rebirths.pop(key, None)
        self._awaited.pop(key, None)

    def was_asked(self, key: NodeKey) -> bool:
        """Whether a node has been asked for its births on this connection."""
        return (key, "rebirth") in self._asked

    def outgoing(self, now_ms: int) -> list[Message]:
        """Give what is to be published now."""
        messages = self._rebirth_requests(now_ms) + self._profile_requests(now_ms)
        for key in list(self._acks):
            messages.extend(self._ack(key, now_ms))
        return messages

    def _rebirth_requests(self, now_ms: int) -> list[Message]:
        """Ask in the order of need, so many at a time; whoever does not answer holds up nobody for long."""
        messages: list[Message] = []
        if not self._rebirths:
            return messages
        for key in [key for key, asked_ms in self._awaited.items() if not 0 <= now_ms - asked_ms < AWAIT_MS]:
            del self._awaited[key]
        for key in list(self._rebirths):
            if len(self._awaited) >= MOST_AWAITED:
                break
            del self._rebirths[key]
            if self._may_ask(key, "rebirth", now_ms):
                self._awaited[key] = now_ms
                messages.append(rebirth_request(key, now_ms))
                self.metrics.rebirths.inc()
        return messages

    def _profile_requests(self, now_ms: int) -> list[Message]:
        """Ask for the profiles that devices wait for, each of one node at a time: one document serves all of them.

        Next is whoever was not asked yet, or longest ago; so one that does not answer is passed over.
        """
        nodes: dict[str, set[NodeKey]] = {}
        for (key, _), profile_hash in self.births.waiting.items():
            nodes.setdefault(profile_hash, set()).add(key)
        messages: list[Message] = []
        for profile_hash, keys in nodes.items():
            asked_ms = self._asked_profile.get(profile_hash)
            if asked_ms is not None and 0 <= now_ms - asked_ms < ASK_ANOTHER_EVERY_MS:
                continue
            key = min(keys, key=lambda key: (self._asked.get((key, profile_hash), 0), str(key)))
            if self._may_ask(key, profile_hash, now_ms):
                self._asked_profile[profile_hash] = now_ms
                messages += self._command(key, PROFILE_REQUEST, profile_hash, now_ms)
        return messages

    def _ack(self, key: NodeKey, now_ms: int) -> list[Message]:
        node = self.nodes.get(key)
        if node is None:
            del self._acks[key]  # it has died, or its records come again
            return []
        pause_ms = ACK_EVERY_MS if node.progress else ACK_REPEAT_EVERY_MS
        if now_ms - node.acked_ms < pause_ms and now_ms >= node.acked_ms:
            return []
        del self._acks[key]
        node.progress = False
        journal_id, mark = node.journal_id, node.acknowledgeable()
        if journal_id is None or mark is None:
            return []
        node.acked_ms = now_ms
        self.metrics.acks.inc()
        return self._command(key, JOURNAL_ACK, str(JournalPosition(journal_id=journal_id, offset=mark)), now_ms)

    def _command(self, key: NodeKey, name: str, value: str, now_ms: int) -> list[Message]:
        try:
            return [self.host.command(key, None, [Metric(name=name, value=value)], now_ms)]
        except WireError:
            return []  # it is not born at the moment, or does not declare this: it will come again by itself

    def _may_ask(self, key: NodeKey, what: str, now_ms: int) -> bool:
        last = self._asked.get((key, what))
        if last is not None and 0 <= now_ms - last < ASK_EVERY_MS:
            return False
        self._asked[key, what] = now_ms
        return True
