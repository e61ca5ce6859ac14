"""SQLite's write-ahead log as a power cut leaves it (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).

What SQLite promises with `synchronous=FULL`: the frames up to the last commit frame are on the disk when COMMIT
returns. What lies behind that frame belongs to a transaction that nobody was told of, and may be there in whole, in
part, or as rubbish. So a tear never touches a committed frame: it leaves behind the commit what a write that was cut
off leaves.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from random import Random

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = (0x377F0682, 0x377F0683)  # the last bit: checksums over big-endian words


@dataclass(frozen=True, kw_only=True, slots=True)
class Promised:
    """How far the log is promised: `end` is where its last committed frame ends, 0 when there is no valid log."""

    end: int
    commits: int
    page_size: int
    salts: tuple[int, int]


def promised(data: bytes) -> Promised:
    """Find the last committed frame of a log."""
    nothing = Promised(end=0, commits=0, page_size=0, salts=(0, 0))
    if len(data) < _HEADER.size:
        return nothing
    magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack_from(data)
    order = ">" if magic & 1 else "<"
    if magic not in _MAGIC or _checksum(data[: _HEADER.size - 8], order, (0, 0)) != (sum_1, sum_2):
        return nothing
    running, at, end, commits = (sum_1, sum_2), _HEADER.size, _HEADER.size, 0
    size = _FRAME.size + page_size
    while at + size <= len(data):
        page, after_commit, one, two, *expected = _FRAME.unpack_from(data, at)
        body = data[at : at + 8] + data[at + _FRAME.size : at + size]
        running = _checksum(body, order, running)
        if (one, two) != (salt_1, salt_2) or running != tuple(expected) or not page:
            break
        at += size
        if after_commit:
            end, commits = at, commits + 1
    return Promised(end=end, commits=commits, page_size=page_size, salts=(salt_1, salt_2))


def tear(file: Path, random: Random) -> str:
    """Leave a log as a power cut in the middle of the next write leaves it; says what was done. The writer is dead."""
    if not file.exists() or not (data := file.read_bytes()):
        return "there was no log to tear"
    found = promised(data)
    if not found.end:
        return "the log was being begun"
    size = _FRAME.size + found.page_size
    # The next frame as its writer would have made it, but for its checksum: that is over what did not arrive.
    header = _FRAME.pack(
        random.randint(1, 50), random.choice((0, 50)), *found.salts, *random.choices(range(2**32), k=2)
    )
    frame = header + random.randbytes(found.page_size)
    torn = frame[: random.choice((1, 23, 24, size // 2, size - 1, size))]
    with file.open("r+b") as target:
        target.truncate(found.end)
        target.seek(found.end)
        target.write(torn)
    cut = len(data) - found.end
    return f"{len(torn)} bytes of a frame behind {found.commits} commits, {cut} bytes that nobody was promised cut off"


def _checksum(data: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    one, two = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        one = (one + words[i] + two) & 0xFFFFFFFF
        two = (two + words[i + 1] + one) & 0xFFFFFFFF
    return one, two
