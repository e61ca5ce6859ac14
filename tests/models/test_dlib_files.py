"""dlib's serialisation: what the published files hold, and that damage is always a declared error."""

import tracemalloc
from pathlib import Path

import dlib  # type: ignore[import-untyped] # it ships no types
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.api import ModelError
from models.dlib.build import build
from models.dlib.network import parse_network
from models.dlib.serial import Cursor, DlibFormatError
from models.dlib.shape import ShapePredictor, parse_shape_predictor
from models.face.geometry import Box
from models.face.landmarks import LandmarkPredictor, read_predictor, write_predictor
from models.face.rendered import PERSON, draw_face
from models.manifest import Role
from tests.support.faces import built, dlib_manifest, weights_file

DETECTOR = weights_file(Role.DETECTOR).read_bytes()
RECOGNISER = weights_file(Role.RECOGNISER).read_bytes()


@pytest.fixture(scope="module")
def small_predictor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictor that dlib itself trains and writes, small enough to be damaged a thousand times."""
    options = dlib.shape_predictor_training_options()
    options.tree_depth, options.cascade_depth, options.num_trees_per_cascade_level = 2, 2, 3
    options.feature_pool_size, options.oversampling_amount, options.random_seed = 30, 2, "linli"
    pictures, labels = [], []
    for shift in range(4):
        rectangle = dlib.rectangle(60 + shift, 60, 200 + shift, 200)
        parts = [dlib.point(60 + shift + 40 * k, 90 + 20 * k) for k in range(3)]
        pictures.append(np.ascontiguousarray(draw_face(PERSON, x=130 + shift, y=130)))
        labels.append([dlib.full_object_detection(rectangle, parts)])
    file = tmp_path_factory.mktemp("predictor") / "small.dat"
    dlib.train_shape_predictor(pictures, labels, options).save(str(file))
    return file


def test_the_primitives_are_read_as_dlib_writes_them() -> None:
    cursor = Cursor(bytes.fromhex("0101810402c004810a01108105"))
    assert [cursor.integer() for _ in range(4)] == [1, -4, 1216, -10]
    assert cursor.real() == 0.5
    cursor.end()


@pytest.mark.parametrize(("exponent", "value"), [(32000, "inf"), (32001, "-inf"), (32002, "nan")])
def test_special_numbers_are_read(exponent: int, value: str) -> None:
    data = b"\x01\x00\x02" + exponent.to_bytes(2, "little")
    assert str(Cursor(data).real()) == value


def test_the_recogniser_is_read_to_its_last_byte() -> None:
    network = parse_network(RECOGNISER)
    convolutions = [layer for layer in network.layers if layer.kind == "con"]
    values = sum(array.size for layer in network.layers for array in layer.arrays.values())
    biases = sum(layer.arrays["bias"].size for layer in network.layers if layer.kind == "fc")
    assert len(convolutions) == 29
    assert values - biases == 5_614_592
    assert network.loss.distance == pytest.approx(0.6)


def test_the_detector_is_read_to_its_last_byte() -> None:
    network = parse_network(DETECTOR)
    filters = [layer.arrays["weights"].shape[0] for layer in network.layers if layer.kind == "con"]
    assert filters == [16, 32, 32, 45, 45, 45, 1]
    assert (network.loss.window, round(network.loss.nms_iou, 3)) == ((80, 80), 0.338)


def test_a_predictor_that_dlib_trains_is_read_and_places_what_dlib_places(small_predictor: Path) -> None:
    predictor = parse_shape_predictor(small_predictor.read_bytes())
    assert predictor.leaves.shape == (2, 3, 4, 6)
    picture = draw_face(PERSON, x=131, y=129)
    theirs = dlib.shape_predictor(str(small_predictor))(np.ascontiguousarray(picture), dlib.rectangle(61, 60, 201, 200))
    ours = LandmarkPredictor(predictor).predict(picture, Box(left=61, top=60, right=201, bottom=200))
    assert np.abs(ours - [(part.x, part.y) for part in theirs.parts()]).max() <= 0.5


def test_a_predictor_survives_being_stored(small_predictor: Path, tmp_path: Path) -> None:
    predictor = parse_shape_predictor(small_predictor.read_bytes())
    file = tmp_path / "small.npz"
    file.write_bytes(write_predictor(predictor))
    again = read_predictor(file)
    assert all(np.array_equal(getattr(again, name), getattr(predictor, name)) for name in ShapePredictor.__slots__)
    assert write_predictor(again) == file.read_bytes()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_what_is_no_stored_predictor_is_refused(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bad.npz"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=r"bad\.npz is no set of landmark trees"):
        read_predictor(file)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, len(DETECTOR) - 1))
def test_a_detector_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(DlibFormatError):
        parse_network(DETECTOR[:cut])


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(DETECTOR) - 1) | st.integers(0, 400), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_network_is_other_weights_or_a_declared_error(place: int, bit: int) -> None:
    damaged = bytearray(DETECTOR)
    damaged[place] ^= 1 << bit
    try:
        network = parse_network(bytes(damaged))
    except DlibFormatError:
        return
    assert len(network.layers) >= 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_predictor_is_a_declared_error_or_still_walks(small_predictor: Path, data: st.DataObject) -> None:
    content = bytearray(small_predictor.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        predictor = parse_shape_predictor(bytes(content))
    except DlibFormatError:
        return
    with np.errstate(all="ignore"):
        assert predictor.leaves.shape[2] == predictor.first.shape[2] + 1


@given(noise=st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    for parse in (parse_network, parse_shape_predictor):
        with pytest.raises(DlibFormatError):
            parse(noise)


def test_a_file_that_claims_much_takes_little_memory() -> None:
    # A tensor of 2^31 values, and a list of as many, in a few bytes.
    huge = bytes.fromhex("04ffffff7f")
    tracemalloc.start()
    try:
        with pytest.raises(DlibFormatError, match="cannot be in"):
            Cursor(bytes.fromhex("0102") + huge + bytes.fromhex("010101010101")).tensor()
        with pytest.raises(DlibFormatError, match="cannot be in"):
            Cursor(huge).count(2)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


def test_weights_of_another_network_are_not_built() -> None:
    with pytest.raises(ModelError, match="another detector"):
        build(dlib_manifest(Role.DETECTOR), RECOGNISER)
    with pytest.raises(ModelError, match="another recogniser"):
        build(dlib_manifest(Role.RECOGNISER), DETECTOR)
    with pytest.raises(ModelError, match="weights are damaged"):
        build(dlib_manifest(Role.LANDMARKS), DETECTOR)


def test_building_twice_gives_the_same_bytes() -> None:
    assert build(dlib_manifest(Role.DETECTOR), DETECTOR) == built(Role.DETECTOR).read_bytes()
