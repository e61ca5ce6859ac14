"""A presentation as a gate has it: somebody comes, and is looked at until the product answers.

The pictures are the simulator's at the times at which its cameras take them; eyes, decision and patience are the
product's own (`edge.gate.eyes`, `decision`, `presence`), in the order in which `edge.gate.gate` asks them. Of the
checks only liveness is asked: who it is, and whether they may pass, must not help it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.gate.api import Answer, Check, Decision, Guidance, Standing
from edge.gate.config import DEFAULT_CHECKS
from edge.gate.decision import decide
from edge.gate.presence import Presence
from models.api import Floats
from models.face.stack import FaceStack
from simulators.people.attempts import Act
from simulators.people.moment import Moment
from simulators.people.play import moment_of
from simulators.people.stage import Visit
from simulators.people.take import Pose
from tests.benchmarks.people_parts.takes import new_eyes, thermal_of, visible_of, write_pictures

_VISIBLE_MS, _THERMAL_MS = 100, 125
"""The cameras of `simulators/scenes/gate.toml`: 10 and 8 pictures a second."""
_FROM_MS, _UNTIL_MS = 700, 6_000
"""Faces are too small before; whoever has no answer by then goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a presentation came to. `answer` is None when there was none: the face was never clear.

    `looks` are the clear ones, `template` is of the look that was answered, `waited_ms` is from the first clear look to
    the answer.
    """

    answer: Answer | None
    failed: bool
    looks: int
    waited_ms: int
    template: Floats | None
    figures: Mapping[str, object]

    @property
    def said(self) -> str:
        """What that says by ISO/IEC 30107-3: passed, failed, or unchecked (no response)."""
        if self.answer is Answer.OPEN:
            return "passed"
        return "failed" if self.failed else "unchecked"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scene:
    """A visit in weather and at a place of its own: the stage's people stand straighter than people do."""

    visit: Visit
    air: float
    moved: Pose
    nearer: float
    late: tuple[int, int]

    def at(self, now_ms: int) -> Moment:
        """Give what there is to see at a time, for both cameras alike."""
        moment = moment_of(self.visit, now_ms, air=self.air)
        pose, moved = moment.pose, self.moved
        return replace(
            moment,
            pose=replace(
                pose,
                x=pose.x + moved.x,
                y=pose.y + moved.y,
                half=pose.half * self.nearer,
                yaw=pose.yaw + moved.yaw,
                pitch=pose.pitch + moved.pitch,
                roll=pose.roll + moved.roll,
            ),
        )


def draw_scene(act: Act, chance: np.random.Generator) -> _Scene:
    """Have somebody come, by chance: distance, place, turn, air of 17 to 27 °C, when the cameras take pictures."""

    def between(low: float, high: float) -> float:
        return float(chance.uniform(low, high))

    return _Scene(
        visit=Visit(act=act, begun_ms=0, seed=int(chance.integers(1 << 31))),
        air=between(17.0, 27.0),
        moved=Pose(
            x=between(-0.07, 0.07),
            y=between(-0.02, 0.02),
            yaw=between(-0.08, 0.08),
            pitch=between(-0.06, 0.06),
            roll=between(-0.03, 0.03),
        ),
        nearer=between(0.93, 1.08),
        late=(int(chance.integers(_VISIBLE_MS)), int(chance.integers(_THERMAL_MS))),
    )


def present(act: Act, chance: np.random.Generator, stack: FaceStack, *, keep: Path | None = None) -> Outcome:
    """Play one presentation to its answer; with `keep`, write the last pictures there."""
    scene, eyes = draw_scene(act, chance), new_eyes(stack)
    presence, policy = Presence(), {Check.LIVENESS: DEFAULT_CHECKS[Check.LIVENESS]}
    looks, began, decision = 0, 0, None
    template: Floats | None = None
    for now in range(_FROM_MS + scene.late[0], _UNTIL_MS, _VISIBLE_MS):
        taken = (now - scene.late[1]) // _THERMAL_MS * _THERMAL_MS + scene.late[1]
        seen, felt = scene.at(now), scene.at(taken)
        glance = eyes.look(visible_of(seen), thermal_of(felt), visible_s=now / 1000, thermal_s=taken / 1000)
        if glance.guidance is Guidance.NONE:
            presence.ended()
        if glance.template is None:
            continue
        began = began if looks else now
        looks, template = looks + 1, glance.template
        decision = decide(policy, [glance.liveness])
        if keep is not None:
            write_pictures(keep, seen, felt)
        if presence.is_enough(decision, now / 1000):
            return _outcome(decision, decision.answer, looks, now - began, template)
    return _outcome(decision, None, looks, _UNTIL_MS - began, template)


def _outcome(
    decision: Decision | None,
    answer: Answer | None,
    looks: int,
    waited_ms: int,
    template: Floats | None,
) -> Outcome:
    result = None if decision is None else decision.results[0]
    return Outcome(
        answer=answer,
        failed=answer is not None and result is not None and result.standing is Standing.FAILED,
        looks=looks,
        waited_ms=waited_ms,
        template=template,
        figures={} if result is None else dict(result.figures),
    )
