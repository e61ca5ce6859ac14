"""What a listener on a line of door readers tells, and what it never shows."""

import asyncio
import os
import sys
import tty

import pytest

from drivers.inspection.dialogue import Sign
from drivers.inspection.osdp import Osdp
from drivers.inspection.rendering import line
from drivers.osdp import codec
from drivers.osdp.codec import Block, Command, Reply

# From vendors' documentation, as tests/drivers/test_osdp_codec.py has them.
PDID = bytes.fromhex("53 80 14 00 06 45 00 0E E3 10 10 00 00 74 97 23 06 06 1B 88")
BUZZER = bytes.fromhex("53 00 0D 00 06 6A 00 02 02 02 01 59 92")
ID_SUMMED = bytes.fromhex("53 00 08 00 00 61 00 44")
CARD = b"\x00\x01\x1a\x00\x95\x43\x21\x40"


def told(ear: Osdp, data: bytes, at_s: float) -> list[str]:
    return [line(event).split(" ", 1)[1] for event in ear.heard(data, at_s)]


def reply(code: Reply, data: bytes = b"", *, block: bytes = b"") -> bytes:
    if block and block[0] in codec.WITH_MAC:
        covered = codec.head(address=codec.REPLY, sequence=1, code=code, data=data, block=block)
        return codec.complete(covered, b"\x11\x22\x33\x44")
    return codec.build(address=codec.REPLY, sequence=1, code=code, data=data, block=block)


def command(code: Command, data: bytes = b"") -> bytes:
    return codec.build(address=0, sequence=1, code=code, data=data)


def test_a_question_and_its_answer() -> None:
    ear = Osdp()
    assert told(ear, codec.MARK + ID_SUMMED, 1.0) == ["-> unit 0   ID: 00"]
    assert told(ear, codec.MARK + PDID, 1.02) == ["<- unit 0   ID PDID: 00 0E E3 10 10 00 00 74 97 23 06 06 (20 ms)"]
    assert ear.overdue(9.0) == []


def test_bytes_come_in_pieces_and_several_frames_at_once() -> None:
    ear = Osdp()
    whole = command(Command.POLL) + reply(Reply.ACK)
    assert told(ear, whole[:3], 1.0) == []
    assert told(ear, whole[3:] + BUZZER, 1.0) == [
        "-> unit 0   POLL",
        "<- unit 0   POLL ACK: done (0 ms)",
        "-> unit 0   BUZ: 00 02 02 02 01",
    ]


def test_who_does_not_answer_is_told_by_the_next_question_or_in_time() -> None:
    ear = Osdp()
    told(ear, command(Command.POLL), 1.0)
    assert told(ear, command(Command.LSTAT), 1.2) == ["-- unit 0   NO ANSWER: POLL (200 ms)", "-> unit 0   LSTAT"]
    assert ear.overdue(1.5) == []
    [late] = ear.overdue(2.3)
    assert (late.sign, late.what) == (Sign.SILENCE, "LSTAT")


def test_a_refusal_is_told_in_words() -> None:
    ear = Osdp()
    told(ear, command(Command.OUT, b"\x00\x02\x00\x00"), 1.0)
    assert told(ear, reply(Reply.NAK, b"\x06"), 1.01) == ["<- unit 0   EXCEPTION 6 only by secure channel: OUT (10 ms)"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (reply(Reply.RAW, CARD), "a card of 26 bits, not shown"),
        (reply(Reply.KEYPAD, b"\x00\x06123456"), "6 keys, not shown"),
        (reply(Reply.CCRYPT, bytes(range(0x60, 0x80)), block=bytes([Block.CLIENT_CRYPTOGRAM, 0])), "not shown"),
        (command(Command.KEYSET, b"\x01\x10" + bytes(range(0x60, 0x70))), "not shown"),
        (reply(Reply.RAW, bytes(range(0x60, 0x70)), block=bytes([Block.REPLY_WITH_DATA])), "16 bytes encrypted"),
    ],
    ids=["card", "keys", "cryptogram", "key", "encrypted"],
)
def test_what_opens_doors_is_never_shown(frame: bytes, words: str) -> None:
    [said] = told(Osdp(), frame, 1.0)
    assert words in said
    for secret in ("95 43", "31 32 33", "60 61 62", "123456"):
        assert secret not in said


def test_a_secure_frame_says_so() -> None:
    assert "ACK (secure)" in told(Osdp(), reply(Reply.ACK, block=bytes([Block.REPLY])), 1.0)[0]


def test_what_is_no_frame_is_shown_as_such() -> None:
    ear = Osdp()
    damaged = bytearray(PDID)
    damaged[9] ^= 1
    said = told(ear, bytes(damaged) + b"\x00\x01" + command(Command.POLL), 1.0)
    assert said[0].startswith("?? ")
    assert "GARBLED no frame of OSDP" in said[0]
    assert said[-1] == "-> unit 0   POLL"


async def test_the_command_listens_to_a_line_of_readers() -> None:
    far, near = os.openpty()
    tty.setraw(near)
    arguments = ("bus", "monitor", os.ttyname(near), "--protocol", "osdp")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "linli", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert b"listening" in await process.stderr.readline()
        await asyncio.sleep(0.5)
        os.write(far, codec.MARK + ID_SUMMED)
        assert b"ID: 00" in await asyncio.wait_for(process.stdout.readline(), 30)
        os.write(far, codec.MARK + PDID)
        assert b"PDID" in await asyncio.wait_for(process.stdout.readline(), 30)
    finally:
        process.terminate()
        await process.wait()
        os.close(far)
        os.close(near)
