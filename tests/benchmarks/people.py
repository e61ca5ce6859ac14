"""Simulated people before the real models: true and false accepts of 200 of them, several takes of each.

The thresholds are calibrated on other simulated people: one for a false accept rate, and a strict one at which none of
these is taken for another. They are marked as simulated, and are of no use for real people.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.api import Floats, ModelError
from models.face.search import Metric
from models.face.stack import FaceStack, StackOptions, make_stack
from models.manifest import Stack
from models.runtime import OnnxNetwork
from models.store import default_folder, require
from runtime.bench import Bench, CannotRun, Result

OPTIONS = {
    "people": "how many are tested; 200 without it, which are all residents",
    "takes": "takes of each; 4 without it",
    "others": "on how many others the threshold is calibrated; 60 without it",
    "far": "the false accept rate for which it is calibrated; 0.001 without it",
    "stack": "dlib (without it) or opencv-zoo",
    "models": "the folder of models",
    "plot": "the file for the ROC, an SVG",
    "group": "cast (the people of the stages) or any (people as they come); both without it",
    "seed": "other takes",
}
_FRESH = 10_000
"""Looks from here on were never used to choose the cast."""
_SMALLEST = 92
_ROUNDS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class _Described:
    """Templates of takes, whose they are, and how many takes gave not exactly one face."""

    templates: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    missed: int
    several: int


def measure(bench: Bench) -> None:
    stack = _stack(bench)
    count, others = int(bench.options.get("people", "200")), int(bench.options.get("others", "60"))
    from simulators.people.cast import CAST  # noqa: PLC0415 - what draws people is loaded when people are measured

    if not 2 <= count <= len(CAST) - others or others < 2:
        raise CannotRun(f"there are {len(CAST)} people; ask for fewer `--people` and `--others`")
    bench.more["simulated"] = True
    groups = {
        "cast": (CAST[:count], CAST[-others:]),
        "any": (tuple(range(_FRESH, _FRESH + count)), tuple(range(_FRESH + count, _FRESH + count + others))),
    }
    if chosen := bench.options.get("group"):
        if chosen not in groups:
            raise CannotRun(f"no group {chosen!r}; there are {', '.join(groups)}")
        groups = {chosen: groups[chosen]}
    bench.more["calibrations"] = [_group(bench, stack, name, tested, apart) for name, (tested, apart) in groups.items()]


def _stack(bench: Bench) -> FaceStack:
    folder = Path(bench.options["models"]) if "models" in bench.options else default_folder(os.environ, Path.home())
    try:
        name = Stack(bench.options.get("stack", "dlib"))
        return make_stack(name, require(name, folder), OnnxNetwork, StackOptions(smallest=_SMALLEST))
    except ValueError as error:
        raise CannotRun(f"no stack {bench.options['stack']!r}: dlib or opencv-zoo") from error
    except ModelError as error:
        raise CannotRun(str(error)) from error


def _group(
    bench: Bench, stack: FaceStack, name: str, tested: tuple[int, ...], apart: tuple[int, ...]
) -> dict[str, object]:
    from tests.benchmarks.faces_parts.plot import draw_roc  # noqa: PLC0415 - a checkout alone has it
    from tests.benchmarks.faces_parts.roc import curve, make_pairs, rate_at  # noqa: PLC0415 - likewise
    from tests.benchmarks.people_parts.accepts import accepts  # noqa: PLC0415 - likewise
    from tests.benchmarks.people_parts.counts import add_rate  # noqa: PLC0415 - likewise

    cosine, generator = stack.metric is Metric.COSINE, np.random.default_rng(20_000)
    sign, far = (1.0 if cosine else -1.0), float(bench.options.get("far", "0.001"))
    theirs = _describe(bench, stack, f"{name}, for calibration", apart)
    calibrated = rate_at(make_pairs(theirs.templates, theirs.people, cosine=cosine), far, rounds=0, generator=generator)
    seen = _describe(bench, stack, name, tested)
    pairs = make_pairs(seen.templates, seen.people, cosine=cosine)
    genuine = pairs.genuine
    bench.add(Result(name=f"{name}_people", value=len(tested), unit="people"))
    bench.add(Result(name=f"{name}_takes_without_exactly_one_face", value=seen.missed + seen.several, unit="takes"))
    bench.add(Result(name=f"{name}_pairs_of_one_person", value=int(genuine.sum()), unit="pairs"))
    bench.add(Result(name=f"{name}_pairs_of_strangers", value=int((~genuine).sum()), unit="pairs"))
    bench.add(Result(name=f"{name}_threshold_simulated", value=sign * calibrated.threshold, unit=stack.metric.value))
    for what, threshold in (("", calibrated.threshold), ("_at_the_authors_threshold", sign * stack.threshold)):
        for kind, share in zip(
            ("true", "false"), accepts(pairs, threshold, rounds=_ROUNDS, generator=generator), strict=True
        ):
            bench.add(Result(name=f"{name}_{kind}_accept{what}", value=share.rate, unit=""))
            bench.add(Result(name=f"{name}_{kind}_accept{what}_low", value=share.low, unit=""))
            bench.add(Result(name=f"{name}_{kind}_accept{what}_high", value=share.high, unit=""))
    strict = rate_at(make_pairs(theirs.templates, theirs.people, cosine=cosine), 0.0, rounds=0, generator=generator)
    bench.add(Result(name=f"{name}_strict_threshold_simulated", value=sign * strict.threshold, unit=stack.metric.value))
    for what, threshold in (("", calibrated.threshold), ("_strictly", strict.threshold)):
        hits, right = _search(seen, threshold=threshold, cosine=cosine)
        add_rate(bench, f"{name}_found_in_the_gallery{what}", right, hits)
        strangers, taken = _strangers(seen, theirs, threshold=threshold, cosine=cosine)
        add_rate(bench, f"{name}_strangers_taken_for_somebody{what}", taken, strangers)
    marks = []
    for rate in (1e-2, 1e-3, 1e-4):
        if float((~genuine).sum()) * rate < 1:
            continue
        found = rate_at(pairs, rate, rounds=100, generator=generator)
        bench.add(Result(name=f"{name}_tar_at_far_{rate:g}", value=found.rate, unit=""))
        bench.add(Result(name=f"{name}_tar_at_far_{rate:g}_low", value=found.low, unit=""))
        bench.add(Result(name=f"{name}_tar_at_far_{rate:g}_high", value=found.high, unit=""))
        marks.append((rate, found.rate, found.low, found.high))
    if (plot := bench.options.get("plot")) and name == "cast":
        title = f"{stack.name.value}: {len(tested)} simulated people, {len(seen.people)} takes"
        Path(plot).write_text(draw_roc(curve(pairs), marks, title), encoding="utf-8")
    return {
        "people": name,
        "stack": stack.name.value,
        "threshold": sign * calibrated.threshold,
        "strict_threshold": sign * strict.threshold,
        "far": far,
        "calibrated_on": len(apart),
        "simulated": True,
    }


def _describe(bench: Bench, stack: FaceStack, what: str, looks: tuple[int, ...]) -> _Described:
    """Take pictures of people by their looks, and describe each."""
    from tests.benchmarks.people_parts.portraits import portrait  # noqa: PLC0415 - a checkout alone has it

    takes, seed = int(bench.options.get("takes", "4")), int(bench.options.get("seed", "1"))
    templates: list[Floats] = []
    people: list[int] = []
    missed = several = 0
    for number, look in enumerate(looks):
        if number % 20 == 0:
            bench.say(f"{what}: {number} of {len(looks)} people")
        for take in range(takes):
            picture = portrait(look, np.random.default_rng([seed, look, take]))
            faces = stack.detect(picture)
            missed, several = missed + (not faces), several + (len(faces) > 1)
            if faces:
                face = max(faces, key=lambda one: one.box.area)
                templates.append(stack.describe(stack.chip(picture, stack.landmarks(picture, face))))
                people.append(number)
    if not templates:
        raise CannotRun("the stack finds nobody at all")
    return _Described(
        templates=np.stack(templates).astype(np.float32),
        people=np.array(people, dtype=np.int64),
        missed=missed,
        several=several,
    )


def _alike(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32], *, cosine: bool) -> npt.NDArray[np.float32]:
    if cosine:
        return np.asarray(one @ other.T, np.float32)
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.asarray(-np.sqrt(np.maximum(squares, 0)), np.float32)


def _gallery(seen: _Described) -> npt.NDArray[np.int64]:
    """Enrol the first take of everybody: its rows."""
    return np.asarray(np.unique(seen.people, return_index=True)[1], np.int64)


def _search(seen: _Described, *, threshold: float, cosine: bool) -> tuple[int, int]:
    """Look everybody's other takes up among all; how many, and how many were found as who they are."""
    rows = _gallery(seen)
    probes = np.setdiff1d(np.arange(len(seen.people)), rows)
    alike = _alike(seen.templates[probes], seen.templates[rows], cosine=cosine)
    best = alike.argmax(axis=1)
    right = (seen.people[rows][best] == seen.people[probes]) & (alike.max(axis=1) > threshold)
    return len(probes), int(right.sum())


def _strangers(seen: _Described, others: _Described, *, threshold: float, cosine: bool) -> tuple[int, int]:
    """Look people up who are not enrolled; how many, and how many were taken for somebody."""
    alike = _alike(others.templates, seen.templates[_gallery(seen)], cosine=cosine)
    return len(alike), int((alike.max(axis=1) > threshold).sum())
