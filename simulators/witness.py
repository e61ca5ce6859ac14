"""What a simulated device said and did, written by itself: the witness against which the product is judged.

Three files for each device, one JSON object a line, times in Unix milliseconds with fraction:

- `<device>.answers.jsonl`: {"at", "unit", "function", "address", "words"}: each read that was answered, written before
  the answer is handed to the transport, so that nothing reaches a master without a line here; with {"mark": "broken"}
  when the frame went out cut short or with a wrong check sum, which is no answer, and {"mark": "doubtful"} when it went
  out whole but late or with noise beside it, so that a master may have taken it or not; a meter, having no registers,
  writes {"at", "points": {point: value}} instead;
- `<device>.changes.jsonl`: {"at", "point", "value"}: each change of a value as the registers hold it; a start writes
  every point once, marked {"start": true};
- `<device>.writes.jsonl`: {"at", "point", "value", "taken"}: each point that a master wrote.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.api import Value
from drivers.modbus import codec
from drivers.modbus.blocks import Block
from drivers.profile import Profile
from simulators.disturbances import Mark
from simulators.modbus.frames import READS


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answered read: `words` are registers (0..65535), or bits (0 or 1) for functions 1 and 2.

    `doubtful` when a master may have taken it or not.
    """

    at_ms: float
    unit: int
    function: int
    address: int
    words: tuple[int, ...]
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsweredPoint:
    """What one answer said about one point; None when it said "not available"."""

    at_ms: float
    point: str
    value: Value | None
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A point's registers began to hold `value`; `start` when the simulator had just started."""

    at_ms: float
    point: str
    value: Value | None
    start: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenPoint:
    """A master wrote `value` to a point, and the machine took it or refused."""

    at_ms: float
    point: str
    value: Value
    taken: bool


class Witness:
    """Writes the three files of one device. `clock` gives Unix time in seconds.

    Answers and writes go to the operating system at once; changes when `flush` is called. A line that an earlier
    process left half-written is cut off, because what it would have said was never handed on.
    """

    def __init__(self, folder: Path, device: str, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._answers, self._changes, self._writes = (_open(file) for file in witness_files(folder, device))
        self._pending: list[str] = []

    def answer(self, *, unit: int, function: int, address: int, words: Sequence[int], mark: Mark = Mark.NONE) -> None:
        """Note an answer that is about to be sent, as it was meant."""
        row = {"at": self._now(), "unit": unit, "function": function, "address": address, "words": list(words)}
        more = {"mark": mark.value} if mark else {}
        os.write(self._answers, (json.dumps(row | more) + "\n").encode())

    def answer_points(self, points: Mapping[str, Value | None], *, mark: Mark = Mark.NONE) -> None:
        """Note an answer of a protocol without registers, as it was meant: the points that it spoke of."""
        row = {"at": self._now(), "points": dict(points)} | ({"mark": mark.value} if mark else {})
        os.write(self._answers, (json.dumps(row, ensure_ascii=False) + "\n").encode())

    def changes(self, changed: Mapping[str, Value | None], *, start: bool = False) -> None:
        """Note new values in the registers."""
        now = self._now()
        more = {"start": True} if start else {}
        self._pending += [
            json.dumps({"at": now, "point": point, "value": value} | more, ensure_ascii=False)
            for point, value in changed.items()
        ]

    def write(self, point: str, value: Value, *, taken: bool) -> None:
        """Note what a master wrote."""
        row = {"at": self._now(), "point": point, "value": value, "taken": taken}
        os.write(self._writes, (json.dumps(row, ensure_ascii=False) + "\n").encode())

    def flush(self) -> None:
        """Hand pending lines to the operating system."""
        if self._pending:
            os.write(self._changes, ("\n".join(self._pending) + "\n").encode())
            self._pending.clear()

    def close(self) -> None:
        """Flush, and close the files."""
        self.flush()
        for file in (self._answers, self._changes, self._writes):
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now(self) -> float:
        return round(self._clock() * 1000, 3)


class NoWitness(Witness):
    """Writes nothing: for scenes with more devices than a process may have files open."""

    def __init__(self) -> None:
        """Open nothing."""

    def answer(self, *, unit: int, function: int, address: int, words: Sequence[int], mark: Mark = Mark.NONE) -> None:
        """Note nothing."""

    def answer_points(self, points: Mapping[str, Value | None], *, mark: Mark = Mark.NONE) -> None:
        """Note nothing."""

    def changes(self, changed: Mapping[str, Value | None], *, start: bool = False) -> None:
        """Note nothing."""

    def write(self, point: str, value: Value, *, taken: bool) -> None:
        """Note nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def witness_files(folder: Path, device: str) -> tuple[Path, Path, Path]:
    """Name the files of answers, changes and writes of a device."""
    answers, changes, writes = (folder / f"{device}.{what}.jsonl" for what in ("answers", "changes", "writes"))
    return answers, changes, writes


def read_answers(file: Path) -> Iterator[Answer]:
    """Read answers in the order in which they were given, without the broken ones, which were none.

    A last line that is still being written is left out. ValueError for a line that no witness wrote. A file that is
    not there yet has no answers.
    """
    for row in _rows(file):
        mark = row.get("mark", Mark.NONE)
        if mark != Mark.BROKEN:
            yield Answer(
                at_ms=row["at"],
                unit=row["unit"],
                function=row["function"],
                address=row["address"],
                words=tuple(row["words"]),
                doubtful=mark == Mark.DOUBTFUL,
            )


def read_answered_points(file: Path) -> Iterator[AnsweredPoint]:
    """Read what a device without registers said of its points, as `read_answers` does; broken answers said nothing."""
    for row in _rows(file):
        if row.get("mark") != Mark.BROKEN.value:
            for point, value in row["points"].items():
                doubtful = row.get("mark") == Mark.DOUBTFUL.value
                yield AnsweredPoint(at_ms=row["at"], point=point, value=value, doubtful=doubtful)


def read_changes(file: Path) -> Iterator[Change]:
    """Read changes in order, as `read_answers` does."""
    for row in _rows(file):
        yield Change(at_ms=row["at"], point=row["point"], value=row["value"], start=row.get("start", False))


def read_writes(file: Path) -> Iterator[WrittenPoint]:
    """Read writes in order, as `read_answers` does."""
    for row in _rows(file):
        yield WrittenPoint(at_ms=row["at"], point=row["point"], value=row["value"], taken=row["taken"])


def decode_answers(
    profile: Profile, answers: Iterator[Answer] | Sequence[Answer], *, blocks: Collection[Block] = ()
) -> Iterator[AnsweredPoint]:
    """Say what each answer meant, point by point.

    An answer to one of `blocks` (the requests that a driver plans) means that block's points alone: others that lie
    between them were carried along and nobody asked. Any other answer means every point that lies wholly in it.
    """
    asked = {(block.table, block.address, block.count): block.points for block in blocks}
    for answer in answers:
        table, size = READS[answer.function], len(answer.words)
        end = answer.address + size
        names = asked.get((table, answer.address, size)) or [
            name
            for name, point in profile.points.items()
            if point.modbus.is_readable
            and point.modbus.table is table
            and answer.address <= point.modbus.address
            and point.modbus.address + point.modbus.count <= end
        ]
        for name in names:
            point = profile.points[name].modbus
            first = point.address - answer.address
            value = codec.decode(point, answer.words[first : first + point.count]).value
            yield AnsweredPoint(at_ms=answer.at_ms, point=name, value=value, doubtful=answer.doubtful)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"{file}:{number}: not a witness's line") from error


def _open(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    size = os.fstat(descriptor).st_size
    end = size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    if end != size:
        os.ftruncate(descriptor, end)
    return descriptor
