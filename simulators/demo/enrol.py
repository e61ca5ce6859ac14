"""Enrols the demonstration's drawn people at its gate: `python -m simulators.demo.enrol SITE PLAN`.

A process of its own, so that the models are gone from memory when it is done. PLAN is a JSON file: ids of the roll to
numbers of the cast. It pulls the roll as the agent does, builds the models where they are not there, sets the
threshold by which drawn people are told apart, and enrols whoever has no face yet. It tells its steps, a line each.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from edge.gate.people.api import DAY_MS, Consent, PeopleError
from edge.gate.people.calibration import CalibrationRecord
from edge.gate.people.enrolment import Enrolment
from edge.gate.people.people import People
from edge.gate.people.place import Place, find_place
from edge.gate.pull import Puller, PullFailed, PullSettings
from models.api import ModelError
from models.face.stack import DlibStack, FaceStack, make_stack
from models.manifest import Stack, stack_manifests
from models.runtime import OnnxNetwork
from models.store import build, identity, require
from runtime.config import ConfigError
from runtime.logs import configure_logs
from simulators.people.cast import MOST, Role
from simulators.people.portrait import portraits
from wire.errors import WireError
from wire.seal import PublicKeys

DRAWN_THRESHOLD = 0.34
"""By this the whole cast is told apart (`linli bench people`); real people are not drawn, and no real gate takes it."""
_ASKED = 0.001
_PICTURES = 3


def main() -> int:
    """Do it; 0, or 1 with the reason."""
    configure_logs(process="demo-enrolment", level="warning")
    site, plan = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    try:
        place = find_place(site, None)
        people = place.open()
        try:
            asyncio.run(_pull(place, people, site.parent))
            _enrol(place, people, plan)
        finally:
            people.close()
    except (ConfigError, ModelError, PeopleError, PullFailed, WireError, OSError) as error:
        _say(str(error))
        return 1
    return 0


async def _pull(place: Place, people: People, folder: Path) -> None:
    roll = place.house.roll
    if roll.url is None or roll.token_file is None or roll.keys_file is None:
        return
    settings = PullSettings(
        url=roll.url,
        community=place.community,
        token=(folder / roll.token_file).read_text(encoding="utf-8").strip(),
    )
    keys = PublicKeys.parse((folder / roll.keys_file).read_text(encoding="utf-8"))
    puller = Puller(settings, keys=keys, people=people)
    try:
        await puller.pull()
    finally:
        await puller.close()


def _enrol(place: Place, people: People, plan: Mapping[str, int]) -> None:
    if place.models is None:
        return
    build(stack_manifests(Stack.DLIB).values(), place.models, say=_say)
    now_ms = time.time_ns() // 1_000_000
    with people.vault.write() as db:
        if people.calibrations.get(db, people.model) is None:
            people.calibrations.put(db, _for_drawn_people(now_ms))
    held = {who.id: faces for who, faces in people.everyone()}
    missing = {person: number for person, number in plan.items() if held.get(person) == 0}
    if not missing:
        return
    _say(f"enrolling {len(missing)} drawn people")
    stack: FaceStack = make_stack(Stack.DLIB, require(Stack.DLIB, place.models), OnnxNetwork)
    enrolment = Enrolment(people=people, stack=stack, model=identity(Stack.DLIB))
    for person, number in missing.items():
        consent = Consent(given_ms=now_ms, expires_ms=now_ms + 365 * DAY_MS, text="demo-1", given_by=person)
        enrolment.enrol(person, portraits(Role.RESIDENT, number, count=_PICTURES), consent=consent, by="demo")


def _for_drawn_people(now_ms: int) -> CalibrationRecord:
    return CalibrationRecord(
        model=identity(Stack.DLIB),
        metric=DlibStack.metric,
        threshold=DRAWN_THRESHOLD,
        verify=DRAWN_THRESHOLD,
        why="",
        method="counted",
        people=MOST[Role.RESIDENT],
        probes=MOST[Role.RESIDENT],
        templates=MOST[Role.RESIDENT] * _PICTURES,
        asked=_ASKED,
        fpir=None,
        fnir=None,
        made_ms=now_ms,
        simulated=True,
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
