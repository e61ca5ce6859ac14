"""dlib's serialised networks: the layers of a file from the input on.

Source: dlib/dnn/core.h, layers.h, loss.h, input.h.
A file holds the wrappers from the outermost inward, then what each layer is from the innermost outward. Tags and skips
carry nothing but their version, so here they are marks, whose meaning comes from their order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from models.api import Floats
from models.dlib.serial import Cursor

_MAX_DEPTH = 1000
_MARK, _LAYER, _INPUT_LAYER = 1, 2, 3
_ZERO_SIZE = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer: its kind without version (`con`, `affine`, `relu`, `mark`, ...), weights, whole numbers by name."""

    kind: str
    arrays: Mapping[str, Floats] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """What a network takes: means to subtract from R, G, B before dividing by 256, and the paddings of its pyramid."""

    kind: str
    means: tuple[float, float, float]
    padding: int = 0
    outer_padding: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """The outermost layer: for `mmod` the detection window in pixels and its overlap limits, otherwise a threshold."""

    kind: str
    window: tuple[int, int] = (0, 0)
    nms_iou: float = 0.0
    nms_covered: float = 0.0
    distance: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DlibNetwork:
    """A network: input, layers from the input on, loss."""

    input: Input
    layers: tuple[Layer, ...]
    loss: Loss


def parse_network(data: bytes) -> DlibNetwork:
    """Read a whole file; DlibFormatError on damage, or on a layer that is not known."""
    cursor = Cursor(data)
    cursor.expect((_MARK,), "the outermost layer's version")
    loss = _loss(cursor)
    wrappers: list[int] = []
    while (version := cursor.expect((_MARK, _LAYER, _INPUT_LAYER), "a layer's version")) != _INPUT_LAYER:
        wrappers.append(version)
        if len(wrappers) > _MAX_DEPTH:
            raise cursor.fail(f"more than {_MAX_DEPTH} layers")
    source = _input(cursor)
    layers = [_layer(cursor)]
    _skip_state(cursor)
    cursor.integer()  # how many samples one input was expanded to, which only training needs
    for version in reversed(wrappers):
        if version == _MARK:
            layers.append(Layer(kind="mark"))
            continue
        layers.append(_layer(cursor))
        _skip_state(cursor)
    cursor.end()
    return DlibNetwork(input=source, layers=tuple(layers), loss=loss)


def _skip_state(cursor: Cursor) -> None:
    """Pass over what training left: three flags, two gradients, an output."""
    for _ in range(3):
        cursor.boolean()
    for _ in range(3):
        cursor.tensor()


def _layer(cursor: Cursor) -> Layer:
    tag = cursor.text()
    reader = _LAYERS.get(tag)
    if reader is None:
        raise cursor.fail(f"a layer of unknown kind {tag!r}")
    return reader(cursor)


def _loss(cursor: Cursor) -> Loss:
    tag = cursor.text()
    if tag == "loss_metric_2":
        _margin, distance = cursor.reals(2)
        return Loss(kind="metric", distance=distance)
    if tag != "loss_mmod_":
        raise cursor.fail(f"a loss of unknown kind {tag!r}")
    cursor.expect((1,), "the detector options' version")
    width, height = cursor.integers(2)
    # Costs of both errors and the overlap that counts as a hit are for training; so are the overlaps to ignore.
    _false_alarm, _missed, _hit, iou, covered, _ignored_iou, _ignored_covered = cursor.reals(7)
    if not (0 < width < 1000 and 0 < height < 1000):  # noqa: PLR2004 - a window in pixels
        raise cursor.fail(f"a detection window of {width} x {height}")
    return Loss(kind="mmod", window=(width, height), nms_iou=iou, nms_covered=covered)


def _input(cursor: Cursor) -> Input:
    tag = cursor.text()
    if tag not in {"input_rgb_image_sized", "input_rgb_image_pyramid", "input_rgb_image_pyramid2"}:
        raise cursor.fail(f"an input of unknown kind {tag!r}")
    red, green, blue = cursor.reals(3)
    means = (red, green, blue)
    if tag == "input_rgb_image_sized":
        cursor.integers(2)
        return Input(kind="sized", means=means)
    padding, outer = cursor.integers(2) if tag.endswith("2") else (10, 11)  # what dlib takes for the older version
    return Input(kind="pyramid", means=means, padding=padding, outer_padding=outer)


def _con(version: int) -> Callable[[Cursor], Layer]:
    def read(cursor: Cursor) -> Layer:
        params = cursor.tensor().reshape(-1)
        filters, rows, columns, step_y, step_x, pad_y, pad_x = cursor.integers(7)
        shape, bias = cursor.alias(), cursor.alias()
        cursor.reals(4)
        for _ in range(version - 4):
            cursor.boolean()
        weights, rest = _split(cursor, params, shape)
        fits = shape[0] == filters and shape[2:] == (rows, columns) and bias == (1, filters, 1, 1)
        if not fits or min(step_x, step_y, rows, columns) < 1 or min(pad_x, pad_y) < 0 or rest.size not in {0, filters}:
            raise cursor.fail("a convolution that contradicts itself")
        return Layer(
            kind="con",
            arrays={"weights": weights, "bias": rest if rest.size else np.zeros(filters, np.float32)},
            numbers={"step_y": step_y, "step_x": step_x, "pad_y": pad_y, "pad_x": pad_x},
        )

    return read


def _affine(version: int) -> Callable[[Cursor], Layer]:
    def read(cursor: Cursor) -> Layer:
        params, shape, bias = cursor.tensor().reshape(-1), cursor.alias(), cursor.alias()
        cursor.integer()
        if version > 1:
            cursor.boolean()
        gamma, beta = _split(cursor, params, shape)
        if shape != bias or beta.size != gamma.size:
            raise cursor.fail("an affine layer that contradicts itself")
        return Layer(kind="affine", arrays={"gamma": gamma.reshape(-1), "beta": beta})

    return read


def _batch_norm(cursor: Cursor) -> Layer:
    """Fold the running statistics: gamma/sqrt(variance + eps), and beta minus that times the mean."""
    params, shape, bias = cursor.tensor().reshape(-1), cursor.alias(), cursor.alias()
    _means, _inverses, mean, variance = (cursor.tensor().reshape(-1).astype(np.float64) for _ in range(4))
    cursor.integers(2)
    *_training, eps = cursor.reals(5)
    gamma, beta = _split(cursor, params, shape)
    if shape != bias or not gamma.size == beta.size == mean.size == variance.size or not eps >= 0:
        raise cursor.fail("a batch normalisation that contradicts itself")
    if not np.isfinite(variance).all() or variance.min(initial=0.0) + eps < 0:
        raise cursor.fail("a batch normalisation with impossible variances")
    with np.errstate(all="ignore"):  # a damaged file may overflow; what comes of it is checked by its hash
        scale = gamma.reshape(-1) / np.sqrt(variance + eps)
        shift = beta - scale * mean
        arrays = {"gamma": scale.astype(np.float32), "beta": shift.astype(np.float32)}
    return Layer(kind="affine", arrays=arrays)


def _fully_connected(version: int) -> Callable[[Cursor], Layer]:
    def read(cursor: Cursor) -> Layer:
        outputs, inputs = cursor.integers(2)
        params, shape, _bias = cursor.tensor().reshape(-1), cursor.alias(), cursor.alias()
        cursor.integer()
        cursor.reals(4)
        if version > 2:  # noqa: PLR2004 - the version that added it
            cursor.boolean()
        weights, rest = _split(cursor, params, shape)
        if weights.size != inputs * outputs or rest.size not in {0, outputs}:
            raise cursor.fail("a fully connected layer that contradicts itself")
        bias = rest if rest.size else np.zeros(outputs, np.float32)
        return Layer(kind="fc", arrays={"weights": weights.reshape(inputs, outputs), "bias": bias})

    return read


def _pool(kind: str) -> Callable[[Cursor], Layer]:
    def read(cursor: Cursor) -> Layer:
        rows, columns, step_y, step_x, pad_y, pad_x = cursor.integers(6)
        # A window of nothing is dlib's way to write: the whole picture.
        if min(rows, columns, pad_y, pad_x) < _ZERO_SIZE or min(step_y, step_x) < 1:
            raise cursor.fail("a pooling layer that contradicts itself")
        names = ("rows", "columns", "step_y", "step_x", "pad_y", "pad_x")
        return Layer(kind=kind, numbers=dict(zip(names, (rows, columns, step_y, step_x, pad_y, pad_x), strict=True)))

    return read


def _relu(version: int) -> Callable[[Cursor], Layer]:
    def read(cursor: Cursor) -> Layer:
        if version > 1:
            cursor.boolean()
        return Layer(kind="relu")

    return read


def _split(cursor: Cursor, params: Floats, shape: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
    """Cut the front of `params` into `shape`, and give the rest."""
    size = shape[0] * shape[1] * shape[2] * shape[3]
    if size > params.size:
        raise cursor.fail(f"weights of {shape} in {params.size} values")
    return params[:size].reshape(shape), params[size:]


_LAYERS: Mapping[str, Callable[[Cursor], Layer]] = {
    "con_4": _con(4),
    "con_5": _con(5),
    "con_6": _con(6),
    "affine_": _affine(1),
    "affine_2": _affine(2),
    "bn_con2": _batch_norm,
    "relu_": _relu(1),
    "relu_2": _relu(2),
    "max_pool_2": _pool("max_pool"),
    "avg_pool_2": _pool("avg_pool"),
    "add_prev_": lambda _: Layer(kind="add"),
    "fc_2": _fully_connected(2),
    "fc_3": _fully_connected(3),
}
