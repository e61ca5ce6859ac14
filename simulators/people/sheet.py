"""A sheet that is painted in layers: colour, cover and gloss. Pure."""

import numpy as np
import numpy.typing as npt

from simulators.people.fields import HEIGHT, WIDTH, Field
from simulators.people.looks import Colour

_FAINT = 0.004
"""A mask below this shows nothing in 8 bits."""


class Sheet:
    """What a head shows: `colour` (HEIGHT, WIDTH, 3) BGR from 0 to 1, `cover` and `gloss` (HEIGHT, WIDTH)."""

    def __init__(self) -> None:
        self.colour: npt.NDArray[np.float32] = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        self.cover: Field = np.zeros((HEIGHT, WIDTH), np.float32)
        self.gloss: Field = np.zeros((HEIGHT, WIDTH), np.float32)

    def lay(self, mask: Field, colour: Colour, *, shade: Field | np.float32 | None = None, gloss: float = 0.12) -> None:
        """Paint over what is there, where `mask` is; `shade` scales the colour."""
        seen = mask > _FAINT
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if not rows.size:
            return
        where = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        part = np.clip(mask[where], 0, 1).astype(np.float32)[..., None]
        over = np.array(colour, np.float32)
        if shade is not None:
            over = over * np.broadcast_to(np.asarray(shade, np.float32), self.cover.shape)[where][..., None]
        self.colour[where] += (over - self.colour[where]) * part
        self.cover[where] = np.maximum(self.cover[where], part[..., 0])
        self.gloss[where] += (np.float32(gloss) - self.gloss[where]) * part[..., 0]
