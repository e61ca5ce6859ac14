"""From dlib's weights to what Linli runs: bytes in, bytes out."""

from collections.abc import Callable, Mapping

from models.api import ModelError
from models.dlib.network import DlibNetwork, parse_network
from models.dlib.onnx_builder import detector, recogniser
from models.dlib.serial import DlibFormatError
from models.dlib.shape import parse_shape_predictor
from models.face import mmod
from models.face.landmarks import write_predictor
from models.manifest import Manifest, Role

_CLOSE = 1e-4


def build(manifest: Manifest, weights: bytes) -> bytes:
    """Make a model's file of its weights; ModelError when they are damaged or of another network."""
    try:
        return _BUILDERS[manifest.role](weights, {"licence": manifest.licence, "identity": manifest.identity})
    except DlibFormatError as error:
        raise ModelError(f"{manifest.name}: the weights are damaged: {error}") from error


def _detector(weights: bytes, source: Mapping[str, str]) -> bytes:
    network = parse_network(weights)
    convolutions = [layer for layer in network.layers if layer.kind == "con"]
    steps = tuple(
        (layer.arrays["weights"].shape[2], layer.numbers["step_x"], layer.numbers["pad_x"]) for layer in convolutions
    )
    # What reads the detector's output holds these as constants.
    fits = (
        steps == mmod.STEPS
        and network.loss.window == (mmod.WINDOW, mmod.WINDOW)
        and abs(network.loss.nms_iou - mmod.NMS_OVERLAP) < _CLOSE
        and (network.input.padding, network.input.outer_padding) == (mmod.PADDING, mmod.OUTER_PADDING)
        and _means_fit(network)
    )
    if not fits:
        raise ModelError("these are weights of another detector")
    return detector(network, source)


def _recogniser(weights: bytes, source: Mapping[str, str]) -> bytes:
    network = parse_network(weights)
    if network.loss.kind != "metric" or not _means_fit(network):
        raise ModelError("these are weights of another recogniser")
    return recogniser(network, source)


def _landmarks(weights: bytes, source: Mapping[str, str]) -> bytes:  # noqa: ARG001 - arrays carry no notes
    return write_predictor(parse_shape_predictor(weights))


def _means_fit(network: DlibNetwork) -> bool:
    return all(abs(a - b) < _CLOSE for a, b in zip(network.input.means, mmod.MEANS, strict=True))


_BUILDERS: Mapping[Role, Callable[[bytes, Mapping[str, str]], bytes]] = {
    Role.DETECTOR: _detector,
    Role.LANDMARKS: _landmarks,
    Role.RECOGNISER: _recogniser,
}
