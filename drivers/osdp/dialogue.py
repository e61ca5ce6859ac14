"""What is said with one reader: what to send next, and what its answer means. No line; time and chance are given.

A reader is probed in plain text, challenged, and proves that it has the key; only then anything that it says counts.
A command goes again, byte by byte, until its answer came: so the reader repeats its answer, and no card is lost or
counted twice. Whatever comes in plain text or with a wrong MAC meanwhile ends the session.
"""

import math
from collections import deque
from collections.abc import Callable
from enum import Enum

from drivers.osdp import channel as secure
from drivers.osdp import codec, replies
from drivers.osdp.channel import NotAuthentic, SecureChannel, SessionKeys
from drivers.osdp.codec import Block, Command, Frame, Malformed, Reply
from drivers.osdp.outputs import new_key
from drivers.osdp.replies import Card, Keys, LocalStatus
from drivers.osdp.standing import Order, Outcome, Security, Status

STATUS_EVERY_S = 5.0
_OUTPUTS_EVERY_S = 0.5
"""How often a reader is asked for its housing; and for its outputs, while one of them is on."""
_TRIES = 3
_BUSY_PAUSE_S = 0.1
_MOST_BUSY = 30
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 3.0)
"""How long until a reader that failed so often in a row is probed again."""
_STRANGERS_S = 30.0
_OUTPUT_CONTROL = 2
_OWN_KEY, _DEFAULT_KEY = 1, 0
_ACCEPTED = 1


class _Stage(Enum):
    PROBE = "probe"
    CHALLENGE = "challenge"
    PROOF = "proof"
    READY = "ready"


Happening = Card | Keys | LocalStatus


class Dialogue:
    """One reader. Whoever has the line calls `request`, sends it, and then `heard` or `unheard`; times are seconds.

    `key` and `install` are set before the line is opened. `random` gives bytes that nobody can guess.
    """

    def __init__(self, *, address: int, poll_s: float, random: Callable[[int], bytes]) -> None:
        self.address = address
        self.key: bytes | None = None
        self.install = False
        self.status = Status()
        self.due = 0.0
        self._poll_s = poll_s
        self._random = random
        self._stage = _Stage.PROBE
        self._sequence = 0
        self._sent: bytes | None = None
        self._tries = 0
        self._busy = 0
        self._failures = 0
        self._orders: deque[Order] = deque()
        self._current: Order | None = None
        self._routine: deque[Order] = deque()
        self._status_at = self._outputs_at = 0.0
        self._uses_default = False
        self._stranger_at = -math.inf
        self._panel_random = b""
        self._keys: SessionKeys | None = None
        self._proof = b""
        self._channel: SecureChannel | None = None

    @property
    def ready(self) -> bool:
        """Whether the secure channel stands, with the reader's own key."""
        return self._stage is _Stage.READY and not self._uses_default

    @property
    def urgent(self) -> bool:
        """Whether a command waits that can go out now."""
        return bool(self._orders) and self.ready and self._sent is None

    def order(self, order: Order) -> None:
        """Take a command; it goes out before the next poll. Ends as UNSENT at once where there is no secure channel."""
        if not self.ready:
            order.end(Outcome.UNSENT)
            return
        self._orders.append(order)

    def cancel(self, order: Order) -> bool:
        """Take a command back; False when it is on its way already."""
        if order not in self._orders:
            return False
        self._orders.remove(order)
        return True

    def begin(self, *, now: float) -> None:
        """Start over, because the line is new."""
        self._abandon()
        self._failures = 0
        self._uses_default = False
        self.status.online = None
        self.due = now
        if self.key is None:
            self.status.security = Security.NO_KEY
        elif self.status.security in {Security.SECURE, Security.NO_KEY}:
            self.status.security = Security.STARTING

    def request(self, *, now: float) -> bytes:
        """Give what to send now: something new, or once more what was not answered."""
        self._tries += 1
        if self._sent is None:
            self._sent = self._next(now)
        return self._sent

    def accepts(self, frame: Frame) -> bool:
        """Whether a frame is this reader's answer to what was sent last. Busy and NAK may have another number."""
        if not frame.is_reply or frame.address != self.address or self._sent is None:
            return False
        plain = not frame.block and frame.code in {Reply.BUSY, Reply.NAK}
        return frame.sequence == self._sequence or plain

    def heard(self, frame: Frame, *, now: float) -> tuple[Happening, ...] | None:
        """Take an answer and give what happened at the reader; None when it was none, so that the right one may come.

        A single frame with a wrong MAC may be an answer that came late, after its number has come round again. A second
        one soon after it is no accident.
        """
        self.status.online = True
        self.status.heard_at = now
        if frame.code == Reply.BUSY and not frame.block:
            self._busy += 1
            self.due = now + _BUSY_PAUSE_S
            if self._busy > _MOST_BUSY:
                self._restart(Security.DROPPED, now=now)
            return ()
        happened: tuple[Happening, ...] | None = ()
        match self._stage:
            case _Stage.PROBE:
                self._on_probed(now)
            case _Stage.CHALLENGE:
                self._on_challenged(frame, now)
            case _Stage.PROOF:
                self._on_proven(frame, now)
            case _Stage.READY:
                happened = self._on_secured(frame, now)
        return happened

    def unheard(self, *, now: float) -> bool:
        """Say that no answer came in time; gives whether the reader is given up for now."""
        if self._stage is not _Stage.PROBE and self._tries < _TRIES:
            self.due = now
            return False
        self._abandon()
        self.status.online = False
        if self.status.security is Security.SECURE:
            self.status.security = Security.STARTING
        self._pause(now)
        return True

    def end(self) -> None:
        """End every command, because the line is gone."""
        self._abandon()

    def _next(self, now: float) -> bytes:
        default = self._uses_default
        match self._stage:
            case _Stage.PROBE:
                self._sequence = 0
                return self._plain(Command.ID, b"\x00")
            case _Stage.CHALLENGE:
                self._panel_random = self._random(secure.RANDOM_BYTES)
                return self._plain(Command.CHLNG, self._panel_random, block=_block(Block.CHALLENGE, default=default))
            case _Stage.PROOF:
                return self._plain(Command.SCRYPT, self._proof, block=_block(Block.SERVER_CRYPTOGRAM, default=default))
        self._current = self._pick(now)
        if self._channel is None:
            raise RuntimeError("a reader is ready without a secure channel")
        order = self._current
        return self._channel.wrap(address=self.address, sequence=self._sequence, code=order.code, data=order.data)

    def _plain(self, code: Command, data: bytes, *, block: bytes = b"") -> bytes:
        return codec.build(address=self.address, sequence=self._sequence, code=code, data=data, block=block)

    def _pick(self, now: float) -> Order:
        if self._uses_default and self.key is not None:
            code, data = new_key(self.key)
            return Order(code=code, data=data)
        if self._orders:
            return self._orders.popleft()
        if self._routine:
            return self._routine.popleft()
        if now >= self._status_at:
            self._status_at = now + STATUS_EVERY_S
            if self.status.capabilities.get(_OUTPUT_CONTROL, (0, 0))[1]:
                self._outputs_at = now
            return Order(code=Command.LSTAT)
        if now >= self._outputs_at:
            self._outputs_at = math.inf
            return Order(code=Command.OSTAT)
        return Order(code=Command.POLL)

    def _advance(self, stage: _Stage, now: float) -> None:
        """Go on after an answer: the next command has the next number, and 0 is only for the first."""
        self._stage = stage
        self._sent = None
        self._tries = self._busy = 0
        self._sequence = self._sequence % 3 + 1
        self.due = now

    def _on_probed(self, now: float) -> None:
        """Whatever it answers in plain text, it is there; nothing else of it is believed."""
        self._advance(_Stage.CHALLENGE, now)

    def _on_challenged(self, frame: Frame, now: float) -> None:
        key = secure.DEFAULT_KEY if self._uses_default else self.key
        if key is None or frame.code != Reply.CCRYPT or frame.block[:1] != bytes([Block.CLIENT_CRYPTOGRAM]):
            self._refuse(Security.PLAIN, now)
            return
        if frame.block[1:] == bytes([_DEFAULT_KEY]) and not self._uses_default:
            self._refuse(Security.DEFAULT_KEY, now)
            return
        reader_random, cryptogram = frame.data[8:16], frame.data[16:]
        keys = secure.session_keys(key, self._panel_random)
        if len(frame.data) != 32 or not secure.same(  # noqa: PLR2004 - 8 of name, 8 of chance, 16 of proof
            cryptogram, secure.client_cryptogram(keys, self._panel_random, reader_random)
        ):
            self._refuse(Security.WRONG_KEY, now)
            return
        self._keys = keys
        self._proof = secure.server_cryptogram(keys, self._panel_random, reader_random)
        self._advance(_Stage.PROOF, now)

    def _on_proven(self, frame: Frame, now: float) -> None:
        if self._keys is None or frame.code != Reply.RMAC_I or frame.block[:1] != bytes([Block.FIRST_MAC]):
            self._refuse(Security.PLAIN, now)
            return
        first = secure.first_mac(self._keys, self._proof)
        if frame.block[1:] != bytes([_ACCEPTED]) or not secure.same(first, frame.data):
            self._refuse(Security.WRONG_KEY, now)
            return
        self._channel = SecureChannel(self._keys, first=first)
        self._advance(_Stage.READY, now)
        self._failures = 0
        self._stranger_at = -math.inf
        self.status.forget()
        if self._uses_default:
            self.status.security = Security.INSTALLING
            return
        self.status.security = Security.SECURE
        self.status.sessions += 1
        self._status_at = now
        self._outputs_at = math.inf
        self._routine = deque([Order(code=Command.ID, data=b"\x00"), Order(code=Command.CAP, data=b"\x00")])

    def _on_secured(self, frame: Frame, now: float) -> tuple[Happening, ...] | None:
        if self._channel is None or self._current is None:
            raise RuntimeError("an answer came to nothing")
        if not frame.block:
            lost = Security.DROPPED if frame.code == Reply.NAK else Security.PLAIN
            self._restart(lost, now=now)
            return ()
        try:
            data = self._channel.unwrap(frame)
        except NotAuthentic:
            return self._on_stranger(now)
        order, self._current = self._current, None
        if self._uses_default:
            self._on_key_set(accepted=frame.code == Reply.ACK, now=now)
            return ()
        self._advance(_Stage.READY, now)
        if not (self._orders or self._routine):
            self.due = now + self._poll_s
        if frame.code == Reply.NAK:
            order.end(Outcome.REFUSED, data[0] if data else 0)
            return ()
        order.end(Outcome.DONE)
        if order.code is Command.OUT:
            self._outputs_at = now  # the read-back wants to know
        try:
            return self._take(frame.code, data, now)
        except Malformed:  # it is the reader's own, so its fault is no attack
            self.status.refusals += 1
            return ()

    def _on_stranger(self, now: float) -> tuple[Happening, ...] | None:
        """Pass over one frame with a wrong MAC; end the session at a second one."""
        again, self._stranger_at = now - self._stranger_at < _STRANGERS_S, now
        if not again:
            self.status.refusals += 1
            return None
        self._restart(Security.FORGED, now=now)
        return ()

    def _take(self, code: int, data: bytes, now: float) -> tuple[Happening, ...]:
        status = self.status
        match code:
            case Reply.RAW:
                card = replies.card(data)
                status.cards += 1
                return (card,)
            case Reply.KEYPAD:
                return (replies.keys(data),)
            case Reply.LSTATR:
                local = replies.local_status(data)
                before = status.tamper, status.power_failure
                status.tamper, status.power_failure = local.tamper, local.power_failure
                return (local,) if before != (local.tamper, local.power_failure) else ()
            case Reply.RSTATR:
                status.head_tamper = replies.reader_tamper(data)
            case Reply.OSTATR:
                status.outputs = replies.outputs(data)
                self._outputs_at = now + _OUTPUTS_EVERY_S if any(status.outputs) else math.inf
            case Reply.PDID:
                status.identity = replies.identity(data)
            case Reply.PDCAP:
                status.capabilities = replies.capabilities(data)
            case Reply.FMT:
                raise Malformed("cards as characters are not understood: set the reader to raw bits")
        return ()

    def _on_key_set(self, *, accepted: bool, now: float) -> None:
        """Begin again with the reader's own key; a reader that does not take it stays without."""
        self._uses_default = False
        if accepted:
            self._abandon()
            self.due = now
            return
        self._restart(Security.DEFAULT_KEY, now=now)

    def _refuse(self, why: Security, now: float) -> None:
        """Have nothing to do with a reader that did not prove itself; install mode tries the default key once."""
        tries_default = self.install and self.key is not None and not self._uses_default
        self._uses_default = tries_default
        if tries_default:
            self._abandon()
            self.due = now
            return
        self._restart(Security.NO_KEY if self.key is None else why, now=now)

    def _restart(self, why: Security, *, now: float) -> None:
        self._abandon()
        self._uses_default = False
        self.status.security = why
        self.status.refusals += 1
        self._pause(now)

    def _pause(self, now: float) -> None:
        self.due = now + _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1

    def _abandon(self) -> None:
        """Forget the session and end what was under way."""
        current, self._current = self._current, None
        waiting, self._orders = list(self._orders), deque()
        self._stage = _Stage.PROBE
        self._sent = None
        self._tries = self._busy = 0
        self._routine.clear()
        self._channel = self._keys = None
        self._proof = self._panel_random = b""
        self.status.forget()
        if current is not None:
            current.end(Outcome.UNKNOWN)
        for order in waiting:
            order.end(Outcome.UNSENT)


def _block(kind: Block, *, default: bool) -> bytes:
    return bytes([kind, _DEFAULT_KEY if default else _OWN_KEY])
