"""What is said with one reader, on a clock of the test's own: turns, back-off, and what ends a session."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.osdp import codec
from drivers.osdp.bus import choose, next_due
from drivers.osdp.codec import Command, Frame, Reply
from drivers.osdp.dialogue import Dialogue
from drivers.osdp.standing import SILENT_AFTER_S, Order, Outcome, Security
from simulators.osdp import frames
from simulators.osdp.secure import ReaderSession

KEY = bytes(range(16))


@dataclass
class Talk:
    """A dialogue, and a reader that answers in the simplest way."""

    dialogue: Dialogue
    now: float = 0.0
    session: ReaderSession | None = None
    said: list[int] = field(default_factory=list)
    outcomes: list[tuple[Outcome, int]] = field(default_factory=list)

    def hear(self) -> frames.Heard:
        """Take what the panel sends now."""
        [heard] = frames.Splitter().feed(self.dialogue.request(now=self.now))
        self.said.append(heard.code)
        return heard

    def answer(self, heard: frames.Heard, code: int, data: bytes = b"", block: bytes = b"") -> Frame:
        """Answer in plain text, or by the session where there is one."""
        if self.session is not None and self.session.open and not block and heard.block[:1] in {b"\x15", b"\x17"}:
            self.session.opened(heard.signed, heard.mac, heard.data, encrypted=heard.block == b"\x17")
            hidden = self.session.hidden(data) if data else b""
            signed = frames.unsigned(1, heard.number, code, hidden, b"\x18" if data else b"\x16", mac=4)
            return read(frames.sealed(signed + self.session.signature(signed)))
        return read(frames.sealed(frames.unsigned(1, heard.number, code, data, block)))

    def tell(self, frame: Frame) -> tuple[object, ...] | None:
        assert self.dialogue.accepts(frame)
        return self.dialogue.heard(frame, now=self.now)

    def secure(self) -> None:
        """Set up the secure channel, and answer ID, CAP and LSTAT."""
        self.tell(self.answer(self.hear(), Reply.PDID, bytes(12)))
        challenge = self.hear()
        self.session = ReaderSession(KEY, panel_random=challenge.data, own_random=bytes(8))
        data = bytes(8) + bytes(8) + self.session.answer()
        self.tell(self.answer(challenge, Reply.CCRYPT, data, b"\x12\x01"))
        proof = self.hear()
        self.tell(self.answer(proof, Reply.RMAC_I, self.session.accept(proof.data), b"\x14\x01"))
        assert self.dialogue.ready
        for code, data in ((Reply.PDID, bytes(12)), (Reply.PDCAP, bytes([9, 1, 0])), (Reply.LSTATR, bytes(2))):
            self.tell(self.answer(self.hear(), code, data))

    def order(self, code: Command = Command.LED) -> Order:
        order = Order(code=code, data=b"x", ended=lambda outcome, why: self.outcomes.append((outcome, why)))
        self.dialogue.order(order)
        return order


def read(data: bytes) -> Frame:
    frame = codec.take(bytearray(data))
    assert frame is not None
    return frame


def talk(*, key: bytes | None = KEY, address: int = 1) -> Talk:
    dialogue = Dialogue(address=address, poll_s=0.1, random=lambda size: bytes(range(size)))
    dialogue.key = key
    dialogue.begin(now=0.0)
    return Talk(dialogue=dialogue)


def test_nothing_is_asked_before_the_reader_has_proven_itself() -> None:
    one = talk()
    one.secure()
    assert one.said == [Command.ID, Command.CHLNG, Command.SCRYPT, Command.ID, Command.CAP, Command.LSTAT]
    assert one.hear().code == Command.POLL


def test_numbers_begin_with_0_and_go_round_from_1_to_3() -> None:
    one = talk()
    numbers = []
    take = one.hear

    def hear() -> frames.Heard:
        heard = take()
        numbers.append(heard.number)
        return heard

    one.hear = hear  # type: ignore[method-assign]
    one.secure()
    assert numbers == [0, 1, 2, 3, 1, 2]


def test_what_was_not_answered_goes_again_byte_by_byte_and_then_the_reader_is_given_up() -> None:
    one = talk()
    one.secure()
    order = one.order()
    first = one.dialogue.request(now=1.0)
    assert not one.dialogue.unheard(now=1.2)
    assert one.dialogue.request(now=1.2) == first
    assert not one.dialogue.unheard(now=1.4)
    assert one.dialogue.request(now=1.4) == first
    assert one.dialogue.unheard(now=1.6)
    assert one.dialogue.status.online is False
    assert one.outcomes == [(Outcome.UNKNOWN, 0)]
    assert not one.dialogue.cancel(order)


def test_a_silent_reader_is_probed_ever_more_seldom() -> None:
    one = talk()
    gaps = []
    for _ in range(7):
        one.now = one.dialogue.due
        one.hear()
        assert one.dialogue.unheard(now=one.now)
        gaps.append(one.dialogue.due - one.now)
    assert gaps == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize("code", [Reply.ACK, Reply.RAW, Reply.KEYPAD, Reply.LSTATR])
def test_plain_text_in_a_session_ends_it_and_is_not_believed(code: Reply) -> None:
    one = talk()
    one.secure()
    heard = one.hear()
    card = bytes.fromhex("00011a002c1a3f00")
    assert one.tell(read(frames.sealed(frames.unsigned(1, heard.number, code, card)))) == ()
    assert (one.dialogue.ready, one.dialogue.status.security) == (False, Security.PLAIN)
    assert one.dialogue.status.tamper is None


def test_one_late_answer_is_passed_over_and_a_second_ends_the_session() -> None:
    one = talk()
    one.secure()
    late = one.answer(one.hear(), Reply.RAW, bytes.fromhex("00011a002c1a3f00"))
    assert one.tell(late) != ()
    for _ in range(2):
        one.tell(one.answer(one.hear(), Reply.ACK))
    for now, passed_over in ((100.0, True), (140.0, True), (150.0, False)):
        one.now = now
        heard = one.hear()
        assert (one.tell(late) is None) is passed_over
        if passed_over:
            assert one.tell(one.answer(heard, Reply.ACK)) == ()
            for _ in range(2):
                one.tell(one.answer(one.hear(), Reply.ACK))
    assert (one.dialogue.ready, one.dialogue.status.security) == (False, Security.FORGED)
    assert one.dialogue.status.cards == 1


def test_a_reader_that_started_again_is_challenged_at_once() -> None:
    one = talk()
    one.secure()
    one.now = 50.0
    heard = one.hear()
    one.tell(read(frames.sealed(frames.unsigned(1, heard.number, Reply.NAK, b"\x06"))))
    assert (one.dialogue.status.security, one.dialogue.due) == (Security.DROPPED, 50.0)
    one.session = None
    one.secure()
    assert (one.dialogue.status.security, one.dialogue.status.sessions) == (Security.SECURE, 2)


def test_frames_of_others_and_of_before_are_not_accepted() -> None:
    one = talk()
    one.secure()
    heard = one.hear()
    right = read(frames.sealed(frames.unsigned(1, heard.number, Reply.ACK, b"", b"\x16", mac=4) + bytes(4)))
    assert one.dialogue.accepts(right)
    for address, number in ((2, heard.number), (1, (heard.number + 1) % 4)):
        other = frames.sealed(frames.unsigned(address, number, Reply.ACK, b"", b"\x16", mac=4) + bytes(4))
        assert not one.dialogue.accepts(read(other))
    echo = codec.build(address=1, sequence=heard.number, code=Command.POLL)
    assert not one.dialogue.accepts(read(echo))


def test_commands_go_before_polls_and_one_that_waits_can_be_taken_back() -> None:
    one = talk()
    one.secure()
    first, second = one.order(), one.order(Command.BUZ)
    assert one.dialogue.cancel(second)
    assert one.dialogue.urgent
    one.tell(one.answer(one.hear(), Reply.ACK))
    assert one.said[-1] == Command.LED
    assert one.outcomes == [(Outcome.DONE, 0)]
    assert not one.dialogue.cancel(first)
    assert one.hear().code == Command.POLL


def test_a_refusal_is_told_with_its_code() -> None:
    one = talk()
    one.secure()
    one.order()
    one.tell(one.answer(one.hear(), Reply.NAK, b"\x09"))
    assert one.outcomes == [(Outcome.REFUSED, 9)]
    assert one.dialogue.ready


def test_without_a_secure_channel_no_command_goes_out() -> None:
    one = talk()
    one.order()
    assert one.outcomes == [(Outcome.UNSENT, 0)]
    one.secure()
    one.order()
    one.dialogue.end()
    assert one.outcomes[1:] == [(Outcome.UNSENT, 0)]


def test_a_reader_that_is_busy_too_long_is_started_over() -> None:
    one = talk()
    one.secure()
    first = one.dialogue.request(now=0.0)
    for _ in range(30):
        one.tell(read(frames.sealed(frames.unsigned(1, 0, Reply.BUSY, b""))))
        assert one.dialogue.request(now=0.0) == first
    one.tell(read(frames.sealed(frames.unsigned(1, 0, Reply.BUSY, b""))))
    assert not one.dialogue.ready


def test_a_reply_of_a_wrong_form_is_counted_and_ends_nothing() -> None:
    one = talk()
    one.secure()
    assert one.tell(one.answer(one.hear(), Reply.RAW, b"\x00\x01\x1a\x00")) == ()
    assert (one.dialogue.ready, one.dialogue.status.refusals, one.dialogue.status.cards) == (True, 1, 0)


def test_a_challenge_that_comes_back_is_no_proof() -> None:
    one = talk()
    one.tell(one.answer(one.hear(), Reply.PDID, bytes(12)))
    challenge = one.hear()
    one.tell(one.answer(challenge, Reply.CCRYPT, challenge.data + bytes(24), b"\x12\x01"))
    assert one.dialogue.status.security is Security.WRONG_KEY


def test_a_first_mac_that_is_not_the_right_one_is_refused() -> None:
    for block, first in ((b"\x14\x01", bytes(16)), (b"\x14\x00", None), (b"\x14\xff", None)):
        one = talk()
        one.tell(one.answer(one.hear(), Reply.PDID, bytes(12)))
        challenge = one.hear()
        session = ReaderSession(KEY, panel_random=challenge.data, own_random=bytes(8))
        one.tell(one.answer(challenge, Reply.CCRYPT, bytes(16) + session.answer(), b"\x12\x01"))
        proof = one.hear()
        right = session.accept(proof.data)
        one.tell(one.answer(proof, Reply.RMAC_I, right if first is None else first, block))
        assert (one.dialogue.ready, one.dialogue.status.security) == (False, Security.WRONG_KEY)


@settings(max_examples=300)
@given(
    st.integers(0, 3),
    st.lists(
        st.tuples(
            st.sampled_from([*Reply, 0x00, 0xFF]),
            st.binary(max_size=48),
            st.sampled_from([b"", b"\x12\x01", b"\x12\x00", b"\x14\x01", b"\x16", b"\x18", b"\x15", b"\x99"]),
        ),
        max_size=8,
    ),
)
def test_whatever_a_reader_says_the_dialogue_goes_on_and_believes_none_of_it(
    answered: int, said: list[tuple[int, bytes, bytes]]
) -> None:
    one = talk()
    if answered == 3:
        one.secure()
    elif answered:
        one.tell(one.answer(one.hear(), Reply.PDID, bytes(12)))
    for code, data, block in said:
        heard = one.hear()
        macs = 4 if block[:1] in {b"\x15", b"\x16", b"\x17", b"\x18"} else 0
        built = frames.unsigned(1, heard.number, code, data, block, mac=macs) + bytes(macs)
        frame = read(frames.sealed(built))
        if one.dialogue.accepts(frame):
            assert not one.tell(frame)
            assert not one.dialogue.ready or block or code == Reply.BUSY
        one.now += 5.0
    assert one.dialogue.status.cards == 0


def test_turns_go_to_commands_then_to_whoever_waits_longest() -> None:
    first, second = talk(address=1), talk(address=1)
    first.secure()
    second.secure()
    first.dialogue.due, second.dialogue.due = 5.0, 4.0
    both = [first.dialogue, second.dialogue]
    assert choose(both, now=3.0, rests_until=0.0) is None
    assert next_due(both, rests_until=0.0) == 4.0
    assert choose(both, now=6.0, rests_until=0.0) is second.dialogue
    first.order()
    assert choose(both, now=3.0, rests_until=0.0) is first.dialogue


def test_silent_readers_rest_while_others_are_served() -> None:
    live, dead = talk(), talk()
    live.secure()
    dead.hear()
    dead.dialogue.unheard(now=1.0)
    live.dialogue.due, dead.dialogue.due = 3.0, 1.0
    both = [live.dialogue, dead.dialogue]
    assert choose(both, now=2.0, rests_until=2.5) is None
    assert next_due(both, rests_until=2.5) == 2.5
    assert choose(both, now=2.5, rests_until=2.5) is dead.dialogue
    assert choose([dead.dialogue], now=2.0, rests_until=2.5) is dead.dialogue


def test_a_reader_may_be_quiet_no_longer_than_the_standard_allows() -> None:
    assert SILENT_AFTER_S == 8.0
