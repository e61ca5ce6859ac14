"""The only file that imports onnxruntime: how networks are loaded and run, and what its errors become."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped] # it ships no types

from models.api import Floats, ModelError
from runtime.heap import share_one_heap

_ONLY_ERRORS = 3
_TYPES: Mapping[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    TypeError,
    *(
        getattr(ort.capi.onnxruntime_pybind11_state, name)
        for name in ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    ),
)
"""What onnxruntime raises; these share no base class but Exception."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuntimeOptions:
    """How a network runs.

    `threads` share one computation. `spin` keeps them awake between computations, which is quicker and burns a core.
    `arena` keeps freed memory for the next run; where inputs vary in size it only grows, so it is off by default.
    """

    threads: int = 1
    spin: bool = False
    arena: bool = False


class OnnxNetwork:
    """A network in memory. `run` may be called from several threads; they wait for each other.

    Each computation takes memory of its own and as many cores as it may, so two at once would only take more memory.
    """

    def __init__(self, model: Path | bytes, options: RuntimeOptions | None = None) -> None:
        chosen = options if options is not None else RuntimeOptions()
        if chosen.threads < 1:
            raise ModelError(f"{chosen.threads} threads: at least one computes")
        share_one_heap()
        self.name = model.name if isinstance(model, Path) else "network in memory"
        self._session = _session(self.name, model, chosen)
        self._turn = Lock()
        self.inputs = tuple(argument.name for argument in self._session.get_inputs())
        self.outputs = tuple(argument.name for argument in self._session.get_outputs())
        self._types = {one.name: one.type for one in self._session.get_inputs()}
        self.shapes: Mapping[str, tuple[int | str | None, ...]] = {
            one.name: tuple(one.shape) for one in self._session.get_inputs()
        }

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Floats]:
        """Compute all outputs by name; ModelError when the inputs do not fit."""
        try:
            with self._turn:
                values = self._session.run(None, dict(inputs))
        except _FAILURES as error:
            shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in inputs.items())
            raise ModelError(f"{self.name} cannot run on {shapes}: {_first_line(error)}") from error
        return {name: np.asarray(value, dtype=np.float32) for name, value in zip(self.outputs, values, strict=True)}

    def warm_up(self, sizes: Mapping[str, int] | None = None) -> None:
        """Run once on zeros, so that the first real picture waits for no allocation; `sizes` names free dimensions."""
        chosen = sizes or {}
        zeros = {
            name: np.zeros([one if isinstance(one, int) else chosen.get(str(one), 1) for one in shape], _TYPES[kind])
            for (name, shape), kind in zip(self.shapes.items(), self._types.values(), strict=True)
        }
        self.run(zeros)


def _session(name: str, model: Path | bytes, chosen: RuntimeOptions) -> Any:  # noqa: ANN401 - onnxruntime has no types
    options = ort.SessionOptions()
    options.intra_op_num_threads = chosen.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = chosen.arena
    options.enable_mem_pattern = chosen.arena
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if chosen.spin else "0")
    try:
        data = model.read_bytes() if isinstance(model, Path) else model
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error}") from error
    except _FAILURES as error:
        raise ModelError(f"{name} is no network that can run: {_first_line(error)}") from error
    unknown = [one.type for one in session.get_inputs() if one.type not in _TYPES]
    if unknown:
        raise ModelError(f"{name} takes {', '.join(unknown)}, which no picture is")
    return session


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
