"""The connection to the broker: carries out what the session says, and hands on what the cloud says."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, assert_never

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from drivers.api import Value
from edge.commands import TOKEN_EVERY_S, MalformedCommand, Request, TokenBook, read_request
from edge.journal import Journal
from edge.journal_file import JournalFull
from edge.messenger import Messenger
from edge.session import Action, PublishGap, PublishRecord, Session
from runtime.cancellation import honour_cancellation
from runtime.health import Check, Status
from runtime.lifecycle import Backoff, wait_or
from runtime.logs import get_log
from runtime.mqtt_client import MqttClient
from wire import contract
from wire.contract import JournalPosition
from wire.edge_node import SEQ_MODULUS, Command
from wire.errors import WireError
from wire.payload import Message
from wire.primary_host import PrimaryHost, Step
from wire.topic import node_filters

_TICK_S = 0.25
_READ_AT_ONCE = 64
_GOODBYE_S = 2.0
_INCOMING = 10_000
"""Commands that may wait; those of one cloud never come close."""
_REFUSED_SUBSCRIPTION = 0x80
_ANSWER = timedelta(seconds=10)
"""How long the broker may take for anything, a connection or a publish."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are to it. `password` is read at each attempt; OSError when it cannot be."""

    host: str
    port: int
    username: str | None
    password: Callable[[], str | None]
    tls: Callable[[], ssl.SSLContext] | None
    keepalive: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """The primary host to wait for, and the brokers beside the first one at which it may be found.

    Our own cloud needs none: its acknowledgements say more than a STATE. It is for hosts of others, which acknowledge
    nothing: a record counts as delivered once `look_back` (1 to 200) more were published while the host was online.
    After each connection what does not count yet is sent again, as historical. That is best effort.
    """

    host_id: str
    others: tuple[BrokerAddress, ...] = ()
    patience: timedelta = timedelta(seconds=10)
    look_back: int = 100


class PublisherListener(Protocol):
    """What the publisher tells the agent's figures."""

    def on_connect(self, *, result: str) -> None:
        """Count one attempt to connect: `ok`, `refused` or `failed`."""
        ...

    def on_published(self, message_type: str) -> None:
        """Count one message."""
        ...

    def on_malformed(self) -> None:
        """Count one NCMD or DCMD that could not be read."""
        ...

    def bus_figures(self) -> Mapping[str, Value | None]:
        """Give how the buses did since the last call, by metric."""
        ...


class _Denied(Exception):
    """The broker took the connection and refuses a subscription."""


class _Moved(Exception):
    """Another broker is to be used from now on."""


class _HostAway(Exception):
    """The primary host is not where we are."""


class Publisher:
    """One agent's side of the broker, over any number of connections. It alone publishes, so `seq` is in order.

    `clock` is Unix time in milliseconds, `monotonic` in seconds; `new_token` draws a random token. With `following`
    nothing is published before that host is online, and where it is offline we do not stay.
    """

    def __init__(
        self,
        *,
        address: BrokerAddress,
        group: str,
        node: str,
        messenger: Messenger,
        session: Session,
        journal: Journal,
        tokens: TokenBook,
        new_token: Callable[[], str],
        accept: Callable[[Request], None],
        listener: PublisherListener,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        backoff: Backoff,
        following: Following | None = None,
    ) -> None:
        self._follow(address, following)
        self._group = group
        self._node = node
        self._messenger = messenger
        self._session = session
        self._journal = journal
        self._tokens = tokens
        self._new_token = new_token
        self._accept = accept
        self._listener = listener
        self._clock = clock
        self._monotonic = monotonic
        self._backoff = backoff
        self._actions: deque[Action] = deque()
        self._asked_documents: deque[str] = deque()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._again = asyncio.Event()
        self._token = ""
        self._token_due = 0.0
        self._bd_seq = 0
        self._check = Check(status=Status.DEGRADED, detail="not connected yet")
        self._log = get_log("edge.publisher")

    def check(self) -> Check:
        """Say how the connection does; without it the agent still polls and journals."""
        return self._check

    def push(self, actions: Iterable[Action] = ()) -> None:
        """Carry out actions of the session after those that wait; without any, look for new records."""
        self._actions.extend(actions)
        self._wake.set()

    def move(self, address: BrokerAddress, following: Following | None = None) -> None:
        """Use another broker, or the same in another way: NDEATH is published on a connection that stands."""
        self._follow(address, following)
        self._moved.set()
        self.hurry()

    def _follow(self, address: BrokerAddress, following: Following | None) -> None:
        self._following = following
        self._addresses: tuple[BrokerAddress, ...] = (address,)
        self._primary: PrimaryHost | None = None
        if following is not None:
            self._addresses = (address, *following.others)
            self._primary = PrimaryHost(
                host_id=following.host_id,
                servers=len(self._addresses),
                patience_s=following.patience.total_seconds(),
            )

    @property
    def _address(self) -> BrokerAddress:
        return self._addresses[0 if self._primary is None else self._primary.server]

    def hurry(self) -> None:
        """End the pause before the next attempt to connect, if there is one."""
        self._again.set()

    async def run(self) -> None:
        """Keep the connection until cancelled; then NDEATH is published."""
        while True:
            self._moved.clear()
            self._again.clear()
            try:
                await self._connect_once()
            except* MqttConnectError as errors:
                self._lost("refused", f"the broker refuses: {_first(errors)}; check `username` and `password_file`")
            except* _Denied as errors:
                self._lost("refused", _first(errors))
            except* _HostAway as errors:
                self._lost("left", _first(errors))
            except* _Moved:
                self._backoff.reset()
                self._lost("moved", "another broker is configured")
            except* (aiomqtt.MqttError, OSError) as errors:
                self._lost("failed", f"{self._address.host}:{self._address.port}: {_first(errors)}")
            honour_cancellation()  # the library's disconnect may have failed and hidden it behind its error
            await wait_or(self._again, self._backoff.next_pause().total_seconds())

    def _lost(self, result: str, why: str) -> None:
        was_up = self._session.is_connected
        self._session.disconnected()
        self._actions.clear()
        self._asked_documents.clear()
        if not was_up:
            self._listener.on_connect(result=result)
        if was_up or why != self._check.detail:
            self._log.warning("no broker", reason=why, broker=f"{self._address.host}:{self._address.port}")
        self._check = Check(status=Status.DEGRADED, detail=why)
        if self._primary is not None and result != "moved":
            self._primary.disconnected()

    async def _connect_once(self) -> None:
        will = self._messenger.connect(await self._next_bd_seq(), at_ms=self._clock())
        client = MqttClient(
            hostname=self._address.host,
            port=self._address.port,
            username=self._address.username,
            password=self._address.password(),
            identifier=f"linli-edge-{self._group}-{self._node}",
            will=aiomqtt.Will(will.topic, will.payload, qos=will.qos, retain=will.retain),
            clean_session=True,
            max_queued_incoming_messages=_INCOMING,
            keepalive=int(self._address.keepalive.total_seconds()),
            timeout=_ANSWER.total_seconds(),
            tls_context=None if self._address.tls is None else self._address.tls(),
        )
        # One task publishes, and waits for each; aiomqtt warns from its eleventh pending call on.
        client.pending_calls_threshold = 10_000
        async with client:
            filters = [(name, 1) for name in node_filters(self._group, self._node)]
            if self._primary is not None:
                filters.append((self._primary.topic, 1))
            granted = await client.subscribe(filters)
            if any(_code(one) >= _REFUSED_SUBSCRIPTION for one in granted):
                raise _Denied("the broker does not let this user subscribe to its commands; correct its ACL")
            if self._primary is None:
                self._begin()
            else:
                self._primary.connected(now=self._monotonic())
                self._check = Check(status=Status.DEGRADED, detail=f"waits for {self._primary.topic} to be online")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client), name="publisher:receive")
                tasks.create_task(self._until_moved(), name="publisher:until moved")
                # In the body, because Python 3.11 leaves this task marked as cancelled when a child fails after the
                # body.
                await self._send(client)

    async def _until_moved(self) -> None:
        await self._moved.wait()
        raise _Moved

    async def _next_bd_seq(self) -> int:
        try:
            self._bd_seq = await self._journal.next_bdseq()
        except JournalFull:
            # On a full disk the number lives in memory: a connection without one is worse than one that may repeat
            # after a restart.
            self._bd_seq = (self._bd_seq + 1) % SEQ_MODULUS
        return self._bd_seq

    def _begin(self) -> None:
        self._actions.clear()
        self._asked_documents.clear()
        self._renew_token()
        self.push(self._session.connected(now=self._monotonic()))
        self._check = Check(status=Status.OK)
        self._listener.on_connect(result="ok")
        self._backoff.reset()
        self._log.info("connected to the broker", bd_seq=self._bd_seq)

    def _renew_token(self) -> None:
        now = self._monotonic()
        self._token = self._new_token()
        self._token_due = now + TOKEN_EVERY_S
        self._tokens.issue(self._token, now=now)

    async def _send(self, client: aiomqtt.Client) -> None:
        try:
            while True:
                await self._send_what_is_due(client)
                honour_cancellation()
        except asyncio.CancelledError:
            # Either the agent stops, or the connection is gone; in the latter case this fails at once, and the will
            # is sent.
            if self._messenger.is_born:
                with suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(_GOODBYE_S):
                        await self._publish(client, self._messenger.farewell(at_ms=self._clock()))
            raise

    async def _send_what_is_due(self, client: aiomqtt.Client) -> None:
        self._wake.clear()
        if self._primary is not None and not self._primary.may_publish:
            self._do(self._primary.tick(now=self._monotonic()))
            await wait_or(self._wake, _TICK_S)
            return
        while self._actions:
            action = self._actions.popleft()
            place = (self._session.acknowledged + 1, self._session.last)
            message = self._messenger.message(action, place=place, token=self._token, at_ms=self._clock())
            await self._publish(client, message)
            if self._following is not None:
                await self._forget_delivered(action, keep=self._following.look_back)
        while self._asked_documents:
            document = self._messenger.document(self._asked_documents.popleft(), at_ms=self._clock())
            if document is not None:
                await self._publish(client, document)
        now = self._monotonic()
        if now >= self._token_due:
            self._renew_token()
            await self._publish(
                client, self._messenger.token(self._token, self._listener.bus_figures(), at_ms=self._clock())
            )
        if self._following is None:
            self._session.tick(now=now)  # who waits for no answer sends nothing again for lack of one
        wanted = self._session.wants()
        if wanted is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            return
        try:
            entries = await self._journal.read(after=wanted.after, limit=min(wanted.limit, _READ_AT_ONCE))
        except JournalFull as error:
            self._log.warning("the journal cannot be read now", reason=str(error))
            await asyncio.sleep(_TICK_S)
            return
        self._actions.extend(self._session.publish(entries))

    async def _forget_delivered(self, action: Action, *, keep: int) -> None:
        """Take for acknowledged what lies at least `keep` records behind; now and then, as each time costs a write."""
        match action:
            case PublishRecord(record=record):
                offset = record.offset - keep
            case PublishGap(gap=gap):
                offset = gap.last - keep
            case _:
                return
        if offset >= self._session.acknowledged + keep:
            await self._on_acknowledgement(JournalPosition(journal_id=self._journal.journal_id, offset=offset))

    async def _publish(self, client: aiomqtt.Client, message: Message) -> None:
        await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        self._listener.on_published(message.topic.split("/")[2])

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if self._primary is not None and str(message.topic) == self._primary.topic:
                self._do(self._primary.receive(self._primary.topic, message.payload))
                continue
            if not self._messenger.is_born:
                continue  # the subscription stands before the birth; what comes meanwhile is for an earlier session
            payload = message.payload
            try:
                command = self._messenger.read_command(str(message.topic), payload)
                if command.device is None:
                    await self._on_node_command(command)
                else:
                    self._accept(read_request(command))
            except (WireError, MalformedCommand) as error:
                self._listener.on_malformed()
                self._log.warning("malformed command", topic=str(message.topic), reason=str(error), bytes=len(payload))

    def _do(self, step: Step | None) -> None:
        match step:
            case Step.BIRTH:
                self._begin()
            case Step.LEAVE:
                raise _HostAway("the primary host is not online at this broker")
            case None:
                pass
            case _:
                assert_never(step)

    async def _on_node_command(self, command: Command) -> None:
        for metric in command.metrics:
            if metric.name == contract.JOURNAL_ACK:
                await self._on_acknowledgement(JournalPosition.parse(str(metric.value)))
            elif metric.name == contract.PROFILE_REQUEST and len(self._asked_documents) < _READ_AT_ONCE:
                self._asked_documents.append(str(metric.value))
                self._wake.set()
        if command.asks_rebirth:
            self._log.info("the host asks for a rebirth")
            # What waits here belongs to the old births, and the session sends it again after the new ones.
            self._actions.clear()
            self.push(self._session.rebirth(now=self._monotonic()))

    async def _on_acknowledgement(self, position: JournalPosition) -> None:
        try:
            taken = await self._journal.acknowledge(position.journal_id, position.offset)
        except JournalFull as error:
            self._log.warning("the journal cannot be truncated now", reason=str(error))
            return
        if taken:
            self.push(self._session.acknowledge(position.offset, now=self._monotonic()))


def _first(errors: BaseExceptionGroup[BaseException]) -> str:
    """Give the words of the first error, and of what caused it: a lost connection is told by its cause only."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"


def _code(granted: object) -> int:
    value = getattr(granted, "value", granted)  # a plain number in MQTT 3.1.1, a reason code in 5
    return value if isinstance(value, int) else _REFUSED_SUBSCRIPTION
