"""Turns the session's actions into Sparkplug messages. Pure; it holds the node's sequence numbers and aliases."""

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from drivers.api import Quality, Reading, Value
from edge import translate
from edge.identity import DeviceIdentity
from edge.losses import Reason, one_lost
from edge.pipeline import NOT_READ_YET
from edge.records import Gap
from edge.session import Action, BirthDevice, BirthNode, DeathDevice, PublishGap, PublishRecord
from edge.translate import JournalPlace
from wire.edge_node import Command, EdgeNode
from wire.errors import WireError
from wire.payload import Message

Last = Callable[[str], Reading]
"""Gives what a point of one device last showed."""


class Messenger:
    """The Sparkplug side of one agent: one `EdgeNode` and what its births say. Times are Unix milliseconds.

    `identities` are what births can say, by key; it may grow. `last_of` gives what the points of a device last showed
    under a profile (by its hash), None when it does not run under that now. `bus_figures` gives the metrics that tell
    how the buses do. `former_journal` is what `JournalPlace.former` is. `on_left_out` is told how many readings of a
    record were left out of its payload.
    """

    def __init__(
        self,
        *,
        node: EdgeNode,
        identities: Mapping[str, DeviceIdentity],
        last_of: Callable[[str, str], Last | None],
        journal_id: str,
        version: str,
        on_left_out: Callable[[int], None],
        bus_figures: Callable[[], Sequence[str]] = tuple,
        former_journal: str = "",
    ) -> None:
        self._node = node
        self._identities = identities
        self._last_of = last_of
        self._journal_id = journal_id
        self._former = former_journal
        self._version = version
        self._on_left_out = on_left_out
        self._bus_figures = bus_figures
        self._declared: frozenset[str] = frozenset()
        self._born: dict[str, DeviceIdentity] = {}

    @property
    def is_born(self) -> bool:
        """Whether NBIRTH was made since `connect`."""
        return self._node.is_born

    def connect(self, bd_seq: int, *, at_ms: int) -> Message:
        """Begin a session; gives the will of its CONNECT."""
        self._node.connect(bd_seq)
        return self._node.will(at_ms)

    def farewell(self, *, at_ms: int) -> Message:
        """Give the NDEATH that comes before an intended disconnect."""
        return self._node.death(at_ms)

    def message(self, action: Action, *, place: tuple[int, int], token: str, at_ms: int) -> Message:
        """Give the message of an action. `place` is the first offset not acknowledged, and the last given out."""
        where = JournalPlace(journal_id=self._journal_id, first=place[0], last=place[1], former=self._former)
        match action:
            case BirthNode(revision=revision):
                figures = self._bus_figures()
                self._declared = frozenset(figures)
                metrics = translate.node_birth(
                    place=where, version=self._version, revision=revision, token=token, bus_figures=figures
                )
                return self._node.birth(metrics, at_ms)
            case BirthDevice(device=name, birth=birth):
                identity = self._born[name] = self._identities[birth]
                last = self._last_of(name, identity.profile_hash) or _not_read_yet
                metrics = translate.device_birth(place=where, identity=identity, last=last)
                return self._node.device_birth(name, metrics, at_ms)
            case DeathDevice(device=name):
                return self._node.device_death(name, at_ms)
            case PublishGap(gap=gap):
                return self._gap(gap, at_ms)
            case PublishRecord():
                return self._record(action, at_ms)
            case _:
                assert_never(action)

    def token(self, token: str, figures: Mapping[str, Value | None], *, at_ms: int) -> Message:
        """Give the NDATA that makes a token known, and how those buses do that the birth told of."""
        told = {name: value for name, value in figures.items() if name in self._declared}
        return self._node.data([*translate.token_metrics(token), *translate.bus_metrics(told)], at_ms)

    def document(self, profile_hash: str, *, at_ms: int) -> Message | None:
        """Give the answer to a profile request; None for a hash that no device here has or had."""
        for identity in self._identities.values():
            if identity.profile_hash == profile_hash:
                return self._node.data(translate.document_metrics(identity.profile), at_ms)
        return None

    def read_command(self, topic: str, payload: bytes) -> Command:
        """Read an NCMD or DCMD; WireError."""
        return self._node.parse_command(topic, payload)

    def _record(self, action: PublishRecord, at_ms: int) -> Message:
        record = action.record  # its metrics carry their own times; the payload's is that of publishing
        metrics, left_out = translate.record_metrics(
            record, self._born[record.device].profile, journal_id=self._journal_id, historical=action.historical
        )
        try:
            message = self._node.device_data(record.device, metrics, at_ms)
        except WireError:
            # Something in it has no place in a payload. A gap shows that; a record that is sent for ever would stop
            # all others.
            self._on_left_out(len(record.readings))
            loss = one_lost(Reason.UNREADABLE, record.kind, at_ms=record.at_ms)
            return self._gap(Gap(first=record.offset, last=record.offset, loss=loss), at_ms)
        if left_out:
            self._on_left_out(left_out)
        return message

    def _gap(self, gap: Gap, at_ms: int) -> Message:
        return self._node.data(translate.gap_metrics(gap, journal_id=self._journal_id), at_ms)


def _not_read_yet(point: str) -> Reading:
    return Reading(point=point, value=None, quality=Quality.STALE, at_ms=0, reason=NOT_READ_YET)
