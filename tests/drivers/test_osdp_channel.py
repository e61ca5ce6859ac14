"""The secure channel: the standard's worked example, and a reader written without the driver's code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.osdp import channel, codec
from drivers.osdp.channel import NotAuthentic, SecureChannel
from drivers.osdp.codec import Frame, Reply
from simulators.osdp import frames as simulated
from simulators.osdp.secure import ReaderSession, Unproven

# SIA OSDP 2.2, Annex E, as the unit tests of goToMain/libosdp have it (tests/unit-tests/test-sc-sia-vectors.c).
PANEL_RANDOM = bytes.fromhex("B0B1B2B3B4B5B6B7")
READER_RANDOM = bytes.fromhex("A0A1A2A3A4A5A6A7")
MAC_1 = bytes.fromhex("5E86C676603BDEE2D8BEAFE178637332")
MAC_2 = bytes.fromhex("6FDA86E857777E81132035758239172E")
DATA = bytes.fromhex("BF8DC2A8329ACB8C67C6D0CD9A451682")
SERVER = bytes.fromhex("26D3356E07762D262801FC8E6665A891")
CLIENT = bytes.fromhex("FDE5D2F428EC16312471EA3C02BD7796")
FIRST = bytes.fromhex("B2A30057EB98BA2229EC1F875662B524")
KEY = bytes(range(16))


def test_the_standards_example() -> None:
    keys = channel.session_keys(channel.DEFAULT_KEY, PANEL_RANDOM)
    assert (keys.data, keys.mac_1, keys.mac_2) == (DATA, MAC_1, MAC_2)
    assert channel.client_cryptogram(keys, PANEL_RANDOM, READER_RANDOM) == CLIENT
    assert channel.server_cryptogram(keys, PANEL_RANDOM, READER_RANDOM) == SERVER
    assert channel.first_mac(keys, SERVER) == FIRST


def test_the_simulated_reader_agrees_with_the_standards_example() -> None:
    session = ReaderSession(channel.DEFAULT_KEY, panel_random=PANEL_RANDOM, own_random=READER_RANDOM)
    assert session.answer() == CLIENT
    assert session.accept(SERVER) == FIRST
    with pytest.raises(Unproven):
        ReaderSession(channel.DEFAULT_KEY, panel_random=PANEL_RANDOM, own_random=READER_RANDOM).accept(CLIENT)


def test_keys_are_in_no_repr() -> None:
    keys = channel.session_keys(KEY, PANEL_RANDOM)
    assert keys.data.hex() not in repr(keys)
    assert str(keys.data) not in repr(keys)


class Pair:
    """A panel's channel and a reader's session that have proven themselves to each other."""

    def __init__(self) -> None:
        self.reader = ReaderSession(KEY, panel_random=PANEL_RANDOM, own_random=READER_RANDOM)
        keys = channel.session_keys(KEY, PANEL_RANDOM)
        proof = channel.server_cryptogram(keys, PANEL_RANDOM, READER_RANDOM)
        assert self.reader.answer() == channel.client_cryptogram(keys, PANEL_RANDOM, READER_RANDOM)
        self.panel = SecureChannel(keys, first=self.reader.accept(proof))
        self.number = 0

    def command(self, data: bytes = b"") -> bytes:
        self.number = self.number % 3 + 1
        return self.panel.wrap(address=5, sequence=self.number, code=0x60, data=data)

    def hear(self, command: bytes) -> bytes:
        [heard] = simulated.Splitter().feed(command)
        return self.reader.opened(heard.signed, heard.mac, heard.data, encrypted=heard.block == b"\x17")

    def reply(self, code: int, data: bytes) -> Frame:
        block = b"\x18" if data else b"\x16"
        hidden = self.reader.hidden(data) if data else b""
        signed = simulated.unsigned(5, self.number, code, hidden, block, mac=4)
        frame = codec.take(bytearray(simulated.sealed(signed + self.reader.signature(signed))))
        assert frame is not None
        return frame


@given(st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=80)), min_size=1, max_size=6))
def test_both_sides_understand_each_other(said: list[tuple[bytes, bytes]]) -> None:
    pair = Pair()
    for command, answer in said:
        assert pair.hear(pair.command(command)) == command
        assert pair.panel.unwrap(pair.reply(Reply.RAW, answer)) == answer


@given(st.binary(max_size=40), st.integers(0, 10_000))
def test_a_changed_reply_is_not_authentic_and_changes_nothing(answer: bytes, where: int) -> None:
    pair = Pair()
    pair.hear(pair.command())
    good = pair.reply(Reply.RAW, answer)
    raw = bytearray(good.head + good.mac)
    raw[5 + where % (len(raw) - 5)] ^= 1 << where % 8  # behind the header, so that it stays a frame
    changed = codec.take(bytearray(codec.complete(bytes(raw))))
    if changed is not None:
        with pytest.raises(NotAuthentic):
            pair.panel.unwrap(changed)
    assert pair.panel.unwrap(good) == answer


def test_a_reply_counts_once_and_in_its_place() -> None:
    pair = Pair()
    pair.hear(pair.command())
    card = pair.reply(Reply.RAW, b"card")
    assert pair.panel.unwrap(card) == b"card"
    for _ in range(4):
        pair.hear(pair.command())
        with pytest.raises(NotAuthentic):
            pair.panel.unwrap(card)
        assert pair.panel.unwrap(pair.reply(Reply.ACK, b"")) == b""


def test_a_reply_of_another_session_is_not_authentic() -> None:
    pair, other = Pair(), Pair()
    other.hear(other.command(b"else"))
    pair.hear(pair.command())
    with pytest.raises(NotAuthentic):
        pair.panel.unwrap(other.reply(Reply.RAW, b"card"))


def test_plain_text_is_never_taken() -> None:
    pair = Pair()
    pair.hear(pair.command())
    for block in (b"", b"\x15", b"\x17", b"\x12\x01"):
        mac = b"\x00" * 4 if block in {b"\x15", b"\x17"} else b""
        frame = codec.take(
            bytearray(simulated.sealed(simulated.unsigned(5, 1, Reply.RAW, b"card", block, mac=len(mac)) + mac))
        )
        assert frame is not None
        with pytest.raises(NotAuthentic):
            pair.panel.unwrap(frame)


def test_data_that_are_signed_and_not_encrypted_are_taken_only_of_a_refusal() -> None:
    for code, taken in ((Reply.RAW, False), (Reply.NAK, True)):
        pair = Pair()
        pair.hear(pair.command())
        signed = simulated.unsigned(5, 1, code, b"\x09", b"\x16", mac=4)
        frame = codec.take(bytearray(simulated.sealed(signed + pair.reader.signature(signed))))
        assert frame is not None
        if taken:
            assert pair.panel.unwrap(frame) == b"\x09"
        else:
            with pytest.raises(NotAuthentic, match="not encrypted"):
                pair.panel.unwrap(frame)
