"""What is built from dlib's weights computes what dlib computes, on drawn faces and on photographs."""

import numpy as np
import pytest

from models.api import Picture
from models.face.chip import TARGETS, cut_chip
from models.face.mmod import MmodDetector, MmodOptions
from models.face.rendered import PERSON, STRANGER, draw_face
from models.face.tiles import plan_tiles
from models.manifest import Role
from models.runtime import OnnxNetwork
from tests.support.faces import built, detector, dlib_itself, doubled, landmarks, read_picture, recogniser
from tests.support.shared import shared

DRAWN = {
    "plain": draw_face(PERSON),
    "stranger": draw_face(STRANGER),
    "large": draw_face(PERSON, side=560, x=270, y=290, half_width=140, light=0.8),
    "at the edge": draw_face(STRANGER, side=300, x=60, y=150, half_width=70),
    "two": np.concatenate([draw_face(PERSON), draw_face(STRANGER)], axis=1),
    "odd size": np.ascontiguousarray(draw_face(PERSON)[:311, :277]),
}


def worst_differences(picture: Picture) -> dict[str, float]:
    """Compare every stage on every face of a picture; the number of faces must be equal."""
    dlib, worst = dlib_itself(), {"box": 0.0, "score": 0.0, "landmark": 0.0, "chip": 0.0, "embedding": 0.0}
    expected, found = dlib.detect(picture), detector().detect(picture)
    assert len(found) == len(expected)
    worst["faces"] = len(found)
    for (box, score), face in zip(expected, found, strict=True):
        sides = [(getattr(box, side), getattr(face.box, side)) for side in ("left", "top", "right", "bottom")]
        points = landmarks().predict(picture, face.box)
        chip = cut_chip(picture, points)
        template = recogniser().run({"faces": chip[None]})["embeddings"][0]
        differences = {
            "box": max(abs(a - b) for a, b in sides),
            "score": abs(score - face.score),
            "landmark": float(np.abs(points - dlib.landmarks(picture, box)).max()),
            "chip": float(np.abs(chip.astype(int) - dlib.chip(picture, box)).max()),
            "embedding": float(np.abs(template - dlib.describe(picture, box)).max()),
        }
        worst |= {name: max(worst[name], value) for name, value in differences.items()}
    return worst


def assert_equal_to_dlib(worst: dict[str, float]) -> None:
    assert worst["box"] <= 2
    assert worst["score"] <= 1e-3
    assert worst["landmark"] <= 0.5
    assert worst["chip"] <= 1
    assert worst["embedding"] <= 1e-4


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_faces_are_found_placed_and_described_as_by_dlib(name: str) -> None:
    worst = worst_differences(DRAWN[name])
    assert worst["faces"] == (2 if name == "two" else 1)
    assert_equal_to_dlib(worst)


@pytest.mark.parametrize("person", ["John_Salley", "John_Savage", "John_Schneider", "John_Shimkus", "John_Simm"])
def test_photographs_of_people_give_the_values_of_dlib(person: str) -> None:
    files = sorted(shared("faces", "johns", person).glob("*.jpg"))
    assert len(files) == 11
    faces = 0.0
    for file in files[::4]:
        worst = worst_differences(read_picture(file))
        faces += worst["faces"]
        assert_equal_to_dlib(worst)
    assert faces >= 3


@pytest.mark.parametrize("name", ["2007_007763", "2008_002470"])
def test_photographs_of_groups_give_the_values_of_dlib(name: str) -> None:
    worst = worst_differences(doubled(read_picture(shared("faces", "groups", f"{name}.jpg"))))
    assert worst["faces"] >= 2
    assert_equal_to_dlib(worst)


def test_the_recogniser_agrees_on_pictures_that_are_no_faces() -> None:
    generator = np.random.default_rng(5)
    for _ in range(4):
        chip = generator.integers(0, 256, (150, 150, 3), dtype=np.uint8)
        ours = recogniser().run({"faces": chip[None]})["embeddings"][0]
        assert np.abs(ours - dlib_itself().describe_chip(chip)).max() <= 1e-4


def test_a_batch_gives_what_each_gives_alone() -> None:
    chips = np.random.default_rng(6).integers(0, 256, (3, 150, 150, 3), dtype=np.uint8)
    together = recogniser().run({"faces": chips})["embeddings"]
    for chip, one in zip(chips, together, strict=True):
        assert np.abs(recogniser().run({"faces": chip[None]})["embeddings"][0] - one).max() <= 1e-5


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, 3.0])
@pytest.mark.parametrize("scale", [0.3, 0.9, 1.0, 2.2, 4.7, 9.0])
def test_chips_of_any_size_and_turn_are_those_of_dlib(scale: float, angle: float) -> None:
    picture = DRAWN["large"]
    turned = (TARGETS[:, 0] + 1j * TARGETS[:, 1] - (75 + 75j)) * scale * np.exp(1j * angle) + (350 + 340j)
    points = np.round(np.stack([turned.real, turned.imag], axis=1))
    theirs = dlib_itself().chip_at(picture, points)
    assert np.abs(cut_chip(picture, points).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(480, 640), (240, 320), (60, 700), (333, 77), (5, 5), (1080, 1920)])
def test_tiles_lie_in_the_picture_and_do_not_overlap(height: int, width: int) -> None:
    layout = plan_tiles(height, width, padding=10, outer_padding=11)
    first, *rest = layout.boxes
    assert (first.width, first.height) == (width, height)
    for index, box in enumerate(layout.boxes):
        assert box.left >= 11
        assert box.top >= 11
        assert box.right < layout.width - 10
        assert box.bottom < layout.height - 10
        assert all(box.meet(other).area == 0 for other in layout.boxes[index + 1 :])
    assert len(rest) >= 1 or height < 7


@pytest.mark.parametrize("smallest", [80, 92, 110])
def test_a_quicker_search_finds_the_same_face_at_nearly_the_same_place(smallest: int) -> None:
    picture = DRAWN["plain"]
    (whole,) = detector().detect(picture)
    (found,) = MmodDetector(OnnxNetwork(built(Role.DETECTOR)), MmodOptions(smallest=smallest)).detect(picture)
    assert whole.box.meet(found.box).area > 0.7 * whole.box.area


def test_a_search_for_large_faces_does_not_find_a_small_one() -> None:
    large_only = MmodDetector(OnnxNetwork(built(Role.DETECTOR)), MmodOptions(smallest=200))
    assert large_only.detect(DRAWN["plain"]) == ()
    assert len(large_only.detect(DRAWN["large"])) == 1


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (8, 300), (300, 8), (20, 20)])
def test_a_picture_too_small_for_a_face_has_none(size: tuple[int, int]) -> None:
    assert detector().detect(np.full((*size, 3), 99, np.uint8)) == ()
