"""The rates of the benchmarks of people and attacks are right where they can be counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from edge.gate.api import Answer
from edge.gate.presence import LEAST_LOOKS, PATIENCE_S
from models.face.stack import StackOptions, make_stack
from models.manifest import Role, Stack
from models.runtime import OnnxNetwork
from models.store import require
from simulators.people.attempts import ATTACKS, read_act
from tests.benchmarks import attacks
from tests.benchmarks.faces_parts.roc import Pairs
from tests.benchmarks.people_parts.accepts import accepts
from tests.benchmarks.people_parts.counts import wilson
from tests.benchmarks.people_parts.presentations import present
from tests.support.faces import built


def models() -> dict[Role, Path]:
    for role in Role:
        built(role)
    return dict(require(Stack.DLIB, built(Role.DETECTOR).parent))


def test_accepts_are_counted_above_the_threshold() -> None:
    one, other = np.array([0, 1, 0, 0, 0, 0]), np.array([0, 1, 1, 1, 1, 1])
    pairs = Pairs(alike=np.array([0.9, 0.4, 0.8, 0.3, 0.2, 0.1]), one=one, other=other)
    true, false = accepts(pairs, 0.5, rounds=200, generator=np.random.default_rng(1))
    assert (true.rate, false.rate) == (0.5, 0.25)
    assert true.low <= 0.5 <= true.high
    assert accepts(pairs, 0.05, rounds=0, generator=np.random.default_rng(1))[1].rate == 1.0


def test_people_are_drawn_with_all_their_takes() -> None:
    people = np.repeat(np.arange(10), 5)
    rows, columns = np.triu_indices(50, 1)
    same = people[rows] == people[columns]
    known = np.where(same & (people[rows] == 0), 0.0, same * 1.0)  # the first person is never known again
    true, _ = accepts(
        Pairs(alike=known, one=people[rows], other=people[columns]), 0.5, rounds=300, generator=np.random.default_rng(1)
    )
    assert true.rate == pytest.approx(0.9)
    assert true.low <= 0.75
    assert true.high == 1.0


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 100, 0.0, 0.037), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0, 1)]
)
def test_wilson_s_interval(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize("kind", ["plain", "glasses", "mask", "fever", *(attack.value for attack in ATTACKS)])
def test_every_attempt_of_the_benchmark_can_be_played(kind: str) -> None:
    acts = [read_act(words) for words in attacks._acts(kind, 20, np.random.default_rng(1))]
    assert len({act.look for act in acts}) > 5
    living = kind in {"plain", "glasses", "mask", "fever"}
    assert all((act.person is not None) is living for act in acts)
    tuned = [read_act(words) for words in attacks._acts(kind, 20, np.random.default_rng(1), "tune")]
    assert not {act.number for act in acts} & {act.number for act in tuned}


@pytest.mark.parametrize(
    ("words", "said"), [("resident 2", "passed"), ("print resident 2", "failed"), ("screen resident 2", "failed")]
)
def test_a_presentation_ends_with_the_product_s_answer(words: str, said: str) -> None:
    stack = make_stack(Stack.DLIB, models(), OnnxNetwork, StackOptions(smallest=92))
    outcome = present(read_act(words), np.random.default_rng(4), stack)
    assert outcome.said == said
    assert outcome.answer is (Answer.OPEN if said == "passed" else Answer.REFUSE)
    assert outcome.template is not None
    assert (outcome.looks >= LEAST_LOOKS and outcome.waited_ms >= 1000 * PATIENCE_S) or said == "passed"


def test_nothing_is_said_of_somebody_beside_whom_another_stands() -> None:
    stack = make_stack(Stack.DLIB, models(), OnnxNetwork, StackOptions(smallest=92))
    outcome = present(read_act("two resident 2"), np.random.default_rng(4), stack)
    assert (outcome.answer, outcome.said) == (None, "unchecked")
    assert outcome.looks < LEAST_LOOKS
