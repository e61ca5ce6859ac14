"""YuNet's file, whose weights are not in the repository: from the models folder, or beside the checkout."""

import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.face.stack import FaceStack, StackOptions, make_stack
from models.manifest import Detector, Role, Stack, stack_manifests
from models.runtime import OnnxNetwork, RuntimeOptions
from models.store import default_folder, inspect, pull
from tests.support.faces import built
from tests.support.shared import ROOT, shared

_KEPT = tempfile.TemporaryDirectory(prefix="linli-yunet-")  # it goes when Python ends
_MANIFEST = stack_manifests(Stack.OPENCV_ZOO)[Role.DETECTOR]


def found(environment: Mapping[str, str], home: Path) -> Path | None:
    """Give YuNet's file as the models folder has it, or as it lies among the test data; None where it is nowhere."""
    installed = inspect(_MANIFEST, default_folder(environment, home))
    if not installed.problem:
        return installed.path
    beside = Path(environment.get("LINLI_SHARED") or ROOT.parent / "shared") / "data" / "yunet_2026may.onnx"
    return installed_from(beside) if beside.exists() else None


def files() -> dict[Role, Path]:
    """Give the files of dlib's models with YuNet; skip the test where there is no YuNet."""
    return dlib_files_with(installed_from(shared("yunet_2026may.onnx")))


def dlib_files_with(yunet: Path) -> dict[Role, Path]:
    """Give the files of dlib's models with this detector."""
    return {role: built(role) for role in Role} | {Role.DETECTOR: yunet}


def mixed_stack(of: Mapping[Role, Path], *, threads: int = 1, smallest: int = 80) -> FaceStack:
    """Put dlib's recogniser behind YuNet."""
    options = StackOptions(detector=Detector.YUNET, smallest=smallest)
    return make_stack(Stack.DLIB, of, lambda file: OnnxNetwork(file, RuntimeOptions(threads=threads)), options)


@functools.cache
def installed_from(file: Path) -> Path:
    """Take a file into a models folder, as `linli models pull --from` does; ModelError unless it is the pinned one."""
    by_hand = Path(_KEPT.name) / "by-hand"
    by_hand.mkdir(exist_ok=True)
    shutil.copy(file, by_hand / _MANIFEST.file)
    (installed,) = pull([_MANIFEST], Path(_KEPT.name) / "models", say=lambda _: None, local=by_hand)
    assert installed.problem == ""
    return installed.path


def here() -> Path | None:
    """Give YuNet's file on this machine."""
    return found(os.environ, Path.home())
