"""How the thermal picture lies on the visible one, and when that looks wrong."""

import numpy as np
import pytest

from edge.gate.eyes.alignment import AlignmentWatch, BadAlignment, box_in_visible, visible_to_thermal
from models.face.frame import mapped
from models.face.geometry import Box


def test_without_points_both_pictures_show_the_same_field() -> None:
    matrix = visible_to_thermal(None, (480, 640), (120, 160))
    corners = mapped(matrix, np.array([(-0.5, -0.5), (639.5, 479.5), (319.5, 239.5)]))
    assert corners.ravel().tolist() == pytest.approx([-0.5, -0.5, 159.5, 119.5, 79.5, 59.5])


def test_two_points_make_scale_turn_and_shift() -> None:
    matrix = visible_to_thermal(((0.25, 0.5, 0.75, 0.5), (0.5, 0.4, 1.0, 0.4)), (480, 640), (120, 160))
    there = mapped(matrix, np.array([(159.5, 239.5), (479.5, 239.5), (159.5, 399.5)]))
    assert there.ravel().tolist() == pytest.approx([79.5, 47.5, 159.5, 47.5, 79.5, 87.5])


def test_a_camera_that_is_turned_is_turned_back() -> None:
    matrix = visible_to_thermal(((0.25, 0.5, 0.75, 0.5), (0.5, 0.25, 0.5, 0.75)), (480, 640), (160, 160))
    (a, b) = mapped(matrix, np.array([(159.5, 239.5), (479.5, 239.5)]))
    assert (b - a).tolist() == pytest.approx([0, 80])


@pytest.mark.parametrize(
    "align", [((0.5, 0.5, 0.5, 0.5), (0.1, 0.1, 0.9, 0.9)), ((0.1, 0.1, 0.9, 0.9), (0.5, 0.5, 0.5, 0.5))]
)
def test_points_that_are_one_are_refused(
    align: tuple[tuple[float, float, float, float], tuple[float, float, float, float]],
) -> None:
    with pytest.raises(BadAlignment, match="one"):
        visible_to_thermal(align, (480, 640), (120, 160))


def test_a_thermal_box_is_found_in_the_visible_picture() -> None:
    matrix = visible_to_thermal(None, (480, 640), (120, 160))
    box = box_in_visible(matrix, Box(left=10, top=20, right=19, bottom=29))
    sides = (box.left, box.top, box.right, box.bottom)
    assert sides == pytest.approx((39.5, 79.5, 79.5, 119.5))


def passed(watch: AlignmentWatch, *looks: tuple[float, float]) -> bool:
    """Have somebody come and go, and say whether the alignment is wrong then."""
    for beside, below in looks:
        watch.saw(beside, below)
    watch.gone()
    return watch.drift.wrong


def test_a_shift_that_stays_is_a_wrong_alignment_and_a_single_one_is_not() -> None:
    watch = AlignmentWatch(least=5)
    assert [passed(watch, (shift, 0.0)) for shift in (0.4, 0.4, 0.4, 0.4, 0.35)] == [False] * 4 + [True]
    assert watch.drift.beside == pytest.approx(0.4)


def test_somebody_who_stays_is_one_person() -> None:
    watch = AlignmentWatch(least=5, looks=1000)
    assert not passed(watch, *[(0.4, 0.0)] * 900)
    assert watch.drift.people == 1


def test_a_queue_without_a_gap_is_not_one_person() -> None:
    watch = AlignmentWatch(least=5, looks=30)
    for _ in range(150):
        watch.saw(0.4)
    assert watch.drift.wrong


def test_up_and_down_is_wrong_too_and_no_parallax() -> None:
    watch = AlignmentWatch()
    assert [passed(watch, (0.0, 2.0)) for _ in range(5)][-1]
    assert watch.drift.below == pytest.approx(2.0)


def test_shifts_to_both_sides_are_parallax() -> None:
    watch = AlignmentWatch()
    assert not any(passed(watch, (0.3 if number % 2 else -0.3, 0.0)) for number in range(40))


def test_heads_here_and_there_are_chance() -> None:
    watch = AlignmentWatch()
    assert not any(passed(watch, place) for place in ((3.0, 0.0), (-2.0, 1.0), (1.0, -3.0), (4.0, 2.0), (0.5, 2.0)) * 3)


def test_cameras_that_were_put_right_are_believed_again() -> None:
    watch = AlignmentWatch()
    for _ in range(20):
        passed(watch, (0.9, 0.4))
    assert [passed(watch, (0.0, 0.0)) for _ in range(5)] == [True] * 3 + [False] * 2
