"""Scenes: which devices there are on which lines, and what befalls them when. Strict TOML, schema 1."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.catalog import catalog_profile
from drivers.profile import Profile, Slug, load_profile
from runtime.config import ConfigError, Problem, Strict, load
from runtime.durations import Duration
from simulators.disturbances import BadDisturbance, Transport, is_disturbance, known, parse
from simulators.lines.base import SceneLine
from simulators.lines.registry import Line
from simulators.machines.api import UnknownFault
from simulators.machines.registry import make_machine
from simulators.people.attempts import BadAct, read_act

_HERE = Path(__file__).parent / "scenes"


class Step(Strict):
    """Something that happens `at` a time after the start.

    `fault` and `clear` befall a `device`; a clear without `fault` clears all. `stage` has people come to a `stage`:
    `act` in the words of `simulators.people.attempts`.
    """

    at: Duration
    do: Literal["fault", "clear", "stage"]
    device: Slug = ""
    fault: str | None = None
    stage: Slug = ""
    act: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        wanted, other = ("device", "stage") if self.do != "stage" else ("stage", "device")
        if not getattr(self, wanted) or getattr(self, other):
            raise ValueError(f"a step that does `{self.do}` has a `{wanted}` and no `{other}`")
        return self


class Scene(Strict):
    """A scene. `time_scale` speeds up the day and its traffic, never the mechanics."""

    schema_version: Literal[1] = Field(alias="schema")
    description: str = ""
    time_scale: float = Field(default=1.0, gt=0, le=3600)
    lines: tuple[Line, ...] = Field(min_length=1)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedScene:
    """A scene that can run: every profile is there, and every step is possible."""

    file: Path
    scene: Scene
    profiles: Mapping[str, Profile]
    """Name of device to its profile."""

    @property
    def processes(self) -> Mapping[str, tuple[SceneLine, ...]]:
        """The processes that play the scene, by name, with their lines."""
        found: dict[str, list[SceneLine]] = {}
        for line in self.scene.lines:
            found.setdefault(line.runs_in, []).append(line)
        return {name: tuple(lines) for name, lines in found.items()}

    def process(self, name: str) -> tuple[SceneLine, ...]:
        """Give the lines of a process by its name; ConfigError names those that there are."""
        processes = self.processes
        if name not in processes:
            problem = Problem(key="lines", message=f"no line {name!r}", remedy=f"use one of {', '.join(processes)}")
            raise ConfigError(self.file, (problem,))
        return processes[name]

    def first_of_stage(self, stage: str) -> str | None:
        """Name the process that writes down who comes to a stage: the one of its first camera."""
        return next((line.runs_in for line in self.scene.lines if line.looks_at == stage), None)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order of time."""
        return tuple(sorted(self.scene.steps, key=lambda step: step.at))

    @property
    def lasts(self) -> timedelta:
        """When the last step happens."""
        return max((step.at for step in self.scene.steps), default=timedelta(0))


def scenes() -> Mapping[str, Path]:
    """Give the scenes that come with Linli, by name."""
    return {file.stem: file for file in sorted(_HERE.glob("*.toml"))}


def find_scene(name: str) -> Path:
    """Find a scene by its name, or by the path of its file; ConfigError names those that there are."""
    file = Path(name)
    if file.suffix == ".toml" or "/" in name:
        return file
    known = scenes()
    if name not in known:
        remedy = f"use one of {', '.join(known)}, or the path of a scene file"
        raise ConfigError(name, (Problem(key="", message="no such scene", remedy=remedy),))
    return known[name]


def load_scene(file: Path) -> LoadedScene:
    """Read a scene, its profiles, and check that they fit; ConfigError lists every mistake at once."""
    scene = load(file, Scene)
    scene = scene.model_copy(update={"lines": tuple(copy for line in scene.lines for copy in _copies(line))})
    profiles: dict[str, Profile] = {}
    read = cache(partial(_profile, file))
    problems: list[Problem] = []
    for i, line in enumerate(scene.lines):
        for d, device in enumerate(line.members):
            try:
                profiles[device.name] = read(device.profile)
            except ConfigError as error:
                key = f"lines.{i}.devices.{d}.profile"
                problems += [
                    Problem(key=key, message=f"{device.profile}: {p.message}", remedy=p.remedy) for p in error.problems
                ]
    problems += _clashes(scene)
    problems += _strangers(scene, profiles)
    problems += _impossible(scene, profiles)
    if problems:
        raise ConfigError(file, tuple(problems))
    return LoadedScene(file=file, scene=scene, profiles=profiles)


def _copies(line: SceneLine) -> tuple[SceneLine, ...]:
    return (line,) if line.copies == 1 else tuple(line.numbered(number) for number in range(1, line.copies + 1))


def _profile(scene: Path, profile: str) -> Profile:
    if profile.endswith(".toml"):
        return load_profile(scene.parent / profile)
    return catalog_profile(profile)


def _clashes(scene: Scene) -> Iterator[Problem]:
    lines: set[str] = set()
    places: set[object] = set()
    devices: set[str] = set()
    for i, line in enumerate(scene.lines):
        if line.name in lines:
            yield Problem(
                key=f"lines.{i}.name", message=f"{line.name!r} is taken", remedy="give each line its own name"
            )
        lines.add(line.name)
        what, place = line.endpoint
        if place in places:
            yield Problem(
                key=f"lines.{i}.{what}", message="another line has it", remedy=f"give each line its own {what}"
            )
        places.add(place)
        for d, device in enumerate(line.members):
            if device.name in devices:
                remedy = "give each device of the scene its own name"
                yield Problem(key=f"lines.{i}.devices.{d}.name", message=f"{device.name!r} is taken", remedy=remedy)
            devices.add(device.name)
        for problem in line.problems():
            yield replace(problem, key=f"lines.{i}.{problem.key}")


def _strangers(scene: Scene, profiles: Mapping[str, Profile]) -> Iterator[Problem]:
    """Find devices that speak another protocol than their line."""
    for i, line in enumerate(scene.lines):
        for d, device in enumerate(line.members):
            profile = profiles.get(device.name)
            if profile is not None and profile.protocol != line.speaks:
                message = f"{device.profile} speaks {profile.protocol}, and the line speaks {line.speaks}"
                remedy = "put the device on a line of its own protocol"
                yield Problem(key=f"lines.{i}.devices.{d}.profile", message=message, remedy=remedy)


def _impossible(scene: Scene, profiles: Mapping[str, Profile]) -> Iterator[Problem]:
    transports = {device.name: line.transport for line in scene.lines for device in line.members}
    stages = sorted({line.looks_at for line in scene.lines if line.looks_at is not None})
    for s, step in enumerate(scene.steps):
        if step.do == "stage":
            yield from _impossible_act(f"steps.{s}", step, stages)
            continue
        if step.device not in transports:
            message = f"no device {step.device!r}"
            yield Problem(key=f"steps.{s}.device", message=message, remedy=_closest(step.device, list(transports)))
            continue
        if step.fault is None and step.do == "fault":
            yield Problem(key=f"steps.{s}.fault", message="missing", remedy="add `fault`")
        if step.fault is not None and step.device in profiles:
            machine = make_machine(profiles[step.device]).faults()
            yield from _impossible_fault(f"steps.{s}.fault", step.device, step.fault, machine, transports[step.device])


def _impossible_act(key: str, step: Step, stages: list[str]) -> Iterator[Problem]:
    if step.stage not in stages:
        remedy = _closest(step.stage, stages) if stages else 'give a camera `stage = "..."`'
        yield Problem(key=f"{key}.stage", message=f"no camera looks at a stage {step.stage!r}", remedy=remedy)
    try:
        read_act(step.act)
    except BadAct as error:
        yield Problem(key=f"{key}.act", message=str(error), remedy="see `linli simulate stage --help`")


def _impossible_fault(
    key: str, device: str, fault: str, machine: tuple[str, ...], transport: Transport
) -> Iterator[Problem]:
    if not is_disturbance(fault):
        if fault.partition(":")[0] not in machine:
            remedy = _closest(fault, (*machine, *known(transport)))
            yield Problem(key=key, message=f"{device} has no fault {fault!r}", remedy=remedy)
        return
    try:
        parse(fault, transport)
    except UnknownFault as error:
        remedy = _closest(fault, (*machine, *error.known))
        yield Problem(key=key, message=f"{device} cannot have {fault!r} on this line", remedy=remedy)
    except BadDisturbance as error:
        yield Problem(key=key, message=str(error), remedy="see `linli simulate list`")


def _closest(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else f"use one of {', '.join(known)}"
