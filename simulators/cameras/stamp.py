"""A number drawn into a picture as black and white squares, which survive a JPEG: so a picture tells its own age."""

import numpy as np
from numpy.typing import NDArray

BITS = 48
SIDE = 12
_CHECK = 8
_SQUARES = BITS + _CHECK
_HALF = 128


class NoStamp(ValueError):
    """The picture has no stamp, or a damaged one."""


def draw(image: NDArray[np.uint8], number: int) -> None:
    """Draw a number (48 bits) into the lower left corner of an image of at least 448 x 24 pixels."""
    bits = number << _CHECK | _sum(number)
    for place in range(_SQUARES):
        row, column = divmod(place, _SQUARES // 2)
        value = 255 if bits >> (_SQUARES - 1 - place) & 1 else 0
        top = image.shape[0] - (2 - row) * SIDE
        image[top : top + SIDE, column * SIDE : (column + 1) * SIDE] = value


def read(image: NDArray[np.uint8]) -> int:
    """Read the number again; NoStamp."""
    bits = 0
    for place in range(_SQUARES):
        row, column = divmod(place, _SQUARES // 2)
        top = image.shape[0] - (2 - row) * SIDE
        square = image[top + 3 : top + SIDE - 3, column * SIDE + 3 : (column + 1) * SIDE - 3]
        if not square.size:
            raise NoStamp("the picture is too small for a stamp")
        bits = bits << 1 | int(square.mean() >= _HALF)
    number, check = bits >> _CHECK, bits & ((1 << _CHECK) - 1)
    if check != _sum(number):
        raise NoStamp("the stamp is damaged")
    return number


def _sum(number: int) -> int:
    return (sum(number.to_bytes(BITS // 8, "big")) + 0x5A) % (1 << _CHECK)
