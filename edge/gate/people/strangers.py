"""A folder of strangers, to calibrate a small gallery by: their templates are used and forgotten."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.gate.people.api import PeopleError
from models.api import Floats, ModelError, Picture
from models.face.stack import FaceStack

_PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def read_picture(file: Path) -> Picture:
    """Read a picture as BGR. PeopleError."""
    try:
        data = np.fromfile(file, dtype=np.uint8)
    except OSError as error:
        raise PeopleError(f"{file} cannot be read: {error.strerror}") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise PeopleError(f"{file} is no picture")
    return np.asarray(picture, dtype=np.uint8)


def stranger_templates(folder: Path, stack: FaceStack) -> Floats:
    """Give one template of each person, (count, size): of each sub-folder, and of each picture in the folder itself.

    Pictures without exactly one face are left out. PeopleError when there is no folder.
    """
    if not folder.is_dir():
        raise PeopleError(f"{folder} is no folder")
    found = [template for group in _groups(folder) if (template := _first(group, stack)) is not None]
    return np.stack(found) if found else np.zeros((0, stack.template_size), np.float32)


def _groups(folder: Path) -> Iterator[list[Path]]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            yield sorted(file for file in entry.rglob("*") if file.suffix.lower() in _PICTURES)
        elif entry.suffix.lower() in _PICTURES:
            yield [entry]


def _first(files: list[Path], stack: FaceStack) -> Floats | None:
    for file in files:
        try:
            picture = read_picture(file)
            faces = stack.detect(picture)
            if len(faces) == 1:
                return stack.describe(stack.chip(picture, stack.landmarks(picture, faces[0])))
        except (PeopleError, ModelError):
            continue  # another picture may do
    return None
