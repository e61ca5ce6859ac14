"""A JPEG with a matrix of temperatures appended, as Hikvision's ISAPI answers it: bytes in, degrees out. Pure.

`GET /ISAPI/Thermal/channels/<id>/thermometry/jpegPicWithAppendData?format=json` answers with multipart/form-data: a
JSON part, the thermal JPEG, the temperatures row by row, and perhaps a visible JPEG. README.md has the sources.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 32_000_000
"""No answer is longer: 1280 x 1024 temperatures of four bytes and two pictures fit several times."""
KELVIN = 273.15
_COLDEST, _HOTTEST = -100.0, 3000.0
_LONGEST_SIDE = 4096
_INT16, _FLOAT32 = 2, 4
_MOST_HEADER = 4096
_BOUNDARY = re.compile(r"boundary\s*=\s*\"?([^\";,\s]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,9})", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")
_ABOUT = "JpegPictureWithAppendData"

Temperatures = NDArray[np.float32]
"""(rows, columns), in °C."""


class NotUnderstood(ValueError):
    """The answer is no picture of temperatures; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Radiogram:
    """One answer: temperatures in °C, and the thermal and the visible picture as JPEG (empty when there is none).

    `is_frozen` is what the camera says while its shutter is closed: the temperatures are the last before that.
    """

    temperatures: Temperatures = field(repr=False)
    thermal_jpeg: bytes = field(default=b"", repr=False)
    visible_jpeg: bytes = field(default=b"", repr=False)
    is_frozen: bool = False


def boundary_of(content_type: str) -> bytes:
    """Give the boundary that a Content-Type announces. NotUnderstood."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/") or found is None:
        raise NotUnderstood(f"the answer is {content_type.partition(';')[0] or 'of no known type'}, not multipart")
    return found[1].encode("latin-1", "replace")


def decode(body: bytes, boundary: bytes) -> Radiogram:
    """Read an answer. NotUnderstood for one that is damaged, cut off, or holds what no camera can see."""
    about: Mapping[str, Any] | None = None
    matrix: bytes | None = None
    pictures: list[bytes] = []
    for kind, content in _parts(body, boundary):
        if about is None and ("json" in kind or content[:1] == b"{"):
            about = _about(content)
        elif content[:2] == b"\xff\xd8" and "octet-stream" not in kind:
            pictures.append(content)
        elif matrix is None and ("octet-stream" in kind or about is not None):
            matrix = content
    if about is None or matrix is None:
        raise NotUnderstood(f"the answer has no part with {'the description' if about is None else 'temperatures'}")
    thermal = pictures[0] if pictures else b""
    if thermal and "jpegPicLen" in about and _number(about, "jpegPicLen") != len(thermal):
        raise NotUnderstood(f"the picture has {len(thermal)} bytes, and {about['jpegPicLen']} were announced")
    return Radiogram(
        temperatures=_temperatures(about, matrix),
        thermal_jpeg=thermal,
        visible_jpeg=pictures[1] if len(pictures) > 1 else b"",
        is_frozen=bool(about.get("isFreezedata", False)),
    )


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Give type and content of each part. A length is believed, because temperatures may look like a boundary."""
    mark = b"--" + boundary
    at = body.find(mark)
    while at >= 0:
        at += len(mark)
        if body[at : at + 2] == b"--":
            return
        blank = _BLANK.search(body, at, at + _MOST_HEADER)
        if blank is None:
            raise NotUnderstood("the answer breaks off in the head of a part")
        head, start = body[at : blank.start()], blank.end()
        stated = _LENGTH.search(head)
        end = start + int(stated[1]) if stated is not None else body.find(mark, start)
        if not start <= end <= len(body):
            raise NotUnderstood("the answer breaks off in a part")
        content = body[start:end]
        if stated is None and content.endswith(b"\r\n"):
            content = content[:-2]
        kind = re.search(rb"content-type[ \t]*:[ \t]*([^\r\n]*)", head, re.IGNORECASE)
        yield (kind[1].decode("latin-1").lower() if kind else ""), content
        at = body.find(mark, end)


def _about(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
        about = document.get(_ABOUT, document)
    except (ValueError, AttributeError, RecursionError) as error:
        raise NotUnderstood("the description is no JSON object") from error
    if not isinstance(about, dict):
        raise NotUnderstood("the description is no JSON object")
    return about


def _number(about: Mapping[str, Any], key: str) -> float:
    value = about.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotUnderstood(f"the description has no number `{key}`")
    return value


def _temperatures(about: Mapping[str, Any], matrix: bytes) -> Temperatures:
    width, height = int(_number(about, "jpegPicWidth")), int(_number(about, "jpegPicHeight"))
    size = int(_number(about, "temperatureDataLength"))
    if not (0 < width <= _LONGEST_SIDE and 0 < height <= _LONGEST_SIDE):
        raise NotUnderstood(f"a picture of {width} x {height} pixels")
    if size not in {_INT16, _FLOAT32}:
        raise NotUnderstood(f"temperatures of {size} bytes; 2 and 4 are known")
    if len(matrix) != width * height * size or ("p2pDataLen" in about and _number(about, "p2pDataLen") != len(matrix)):
        raise NotUnderstood(f"{len(matrix)} bytes are no {width} x {height} temperatures of {size} bytes")
    if size == _FLOAT32:
        celsius = np.frombuffer(matrix, "<f4").astype(np.float32)
    else:
        scale, offset = _number(about, "scale"), _number(about, "offset")
        if scale <= 0:
            raise NotUnderstood("a scale that is not above 0")
        raw = np.frombuffer(matrix, "<i2").astype(np.float64)
        with np.errstate(over="ignore"):  # an absurd scale is refused below
            celsius = (raw / scale + offset - KELVIN).astype(np.float32)
    if not np.isfinite(celsius).all() or celsius.min() < _COLDEST or celsius.max() > _HOTTEST:
        raise NotUnderstood(f"temperatures outside {_COLDEST:g} to {_HOTTEST:g} °C")
    return celsius.reshape(height, width)
