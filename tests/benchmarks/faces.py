"""Faces on any folder of labelled people (one folder a person): how well and how fast, against dlib itself."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.api import ModelError, Picture
from models.face.search import Gallery, Metric
from models.face.stack import FaceStack, StackOptions, make_stack
from models.manifest import Detector, Stack, detector_of
from models.runtime import OnnxNetwork
from models.store import default_folder, require
from runtime.bench import Baseline, Bench, CannotRun, Result
from tests.benchmarks.faces_parts.detectors import compare, count_masked
from tests.benchmarks.faces_parts.plot import draw_roc
from tests.benchmarks.faces_parts.roc import curve, make_pairs
from tests.benchmarks.faces_parts.seen import Seen, tell_rates

BARE = "dir"
OPTIONS = {
    "dir": "the folder of people; it is needed",
    "stack": "dlib (without it) or opencv-zoo",
    "detector": "dlib, yunet, or both, before dlib's recogniser; the stack's own without it",
    "enlarge": "how many times larger the pictures are made first; 1 without it",
    "masks": "1: count whom the detectors find behind drawn masks; 1 without it for both detectors",
    "models": "the folder of models",
    "plot": "the file for the ROC, an SVG",
    "most": "how many pictures at most; 2000 without it",
    "timed": "on how many pictures times are taken; 12 without it",
    "rounds": "how many draws make the intervals; 1000 without it",
}
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
_SEARCHED = 100_000


def measure(bench: Bench) -> None:
    people = _people(bench)
    stacks = _stacks(bench)
    several = len(stacks) > 1
    seen = {name: _describe(bench, stack, people) for name, stack in stacks.items()}
    for name, stack in stacks.items():
        _recognition(bench, stack, seen[name], prefix=f"{name}_" if several else "")
    if several:
        compare(bench, *seen.values())
    if bench.options.get("masks", "1" if several else "0") == "1":
        count_masked(bench, stacks, seen)
    for name, stack in stacks.items():
        _times(bench, stack, [one for one in seen[name] if one is not None], prefix=f"{name}_" if several else "")
    _search(bench, next(iter(stacks.values())))


def _people(bench: Bench) -> list[tuple[str, list[Path]]]:
    if "dir" not in bench.options:
        raise CannotRun("say where the people are: `linli bench faces DIR`, one folder of pictures a person")
    folder, most = Path(bench.options["dir"]), int(bench.options.get("most", "2000"))
    if not folder.is_dir():
        raise CannotRun(f"{folder} is no folder")
    found: list[tuple[str, list[Path]]] = []
    for person in sorted(one for one in folder.iterdir() if one.is_dir()):
        files = sorted(file for file in person.iterdir() if file.suffix.lower() in _SUFFIXES)[:most]
        most -= len(files)
        if files:
            found.append((person.name, files))
    if len(found) < 2 or not any(len(files) > 1 for _, files in found):
        raise CannotRun(f"{folder} holds no two people, or nobody twice")
    return found


def _stacks(bench: Bench) -> dict[str, FaceStack]:
    """Load what is compared: one stack, or dlib's recogniser behind two detectors."""
    folder = Path(bench.options["models"]) if "models" in bench.options else default_folder(os.environ, Path.home())
    wished = bench.options.get("detector")
    try:
        name = Stack(bench.options.get("stack", "dlib"))
    except ValueError as error:
        raise CannotRun(f"no stack {bench.options['stack']!r}: dlib or opencv-zoo") from error
    if wished not in {None, "both", *(one.value for one in Detector)} or (wished and name is not Stack.DLIB):
        raise CannotRun(f"no detector {wished!r} before {name.value}: dlib, yunet or both, before dlib's recogniser")
    detectors = list(Detector) if wished == "both" else [detector_of(name, Detector(wished) if wished else None)]
    try:
        return {
            one.value: make_stack(name, require(name, folder, one), OnnxNetwork, StackOptions(detector=one))
            for one in detectors
        }
    except ModelError as error:
        raise CannotRun(str(error)) from error


def _describe(bench: Bench, stack: FaceStack, people: list[tuple[str, list[Path]]]) -> list[Seen | None]:
    """Look at every picture; None where no face was found."""
    seen: list[Seen | None] = []
    enlarge = float(bench.options.get("enlarge", "1"))
    for number, (name, files) in enumerate(people):
        bench.say(f"{name}: {len(files)} pictures")
        for file in files:
            read = cv2.imread(str(file))
            if read is not None and enlarge != 1:
                read = cv2.resize(read, None, fx=enlarge, fy=enlarge)
            picture = None if read is None else np.asarray(read, dtype=np.uint8)
            faces = () if picture is None else stack.detect(picture)
            if picture is None or not faces:
                seen.append(None)
                continue
            face = max(faces, key=lambda one: one.box.area)
            points = stack.landmarks(picture, face)
            chip = stack.chip(picture, points)
            template = stack.describe(chip)
            seen.append(Seen(picture=picture, person=number, box=face.box, points=points, chip=chip, template=template))
    return seen


def _recognition(bench: Bench, stack: FaceStack, looks: list[Seen | None], *, prefix: str) -> None:
    seen = [one for one in looks if one is not None]
    numbers = np.array([one.person for one in seen], dtype=np.int64)
    people = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    if len(seen) < 2 or people.max() < 1 or np.bincount(people).max() < 2:
        raise CannotRun(f"faces were found in {len(seen)} pictures only, which make no pairs to compare")
    pairs = make_pairs(np.stack([one.template for one in seen]), people, cosine=stack.metric is Metric.COSINE)
    bench.add(Result(name=f"{prefix}people", value=int(people.max()) + 1, unit="people"))
    bench.add(Result(name=f"{prefix}pictures_with_a_face", value=len(seen), unit="pictures"))
    bench.add(Result(name=f"{prefix}pictures_without", value=len(looks) - len(seen), unit="pictures"))
    marks = tell_rates(bench, pairs, stack.metric, prefix=prefix)
    if plot := bench.options.get("plot"):
        title = f"{prefix.replace('_', ' ')}{stack.name.value}: {len(seen)} pictures of {int(people.max()) + 1} people"
        file = Path(plot).with_name(prefix + Path(plot).name)
        file.write_text(draw_roc(curve(pairs), marks, title), encoding="utf-8")
        bench.say(f"ROC in {file}")


def _times(bench: Bench, stack: FaceStack, seen: list[Seen], *, prefix: str) -> None:
    """Take times of the stack and of dlib on the same pictures, in turns, so that a busy moment meets both."""
    from tests.support.faces import dlib_itself  # noqa: PLC0415 - builds nothing until it is asked

    try:
        dlib = dlib_itself()
    except ImportError as error:
        raise CannotRun("dlib is not installed, so there is nothing to compare with: `pip install dlib-bin`") from error
    chosen = seen[:: max(1, len(seen) // int(bench.options.get("timed", "12")))]
    steps: dict[str, tuple[Callable[[Seen], object], Callable[[Seen], object]]] = {
        "detect": (lambda one: stack.detect(one.picture), lambda one: dlib.detect(one.picture)),
        "describe": (lambda one: stack.describe(one.chip), lambda one: dlib.describe_chip(_as_dlib_takes_it(one.chip))),
    }
    for name, (ours, theirs) in steps.items():
        ours(chosen[0]), theirs(chosen[0])
        took: tuple[list[float], list[float]] = ([], [])
        for one in chosen:
            for run, into in zip((ours, theirs), took, strict=True):
                started = time.perf_counter()
                run(one)
                into.append((time.perf_counter() - started) * 1000)
        mine, other = (float(np.median(values)) for values in took)
        bench.add(
            Result(name=f"{prefix}{name}_p50", value=mine, unit="ms", baseline=Baseline(name="dlib", value=other))
        )
        ratio = other / mine
        judged = name == "describe" and stack.name is Stack.DLIB
        bench.add(
            Result(
                name=f"{prefix}{name}_times_faster_than_dlib",
                value=ratio,
                unit="",
                goal=">= 10" if judged else None,
                met=ratio >= 10 if judged else None,
            )
        )
    if stack.name is Stack.DLIB:
        different = max(float(np.abs(one.template - dlib.describe_chip(one.chip)).max()) for one in chosen)
        bench.add(
            Result(
                name=f"{prefix}largest_difference_of_an_embedding_value",
                value=different,
                unit="",
                goal="<= 1e-4",
                met=different <= 1e-4,
            )
        )


def _as_dlib_takes_it(chip: Picture) -> Picture:
    return chip if chip.shape[0] == 150 else np.asarray(cv2.resize(chip, (150, 150)), dtype=np.uint8)


def _search(bench: Bench, stack: FaceStack) -> None:
    """Search made-up templates: what the search takes does not depend on whose they are."""
    generator = np.random.default_rng(7)
    gallery: Gallery[int] = Gallery(size=stack.template_size, metric=stack.metric)
    made: npt.NDArray[np.float32] = generator.normal(size=(_SEARCHED, stack.template_size)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    gallery.add_all(enumerate(made))
    took: list[float] = []
    for probe in made[::1000]:
        started = time.perf_counter()
        gallery.search(probe, 5)
        took.append((time.perf_counter() - started) * 1000)
    p99 = float(np.percentile(took, 99))
    bench.add(Result(name="search_100000_p50", value=float(np.median(took)), unit="ms"))
    bench.add(Result(name="search_100000_p99", value=p99, unit="ms", goal="<= 15", met=p99 <= 15))
