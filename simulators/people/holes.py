"""A printed face that is cut out and worn, and the holes in it for the wearer's own eyes. Pure."""

import numpy as np

from simulators.people.fields import Field, disc
from simulators.people.take import Figure


def paper_mask(figure: Figure) -> Field:
    """Give where the paper is on the sheet of the face that is printed: from the brow to the chin, ear to ear."""
    look = figure.look
    middle = (look.length - 0.95) / 2
    return disc(0.0, middle, 0.97, (look.length + 0.95) / 2 + 0.02)


def eye_holes(figure: Figure, chance: np.random.Generator) -> Field:
    """Give where the holes are: large enough to see, from a slit to the whole eye with its corner."""
    look = figure.look
    wide, high = look.eye_width * chance.uniform(0.8, 1.25), look.eye_height * chance.uniform(0.9, 1.7)
    holes = [disc(side * look.eye_gap, 0.0, wide, high) for side in (-1.0, 1.0)]
    return np.asarray(np.maximum(*holes), np.float32)
