"""The models of the gates' cameras, loaded once for as long as the settings that they are loaded by stay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.gate.config import EyesSettings, FeverSettings
from edge.gate.eyes.look import Eyes, open_eyes
from edge.gate.people.people import People
from edge.gate.people.place import STACKS
from edge.gate.people.start_test import start_test
from edge.gate.plan import GatePlan
from edge.gate.ports import FormerModels
from models.api import ModelError
from models.manifest import Stack
from runtime.logs import get_log


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """The models of one gate's cameras, or in their place why they cannot be had; `by` are their settings."""

    by: tuple[EyesSettings, FeverSettings]
    eyes: Eyes | str
    former: FormerModels | None = None


def load(plan: GatePlan, path: Callable[[str], Path], before: Mapping[str, Loaded]) -> Mapping[str, Loaded]:
    """Load the models of each gate that has cameras, or take those of `before`; blocking, for seconds."""
    found: dict[str, Loaded] = {}
    for name, settings in plan.gates.items():
        if settings.eyes is None:
            continue
        there, by = before.get(name), (settings.eyes, settings.temperature)
        same = there is not None and there.by == by and isinstance(there.eyes, Eyes)
        found[name] = there if same and there is not None else _load(name, *by, path)
    return found


def _load(name: str, settings: EyesSettings, fever: FeverSettings, path: Callable[[str], Path]) -> Loaded:
    models = None if settings.models is None else path(settings.models)
    former: FormerModels | None = None
    try:
        eyes = open_eyes(settings, fever, models_folder=models)
        if settings.former is not None:
            before = settings.model_copy(update={"stack": settings.former})
            sight = open_eyes(before, fever, models_folder=models)
            former = FormerModels(sight=sight, metric=STACKS[Stack(settings.former)].metric)
    except ModelError as error:
        told = get_log("edge.gate").bind(gate=name)
        told.error("a gate has no eyes; cards, passes and PINs go on", reason=str(error))
        return Loaded(by=(settings, fever), eyes=str(error))
    return Loaded(by=(settings, fever), eyes=eyes, former=former)


def that_may_decide(
    loaded: Mapping[str, Loaded], people: People, passed: Mapping[str, Eyes | str]
) -> Mapping[str, Eyes | str]:
    """Test the models with the thresholds in force; in place of those that take strangers for friends, say why not.

    Those that have `passed` with these people before are not tested again: it takes seconds, and no face is known
    meanwhile.
    """
    found: dict[str, Eyes | str] = {}
    for name, one in loaded.items():
        tested = isinstance(one.eyes, str) or passed.get(name) is one.eyes
        problems = () if tested or isinstance(one.eyes, str) else start_test(one.eyes.stack, people)
        found[name] = f"the models do not pass their self-test: {'; '.join(problems)}" if problems else one.eyes
        if problems:
            get_log("edge.gate").error("a gate has no eyes", gate=name, reason=found[name])
    return found
