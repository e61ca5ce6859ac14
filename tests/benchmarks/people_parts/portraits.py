"""A picture of a person by the number of a look, also of one who is not in the cast."""

import numpy as np

from models.api import Picture
from simulators.people.attempts import Act, Kind
from simulators.people.take import draw_head, figure_of
from simulators.people.visible import see
from tests.benchmarks.people_parts.takes import HEIGHT, WIDTH, draw_moment, through_the_network

_NOISE = 2.5


def portrait(look: int, chance: np.random.Generator) -> Picture:
    """Have somebody stand before the empty gate, and take a picture as it comes over the network."""
    visit = int(chance.integers(1 << 31))
    moment = draw_moment(Act(kind=Kind.NOBODY), chance, visit=visit)
    frame = np.asarray(see(moment, width=WIDTH, height=HEIGHT), np.float32) / np.float32(255)
    draw_head(frame, figure_of(look), moment.pose, moment.light)
    noisy = frame * 255 + chance.normal(0, _NOISE, frame.shape)
    return through_the_network(np.asarray(np.clip(noisy, 0, 255), np.uint8))
