"""Presentation attacks by ISO/IEC 30107-3, on the simulator only: how many of each kind pass for a living face.

A figure of drawn attacks says how the check works, and not how it does on paper, screens and people. A presentation is
what the standard counts: somebody comes and is looked at until the product answers; single looks are told beside it.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
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
    "each": "presentations of each kind of attack; 100 without it",
    "living": "presentations of living people; 400 without it",
    "half": "report: residents with even numbers, as without it; tune: those whose figures the limits were chosen by",
    "threshold": "the distance below which a simulated face is recognised; 0.36 without it",
    "models": "the folder of models",
    "only": "kinds, with commas between",
    "failed": "a folder for pictures of what went wrong",
    "seed": "other presentations",
}
_LIVING = ("plain", "glasses", "mask", "fever")
_HALVES = {"tune": 1, "report": 0}
_RULE_OF_THREE = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tally:
    """What became of the presentations of one kind, and of as many single looks: passed, failed, or unchecked because
    nothing was said."""

    said: Counter[str]
    looked: Counter[str]
    recognised: int
    both: int
    waited_ms: list[int]

    @property
    def count(self) -> int:
        """All presentations."""
        return self.said.total()


def measure(bench: Bench) -> None:
    from simulators.people.attempts import ATTACKS  # noqa: PLC0415 - what draws people is loaded when it is needed

    kinds = tuple(kind.value for kind in ATTACKS)
    only = set(filter(None, bench.options.get("only", "").split(","))) or {*kinds, *_LIVING}
    if unknown := only - {*_LIVING, *kinds}:
        raise CannotRun(f"no kind {', '.join(sorted(unknown))}; there are {', '.join(sorted({*_LIVING, *kinds}))}")
    half = bench.options.get("half", "report")
    if half not in _HALVES:
        raise CannotRun(f"no half {half!r} of the people; there are {', '.join(_HALVES)}")
    stack = _stack(bench)
    bench.more |= {"simulator_only": True, "half": half}
    enrolled: dict[int, Floats] = {}
    each, living = int(bench.options.get("each", "100")), int(bench.options.get("living", "400"))
    _attacks(bench, {kind: _try(bench, stack, kind, each, enrolled) for kind in kinds if kind in only})
    people = [kind for kind in _LIVING if kind in only]
    _people(bench, {kind: _try(bench, stack, kind, living // len(_LIVING), enrolled) for kind in people})


def _attacks(bench: Bench, tallies: Mapping[str, _Tally]) -> None:
    from tests.benchmarks.people_parts.counts import add_rate  # noqa: PLC0415 - a checkout alone has it

    worst: tuple[float, str] = (-1.0, "")
    for kind, tally in tallies.items():
        passed = tally.said["passed"]
        add_rate(bench, f"apcer_{kind}", passed, tally.count, goal="= 0", at_most=0.0)
        if not passed and tally.count:
            bench.add(Result(name=f"apcer_{kind}_rule_of_three", value=_RULE_OF_THREE / tally.count, unit=""))
        add_rate(bench, f"apnrr_{kind}", tally.said["unchecked"], tally.count)
        add_rate(bench, f"recognised_{kind}", tally.recognised, tally.count)
        add_rate(bench, f"iapar_{kind}", tally.both, tally.count)
        add_rate(bench, f"look_apcer_{kind}", tally.looked["passed"], tally.looked.total())
        worst = max(worst, (passed / max(1, tally.count), kind))
    if worst[1]:
        bench.add(Result(name="apcer_worst", value=worst[0], unit=""))
        bench.more["worst_kind"] = worst[1]


def _people(bench: Bench, tallies: Mapping[str, _Tally]) -> None:
    from tests.benchmarks.people_parts.counts import add_rate  # noqa: PLC0415 - a checkout alone has it

    said, looked, waited = Counter[str](), Counter[str](), list[int]()
    for kind, tally in tallies.items():
        add_rate(bench, f"bpcer_{kind}", tally.said["failed"], tally.count)
        add_rate(bench, f"bpnrr_{kind}", tally.said["unchecked"], tally.count)
        add_rate(bench, f"look_bpcer_{kind}", tally.looked["failed"], tally.looked.total())
        said, looked, waited = said + tally.said, looked + tally.looked, waited + tally.waited_ms
    if tallies:
        add_rate(bench, "bpcer", said["failed"], said.total(), goal="<= 0.02", at_most=0.02)
        add_rate(bench, "bpnrr", said["unchecked"], said.total())
        add_rate(bench, "look_bpcer", looked["failed"], looked.total())
        add_rate(bench, "look_bpnrr", looked["unchecked"], looked.total())
        for part, name in ((50, "p50"), (95, "p95")):
            value = float(np.percentile(waited or [0], part))
            bench.add(Result(name=f"first_clear_look_to_answer_{name}", value=value, unit="ms"))


def _stack(bench: Bench) -> FaceStack:
    from tests.benchmarks.people_parts.takes import SMALLEST  # noqa: PLC0415 - a checkout alone has it

    folder = Path(bench.options["models"]) if "models" in bench.options else default_folder(os.environ, Path.home())
    try:
        return make_stack(Stack.DLIB, require(Stack.DLIB, folder), OnnxNetwork, StackOptions(smallest=SMALLEST))
    except ModelError as error:
        raise CannotRun(str(error)) from error


def _acts(kind: str, count: int, chance: np.random.Generator, half: str = "report") -> Iterator[str]:
    """Say who comes, and how, in the words of a stage: one resident after the other, from any on."""
    from simulators.people.cast import MOST, Role, look_number  # noqa: PLC0415 - likewise
    from simulators.people.looks import Glasses, look_of  # noqa: PLC0415 - likewise

    people = [one for one in range(1, MOST[Role.RESIDENT] + 1) if one % 2 == _HALVES[half]]
    bare = [one for one in people if look_of(look_number(Role.RESIDENT, one)).glasses is Glasses.NONE]
    wearing = [one for one in people if one not in bare]
    chosen = {"plain": bare, "glasses": wearing}.get(kind, people)
    first = int(chance.integers(len(chosen)))
    for number in range(count):
        who = f"resident {chosen[(first + number) % len(chosen)]}"
        yield who if kind in {"plain", "glasses"} else f"{who} {kind}" if kind in _LIVING else f"{kind} {who}"


def _try(bench: Bench, stack: FaceStack, kind: str, count: int, enrolled: dict[int, Floats]) -> _Tally:
    from simulators.people.attempts import read_act  # noqa: PLC0415 - likewise
    from tests.benchmarks.people_parts.presentations import present  # noqa: PLC0415 - a checkout alone has it
    from tests.benchmarks.people_parts.takes import enrol, look_once  # noqa: PLC0415 - likewise

    seed, half = int(bench.options.get("seed", "1")), bench.options.get("half", "report")
    chance = np.random.default_rng([seed, _HALVES[half], sum(kind.encode())])
    threshold = float(bench.options.get("threshold", "0.36"))
    keep = Path(bench.options["failed"]) if "failed" in bench.options else None
    said, looked, waited = Counter[str](), Counter[str](), list[int]()
    recognised = both = 0
    for number, words in enumerate(_acts(kind, count, chance, half)):
        if number % 25 == 0:
            bench.say(f"{kind}: {number} of {count}")
        act = read_act(words)
        looked[look_once(act, chance, stack).liveness.standing.value] += 1
        file = None if keep is None else keep / f"{kind}-{number}.png"
        outcome = present(act, chance, stack, keep=file)
        said[outcome.said] += 1
        waited.append(outcome.waited_ms)
        if act.look not in enrolled:
            enrolled[act.look] = enrol(stack, act)
        score = None if outcome.template is None else compare(Metric.DISTANCE, outcome.template, enrolled[act.look])
        known = score is not None and score <= threshold
        recognised, both = recognised + known, both + (known and outcome.said == "passed")
        if outcome.said == ("passed" if kind not in _LIVING else "failed"):
            bench.say(f"{number}, {words}: {outcome.said} after {outcome.looks} looks, {outcome.figures}")
        elif file is not None:
            file.unlink(missing_ok=True)
    return _Tally(said=said, looked=looked, recognised=recognised, both=both, waited_ms=waited)
