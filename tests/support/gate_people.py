"""People of a gate for tests: a roll, templates as far apart as faces are, a clock that is turned by hand."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.gate.people.api import DAY_MS, Consent
from edge.gate.people.keeping import Template
from edge.gate.people.people import People, open_people
from models.api import Floats
from models.face.search import Metric
from wire.roll import Credential, CredentialKind, Person, PersonKind, Roll

NOW = 1_790_000_000_000
MODEL = "model-1"
YEAR = 365 * DAY_MS
SIZE = 64


@dataclass
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        return self.now


def unit(vectors: Floats) -> Floats:
    scaled: Floats = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def faces(count: int, seed: int = 1) -> Floats:
    """Templates of `count` people, (count, SIZE)."""
    return unit(np.random.default_rng(seed).normal(size=(count, SIZE)).astype(np.float32))


def again(face: Floats, seed: int = 2, noise: float = 0.02) -> Floats:
    """The same person in another picture."""
    drawn = np.random.default_rng(seed).normal(size=face.shape).astype(np.float32)
    return unit(face + np.float32(noise) * drawn)


def somebody(number: int, *, face: bool = True, **changes: object) -> Person:
    values: dict[str, object] = {
        "id": f"p{number}", "kind": PersonKind.RESIDENT, "name": f"Resident {number}", "face": face
    }  # fmt: skip
    return Person(**(values | changes))  # type: ignore[arg-type] # changes are fields


def roll_of(count: int, *, revision: int = 1, **changes: object) -> Roll:
    cards = tuple(
        Credential(kind=CredentialKind.CARD, value=f"CARD-{number:05d}", person=f"p{number}") for number in range(count)
    )
    values: dict[str, object] = {
        "community": "garden", "revision": revision, "issued_ms": NOW + revision,
        "people": tuple(somebody(number) for number in range(count)), "credentials": cards,
    }  # fmt: skip
    return Roll(**(values | changes))  # type: ignore[arg-type] # changes are fields


def consent(**changes: object) -> Consent:
    values: dict[str, object] = {"given_ms": NOW, "expires_ms": NOW + YEAR, "text": "2026-1", "given_by": "themselves"}
    return Consent(**(values | changes))  # type: ignore[arg-type] # changes are fields


def template(values: Floats, model: str = MODEL) -> Template:
    return Template(model=model, metric=Metric.COSINE, values=values)


@dataclass
class Box:
    """One gate's box: its data, its key, its clock."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    demo: bool = False
    gate: str = "edge-1/north"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def key_file(self) -> Path:
        return self.folder / "keys" / "gate.key"

    @property
    def database(self) -> Path:
        return self.data / "people.sqlite"

    def open(self, model: str = MODEL) -> People:
        return open_people(
            self.data, self.key_file, gate=self.gate, model=model, metric=Metric.COSINE, authors=0.5,
            clock_ms=self.clock, demo=self.demo,
        )  # fmt: skip

    def with_faces(self, count: int, *, seed: int = 1, several: int = 1) -> tuple[People, Floats]:
        """Open it, with a roll and a face of everybody, calibrated by nothing."""
        people = self.open()
        people.apply(roll_of(count))
        known = faces(count, seed)
        for number in range(count):
            values = [known[number], *(again(known[number], seed=1000 + number + k) for k in range(1, several))]
            people.keep(f"p{number}", [template(one) for one in values], consent=consent(), by="test")
        return people, known
