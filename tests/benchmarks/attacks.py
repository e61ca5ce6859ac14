"""Presentation attacks by ISO/IEC 30107-3, on the simulator only: how many of each kind pass for a living face.

A figure of drawn attacks says how the check works, and not how it does on paper, screens and people.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.api import Floats, ModelError
from models.face.search import Metric, compare
from models.face.stack import FaceStack, StackOptions, make_stack
from models.manifest import Stack
from models.runtime import OnnxNetwork
from models.store import default_folder, require
from runtime.bench import Bench, CannotRun, Result

OPTIONS = {
    "each": "attempts of each kind of attack; 100 without it",
    "living": "attempts of living people; 300 without it",
    "looks": "looks at each attempt: an attack passes if any does, a living face if any does; 1 without it",
    "threshold": "the distance below which a simulated face is recognised; 0.36 without it",
    "models": "the folder of models",
    "only": "kinds, with commas between",
    "failed": "a folder for pictures of what went wrong",
    "seed": "other attempts",
}
_LIVING = ("plain", "glasses", "mask", "fever")
_SMALLEST = 92
_RESIDENTS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tally:
    """What became of the attempts of one kind: passed, failed, or neither because nothing was said."""

    said: Counter[str]
    recognised: int
    both: int

    @property
    def attempts(self) -> int:
        """All of them."""
        return sum(self.said.values())


def measure(bench: Bench) -> None:
    from simulators.people.attempts import ATTACKS  # noqa: PLC0415 - what draws people is loaded when it is needed
    from tests.benchmarks.people_parts.counts import add_rate  # noqa: PLC0415 - a checkout alone has it

    stack, only = _stack(bench), set(filter(None, bench.options.get("only", "").split(",")))
    known = {*_LIVING, *(kind.value for kind in ATTACKS)}
    if unknown := only - known:
        raise CannotRun(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    bench.more["simulator_only"] = True
    enrolled: dict[int, Floats] = {}
    each, living = int(bench.options.get("each", "100")), int(bench.options.get("living", "300"))
    worst: tuple[float, str] = (-1.0, "")
    for kind in (one.value for one in ATTACKS if not only or one.value in only):
        tally = _try(bench, stack, kind, each, enrolled)
        goal = "= 0" if kind in {"print", "screen"} else None
        add_rate(bench, f"apcer_{kind}", tally.said["passed"], tally.attempts, goal=goal, at_most=0.0)
        add_rate(bench, f"apnrr_{kind}", tally.said["unchecked"], tally.attempts)
        add_rate(bench, f"recognised_{kind}", tally.recognised, tally.attempts)
        add_rate(bench, f"iapar_{kind}", tally.both, tally.attempts)
        worst = max(worst, (tally.said["passed"] / max(1, tally.attempts), kind))
    if worst[1]:
        bench.add(Result(name="apcer_worst", value=worst[0], unit=""))
        bench.more["worst_kind"] = worst[1]
    refused = silent = total = 0
    for kind in (one for one in _LIVING if not only or one in only):
        tally = _try(bench, stack, kind, living // len(_LIVING), enrolled)
        add_rate(bench, f"bpcer_{kind}", tally.said["failed"], tally.attempts)
        refused, silent = refused + tally.said["failed"], silent + tally.said["unchecked"]
        total += tally.attempts
    if total:
        add_rate(bench, "bpcer", refused, total, goal="<= 0.02", at_most=0.02)
        add_rate(bench, "bpnrr", silent, total)


def _stack(bench: Bench) -> FaceStack:
    folder = Path(bench.options["models"]) if "models" in bench.options else default_folder(os.environ, Path.home())
    try:
        return make_stack(Stack.DLIB, require(Stack.DLIB, folder), OnnxNetwork, StackOptions(smallest=_SMALLEST))
    except ModelError as error:
        raise CannotRun(str(error)) from error


def _acts(kind: str, count: int, chance: np.random.Generator) -> Iterator[str]:
    """Say who comes, and how, in the words of a stage."""
    from simulators.people.cast import Role, look_number  # noqa: PLC0415 - likewise
    from simulators.people.looks import Glasses, look_of  # noqa: PLC0415 - likewise

    people = range(1, _RESIDENTS + 1)
    bare = [one for one in people if look_of(look_number(Role.RESIDENT, one)).glasses is Glasses.NONE]
    wearing = [one for one in people if one not in bare]
    chosen = {"plain": bare, "glasses": wearing}.get(kind, list(people))
    for _ in range(count):
        who = f"resident {chosen[int(chance.integers(len(chosen)))]}"
        yield who if kind in {"plain", "glasses"} else f"{who} {kind}" if kind in _LIVING else f"{kind} {who}"


def _try(bench: Bench, stack: FaceStack, kind: str, count: int, enrolled: dict[int, Floats]) -> _Tally:
    from simulators.people.attempts import read_act  # noqa: PLC0415 - likewise
    from tests.benchmarks.people_parts.takes import Attempt, enrol  # noqa: PLC0415 - a checkout alone has it

    seed = int(bench.options.get("seed", "1"))
    chance = np.random.default_rng([seed, sum(kind.encode())])
    threshold = float(bench.options.get("threshold", "0.36"))
    said: Counter[str] = Counter()
    recognised = both = 0
    for number, words in enumerate(_acts(kind, count, chance)):
        if number % 25 == 0:
            bench.say(f"{kind}: {number} of {count}")
        act = read_act(words)
        attempt = Attempt(act=act, chance=chance, stack=stack, looks=int(bench.options.get("looks", "1")))
        standing = attempt.standing()
        said[standing] += 1
        template = attempt.template
        if act.look not in enrolled:
            enrolled[act.look] = enrol(stack, act)
        score = None if template is None else compare(Metric.DISTANCE, template, enrolled[act.look])
        known = score is not None and score <= threshold
        recognised, both = recognised + known, both + (known and standing == "passed")
        wrong = standing == ("failed" if kind in _LIVING else "passed")
        if wrong and "failed" in bench.options:
            attempt.keep(Path(bench.options["failed"]), f"{kind}-{number}")
            bench.say(f"{words}: {standing}, {attempt.figures}")
    return _Tally(said=said, recognised=recognised, both=both)
