"""What a model is: its manifest, which says where it comes from, by what licence, and what its bytes must be."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from runtime.config import Strict, load

_CATALOG = Path(__file__).resolve().parent / "catalog"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Stack(Enum):
    """Models that belong together."""

    DLIB = "dlib"
    OPENCV_ZOO = "opencv-zoo"


class Detector(Enum):
    """What finds the faces; dlib's recogniser takes either one."""

    DLIB = "dlib"
    YUNET = "yunet"


class Role(Enum):
    """What a model does in its stack."""

    DETECTOR = "detector"
    LANDMARKS = "landmarks"
    RECOGNISER = "recogniser"


class PackageSource(Strict):
    """A data file inside an installed distribution, which is read and never imported."""

    kind: Literal["package"]
    package: str
    version: str
    path: str
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0, lt=1 << 30)]


class UrlSource(Strict):
    """A file of a public project."""

    kind: Literal["url"]
    url: Annotated[str, Field(pattern=r"^https?://")]
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0, lt=1 << 30)]


class Manifest(Strict):
    """One model: `recipe` counts the ways in which the file was made from its source; 0 is the source as it is."""

    name: FileName
    stack: Stack
    role: Role
    file: FileName
    licence: str
    input: str
    output: str
    threshold_note: str
    recipe: Annotated[int, Field(ge=0)] = 0
    source: Annotated[PackageSource | UrlSource, Field(discriminator="kind")]

    @property
    def identity(self) -> str:
        """Names what the model computes, on whatever machine it was built; templates carry it."""
        return f"{self.name}/{self.recipe}/{self.source.sha256}"


def all_manifests() -> tuple[Manifest, ...]:
    """Give every model that is known, by stack and role; ConfigError when a manifest is wrong."""
    found = [load(file, Manifest) for file in sorted(_CATALOG.glob("*/manifest.toml"))]
    roles = list(Role)
    return tuple(sorted(found, key=lambda one: (one.stack.value, roles.index(one.role))))


def stack_manifests(stack: Stack, detector: Detector | None = None) -> dict[Role, Manifest]:
    """Give the models of one stack, with its own detector or another that it takes."""
    known = all_manifests()
    found = {one.role: one for one in known if one.stack is stack}
    home = _HOME[detector_of(stack, detector)]
    if home is stack:
        return found
    return found | {one.role: one for one in known if one.stack is home and one.role is Role.DETECTOR}


def detector_of(stack: Stack, wished: Detector | None) -> Detector:
    """Give the detector that a stack uses: the one that is wished where it can, or else its own.

    SFace is aligned by the landmarks that YuNet finds, and dlib's detector finds none.
    """
    if stack is Stack.OPENCV_ZOO:
        return Detector.YUNET
    return wished if wished is not None else Detector.DLIB


_HOME = {Detector.DLIB: Stack.DLIB, Detector.YUNET: Stack.OPENCV_ZOO}
"""The stack among whose models a detector is."""
