"""dlib's networks as ONNX. The only file that imports `onnx`.

Both graphs keep dlib's arithmetic: affine layers are folded into the convolutions before them, and where two branches
of different size are added, the smaller is padded with zeros below, to the right and in the further channels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.api import ModelError
from models.dlib.network import DlibNetwork, Layer

IR_VERSION, OPSET = 8, 17
_SCALE = 256.0

Shape = tuple[int, int, int]
"""Channels, rows, columns; rows and columns are 0 where they are free."""


@dataclass(kw_only=True, slots=True)
class _Graph:
    """A graph that grows: nodes and weights so far, and the value that the next layer takes."""

    value: str
    shape: Shape
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, kind: str, shape: Shape, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - as ONNX types them
        """Append a node, and make its output the present value."""
        self.value, self.shape = f"{kind.lower()}_{len(self.nodes)}", shape
        self.nodes.append(helper.make_node(kind, list(inputs), [self.value], **attributes))
        return self.value

    def weight(self, array: np.ndarray[tuple[int, ...], np.dtype[np.float32 | np.int64]]) -> str:
        """Store an array, and give its name."""
        name = f"w_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def recogniser(network: DlibNetwork, source: Mapping[str, str], *, side: int = 150) -> bytes:
    """Make the network that describes faces: `faces` uint8 (N, side, side, 3), BGR, gives `embeddings` (N, fc outputs).

    The mean and the division by 256 are in the first convolution, which pads nothing.
    """
    graph = _Graph(value="faces", shape=(3, side, side))
    graph.add("Cast", graph.shape, "faces", to=TensorProto.FLOAT)
    graph.add("Transpose", graph.shape, graph.value, perm=[0, 3, 1, 2])
    _append(graph, [_with_normalisation(network), *network.layers[1:]])
    inputs = [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["faces", side, side, 3])]
    return _finish(graph, inputs, "embeddings", ["faces", graph.shape[0]], source)


def detector(network: DlibNetwork, source: Mapping[str, str]) -> bytes:
    """Make the network that finds faces: `tiles` float32 (1, 3, height, width), RGB normalised, gives `scores`."""
    graph = _Graph(value="tiles", shape=(3, 0, 0))
    _append(graph, network.layers)
    inputs = [helper.make_tensor_value_info("tiles", TensorProto.FLOAT, [1, 3, "height", "width"])]
    return _finish(graph, inputs, "scores", [1, graph.shape[0], "rows", "columns"], source)


def _with_normalisation(network: DlibNetwork) -> Layer:
    """Give the first convolution for raw BGR instead of normalised RGB."""
    first = network.layers[0]
    if first.kind != "con" or first.numbers["pad_x"] or first.numbers["pad_y"]:
        raise ModelError("this network does not begin with a convolution without padding")
    weights = first.arrays["weights"].astype(np.float64)
    means = np.array(network.input.means)[None, :, None, None]
    bias = first.arrays["bias"] - (weights * means).sum(axis=(1, 2, 3)) / _SCALE
    arrays = {
        "weights": (weights[:, ::-1] / _SCALE).astype(np.float32),
        "bias": bias.astype(np.float32),
    }
    return Layer(kind="con", arrays=arrays, numbers=first.numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Branch:
    value: str
    shape: Shape


def _append(graph: _Graph, layers: "list[Layer] | tuple[Layer, ...]") -> None:
    """Add all layers. Marks in the order that dlib's residual blocks write them: block input, main path, skip."""
    marks: list[_Branch] = []
    for layer in _folded(layers):
        match layer.kind:
            case "con":
                _convolution(graph, layer)
            case "relu":
                graph.add("Relu", graph.shape, graph.value)
            case "max_pool" | "avg_pool":
                _pool(graph, layer)
            case "mark":
                marks.append(_Branch(value=graph.value, shape=graph.shape))
                if len(marks) == 3:  # noqa: PLR2004 - the skip goes back to the block's input
                    graph.value, graph.shape = marks[0].value, marks[0].shape
            case "add" if marks:
                _add(graph, marks[1] if len(marks) > 1 else marks[0])
                marks.clear()
            case "fc":
                weights = layer.arrays["weights"]
                flat = graph.add("Flatten", graph.shape, graph.value, axis=1)
                names = (graph.weight(weights), graph.weight(layer.arrays["bias"]))
                graph.add("Gemm", (weights.shape[1], 1, 1), flat, *names)
            case _:
                raise ModelError(f"a layer {layer.kind!r} where none can be")


def _folded(layers: "list[Layer] | tuple[Layer, ...]") -> Iterator[Layer]:
    """Give the layers with each affine layer inside the convolution before it."""
    waiting: Layer | None = None
    for layer in layers:
        if layer.kind == "affine":
            if waiting is None:
                raise ModelError("an affine layer that follows no convolution")
            gamma, beta = layer.arrays["gamma"].astype(np.float64), layer.arrays["beta"]
            if gamma.size != waiting.arrays["weights"].shape[0]:
                raise ModelError("an affine layer of another size than the convolution before it")
            weights = waiting.arrays["weights"] * gamma[:, None, None, None]
            arrays = {
                "weights": weights.astype(np.float32),
                "bias": (waiting.arrays["bias"] * gamma + beta).astype(np.float32),
            }
            yield Layer(kind="con", arrays=arrays, numbers=waiting.numbers)
            waiting = None
            continue
        if waiting is not None:
            yield waiting
        waiting = layer if layer.kind == "con" else None
        if waiting is None:
            yield layer
    if waiting is not None:
        yield waiting


def _convolution(graph: _Graph, layer: Layer) -> None:
    weights, numbers = layer.arrays["weights"], layer.numbers
    filters, channels, rows, columns = weights.shape
    if channels != graph.shape[0]:
        raise ModelError(f"a convolution of {channels} channels on {graph.shape[0]}")
    graph.add(
        "Conv",
        (filters, _size(graph.shape[1], rows, layer, "y"), _size(graph.shape[2], columns, layer, "x")),
        graph.value,
        graph.weight(weights),
        graph.weight(layer.arrays["bias"]),
        kernel_shape=[rows, columns],
        strides=[numbers["step_y"], numbers["step_x"]],
        pads=[numbers["pad_y"], numbers["pad_x"]] * 2,
    )


def _pool(graph: _Graph, layer: Layer) -> None:
    rows, columns = layer.numbers["rows"], layer.numbers["columns"]
    if not rows and not columns and layer.kind == "avg_pool":
        graph.add("GlobalAveragePool", (graph.shape[0], 1, 1), graph.value)
        return
    graph.add(
        "MaxPool" if layer.kind == "max_pool" else "AveragePool",
        (graph.shape[0], _size(graph.shape[1], rows, layer, "y"), _size(graph.shape[2], columns, layer, "x")),
        graph.value,
        kernel_shape=[rows, columns],
        strides=[layer.numbers["step_y"], layer.numbers["step_x"]],
        pads=[layer.numbers["pad_y"], layer.numbers["pad_x"]] * 2,
    )


def _size(before: int, window: int, layer: Layer, axis: str) -> int:
    """Give how many steps a window makes; 0, free, stays 0."""
    if not before:
        return 0
    room = before + 2 * layer.numbers[f"pad_{axis}"] - window
    if room < 0:
        raise ModelError(f"a window of {window} on {before}")
    return room // layer.numbers[f"step_{axis}"] + 1


def _add(graph: _Graph, other: _Branch) -> None:
    if not all((*graph.shape, *other.shape)):
        raise ModelError("branches of free size cannot be added")
    (a, b, c), (d, e, f) = graph.shape, other.shape
    largest = (max(a, d), max(b, e), max(c, f))
    mine = _padded(graph, _Branch(value=graph.value, shape=graph.shape), largest)
    theirs = _padded(graph, other, largest)
    graph.add("Add", largest, mine, theirs)


def _padded(graph: _Graph, branch: _Branch, shape: Shape) -> str:
    missing = [large - small for large, small in zip(shape, branch.shape, strict=True)]
    if not any(missing):
        return branch.value
    return graph.add("Pad", shape, branch.value, graph.weight(np.array([0] * 5 + missing, dtype=np.int64)))


def _finish(
    graph: _Graph,
    inputs: list[onnx.ValueInfoProto],
    output: str,
    shape: list[str | int],
    source: Mapping[str, str],
) -> bytes:
    graph.nodes[-1].output[0] = output
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    proto = helper.make_graph(graph.nodes, "linli", inputs, outputs, graph.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="linli")
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(sorted(source.items())))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)
