"""The thermal camera sees people as warm as people are, and paper as cool as paper is."""

import numpy as np
import pytest

from simulators.people.attempts import read_act
from simulators.people.cast import MOST, Role, look_number
from simulators.people.fields import Field
from simulators.people.looks import Beard, Glasses, Hair, look_of
from simulators.people.moment import Moment
from simulators.people.take import Pose, figure_of, place
from simulators.people.thermal import feel
from simulators.people.visible import see

WIDTH, HEIGHT = 160, 120
POSE = Pose(half=0.15)
BARE = next(
    number
    for number in range(1, MOST[Role.RESIDENT])
    if (look := look_of(look_number(Role.RESIDENT, number))).glasses is Glasses.NONE
    and look.hair in {Hair.BALD, Hair.BUZZ, Hair.BUN}
    and look.beard is Beard.NONE
)
"""A resident whose face is free of glasses and hair."""


def felt(act: str, **more: float) -> Field:
    return feel(Moment(act=read_act(act), pose=POSE, visit=5, **more), width=WIDTH, height=HEIGHT)  # type: ignore[arg-type]


def at(picture: Field, u: float, v: float, reach: int = 1) -> float:
    """Give the mean about a place of the face, in half widths from between the eyes."""
    x = round(WIDTH / 2 + u * POSE.half * HEIGHT - 0.5)
    y = round(POSE.y * HEIGHT + v * POSE.half * HEIGHT - 0.5)
    return float(picture[y - reach : y + reach + 1, x - reach : x + reach + 1].mean())


def test_skin_is_warm_corners_of_the_eyes_warmest_the_nose_cooler() -> None:
    picture = felt(f"resident {BARE}")
    look = figure_of(read_act(f"resident {BARE}").look).look
    forehead, cheek = at(picture, 0, -0.6, 2), at(picture, 0.5, 0.55, 2)
    canthus = max(at(picture, side * (look.eye_gap - look.eye_width), 0.02, 0) for side in (-1, 1))
    assert 33 <= cheek <= forehead <= 36
    assert 34.8 <= canthus <= 36.5
    assert at(picture, 0, look.nose_length - 0.1) < cheek - 0.3
    assert 20 <= float(np.median(picture[:20, :20])) <= 25


def test_a_fever_is_as_much_warmer() -> None:
    warmer = at(felt(f"resident {BARE} fever"), 0, -0.6, 2) - at(felt(f"resident {BARE}"), 0, -0.6, 2)
    assert warmer == pytest.approx(2.2, abs=0.2)


def test_a_mask_hides_warmth_below_the_eyes_and_breathes() -> None:
    masked, bare = felt(f"resident {BARE} mask"), felt(f"resident {BARE}")
    assert at(masked, 0.3, 0.9, 2) < at(bare, 0.3, 0.9, 2) - 2
    assert at(masked, 0, -0.6, 2) == pytest.approx(at(bare, 0, -0.6, 2), abs=0.2)
    assert at(felt(f"resident {BARE} mask", breath=1), 0, 0.85, 2) > at(masked, 0, 0.85, 2) + 0.3


def test_a_print_hides_warmth_and_a_screen_is_evenly_warm() -> None:
    paper = felt(f"print resident {BARE}")
    assert all(at(paper, u, v, 2) < 26 for u, v in ((0, -0.3), (0.4, 0), (0, 0.5)))
    screen = felt(f"screen resident {BARE}")
    inside = [at(screen, u, v, 2) for u, v in ((0, -0.3), (0.4, 0), (-0.4, 0), (0, 0.5))]
    assert max(inside) - min(inside) < 2.2
    assert min(inside) > 25


def test_noise_is_new_in_each_picture_and_as_small_as_told() -> None:
    one, other = (felt("nobody", picture=number) for number in (1, 2))
    assert 0.05 <= float((one - other).std()) / np.sqrt(2) <= 0.1
    assert float((one - felt("nobody", picture=1)).std()) == 0


def test_the_same_moment_gives_the_same_picture() -> None:
    moment = Moment(act=read_act("resident 3 mask"), pose=POSE, visit=2, picture=9)
    assert (see(moment, width=320, height=240) == see(moment, width=320, height=240)).all()


def test_a_head_out_of_view_is_not_placed() -> None:
    assert place(figure_of(0), Pose(x=3.0), width=WIDTH, height=HEIGHT) is None
