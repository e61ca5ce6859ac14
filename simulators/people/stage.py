"""Stages: who came when, and the truth that is written of it. What cameras make of it is in `play`.

All cameras of one stage show the same visit at the same time, in whichever processes they run: what there is to see
follows from the visit and the clock alone. `<stage>.stage.jsonl` is the witness, one JSON object for each visit:
{"at" (Unix ms), "act", "kind", "person" (who is there in the flesh, or null), "shown" (whose face is seen, or null),
"fever", "mask", "stands_from", "stands_until" (ms, or null while nobody knows)}.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from zlib import crc32

from simulators.people.attempts import NOBODY, Act, Kind

WALKS_UP = timedelta(milliseconds=1200)
WALKS_AWAY = timedelta(milliseconds=800)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """An act that begins at a time; `seed` is what chance it has. `before` is who is there until then."""

    act: Act
    begun_ms: int
    seed: int
    before: "Visit | None" = None

    @property
    def stands_from_ms(self) -> int:
        """From when they stand before the cameras."""
        return self.begun_ms + (0 if self.act.at_once else WALKS_UP // _MS)

    @property
    def stands_until_ms(self) -> int | None:
        """Until when; None until others come."""
        return None if self.act.stays is None else self.stands_from_ms + self.act.stays // _MS

    @property
    def over_ms(self) -> int | None:
        """From when nothing is seen of them any more."""
        until = self.stands_until_ms
        return until if until is None or self.act.at_once else until + WALKS_AWAY // _MS


class Stage:
    """One place before cameras. `file` is where the truth is written; None where another process writes it."""

    def __init__(self, name: str, *, file: Path | None = None) -> None:
        self.name = name
        self._file = file
        self._visit = Visit(act=NOBODY, begun_ms=0, seed=0)

    @property
    def visit(self) -> Visit:
        """The visit that is on."""
        return self._visit

    def begin(self, act: Act, at_ms: int) -> Visit:
        """Have somebody come, in place of whoever is there."""
        seed = crc32(f"{self.name} {at_ms} {act.words}".encode())
        self._visit = Visit(act=act, begun_ms=at_ms, seed=seed, before=replace(self._visit, before=None))
        self._note(self._visit)
        return self._visit

    def standing(self, now_ms: int) -> Act:
        """Say who is to be seen now: nobody when a visit is over."""
        visit = self._visit
        if now_ms < visit.begun_ms and visit.before is not None:
            visit = visit.before
        over = visit.over_ms
        return NOBODY if over is not None and now_ms >= over else visit.act

    def _note(self, visit: Visit) -> None:
        if self._file is None:
            return
        act, somebody = visit.act, visit.act.kind is not Kind.NOBODY
        row = {
            "at": visit.begun_ms,
            "act": act.words,
            "kind": act.kind.value,
            "person": act.person,
            "shown": f"{act.role.value}-{act.number}" if somebody else None,
            "fever": act.fever,
            "mask": act.mask,
            "stands_from": visit.stands_from_ms,
            "stands_until": visit.stands_until_ms,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def truth_file(folder: Path, stage: str) -> Path:
    """Name the file of a stage's truth."""
    return folder / f"{stage}.stage.jsonl"


class Stages:
    """The stages of one process, made when a camera first asks. `write` says for which of them it is the witness."""

    def __init__(self, folder: Path | None = None, *, write: Callable[[str], bool] = lambda _: False) -> None:
        self._folder = folder
        self._write = write
        self._made: dict[str, Stage] = {}

    def get(self, name: str) -> Stage:
        """Give a stage by name."""
        if name not in self._made:
            file = truth_file(self._folder, name) if self._folder is not None and self._write(name) else None
            self._made[name] = Stage(name, file=file)
        return self._made[name]

    def names(self) -> Iterable[str]:
        """Name those that there are."""
        return tuple(self._made)

    def __contains__(self, name: object) -> bool:
        return name in self._made
