"""The demonstration's gate: who may pass stands on the service's list, the faces are enrolled, the agent is started."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from cloud.config import load_config
from edge.gate.kiosk.staff_file import put_staff, read_staff
from models.api import ModelError
from models.manifest import PackageSource, Stack, stack_manifests
from models.store import default_folder, package_weights, require
from runtime.children import Children
from simulators.demo.api import Api
from simulators.demo.gate_files import Sight, write_gate, write_keys
from simulators.demo.layout import COMMUNITY, GATE, GATE_AGENT, Layout, Ports, ensure_password
from simulators.demo.stack import DemoFailed
from simulators.runner import start_lines
from simulators.scene import load_scene

GUARD = "zhao"
GATE_DEVICE = "north-gate"
FULL_NAME = f"{GATE_AGENT}/{GATE}"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dweller:
    """Somebody of the community: a number of the cast, with a card, and a face where they asked for that."""

    number: int
    name: str
    unit: str
    face: bool = True

    @property
    def card(self) -> str:
        """The number that is printed on their card."""
        return f"{8_000_000 + self.number:010d}"

    @property
    def health_id(self) -> str:
        """By which the provider of health codes knows them."""
        return f"health-{self.number}"


DWELLERS = (
    Dweller(number=7, name="李明 Li Ming", unit="1 号楼 302"),
    Dweller(number=12, name="王芳 Wang Fang", unit="1 号楼 501"),
    Dweller(number=20, name="张伟 Zhang Wei", unit="2 号楼 103"),
    Dweller(number=31, name="陈静 Chen Jing", unit="2 号楼 204", face=False),
    Dweller(number=44, name="刘洋 Liu Yang", unit="3 号楼 602"),
)
HOST, FEVERISH, MASKED, CARD_ONLY = DWELLERS[0], DWELLERS[1], DWELLERS[2], DWELLERS[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class GateStack:
    """A running gate. `people` are ids of the roll by numbers of the cast; `community` is its id at the service."""

    sight: Sight
    why_blind: str
    kiosk: str
    people: Mapping[int, str]
    community: int


def choose_sight(layout: Layout, camera: str | None, environment: Mapping[str, str]) -> tuple[Sight, str]:
    """Say what the gate sees by; without models, why, and what to do."""
    folder = default_folder(environment, Path.home()) if "LINLI_MODELS" in environment else layout.data / "models"
    try:
        for manifest in stack_manifests(Stack.DLIB).values():
            if isinstance(manifest.source, PackageSource):
                package_weights(manifest.source)
    except ModelError as error:
        try:
            require(Stack.DLIB, folder)
        except ModelError:
            return Sight(models=None), f"{error} (`make demo` does it), and start again"
    real = camera if camera is None or camera.isdecimal() or "://" in camera else str(Path(camera).resolve())
    return Sight(models=folder.resolve(), camera=real), ""


async def start_gate(
    layout: Layout, ports: Ports, children: Children, api: Api, *, camera: str | None, tell: Callable[[str], None]
) -> GateStack:
    """Bring the gate up beside a running service; `api` is signed in. ChildFailed, NotReady, DemoFailed."""
    sight, why = await asyncio.to_thread(choose_sight, layout, camera, os.environ)
    await asyncio.to_thread(_write, layout, ports, sight)
    tell("starting the gate: its cameras, door and readers")
    await start_lines(children, load_scene(layout.gate_scene), data=layout.simulators)
    try:
        community = await _community(api)
        people = await _put_people(api, community)
        await _let_pull(api, layout, community)
    except httpx.HTTPError as error:
        raise DemoFailed(f"the service does not take the people of the gate: {error}") from error
    faces = {people[one.number]: one.number for one in DWELLERS if one.face}
    problem = await _enrol(layout, faces if sight.models is not None else {}, tell)
    if problem and sight.models is not None:
        sight, why = Sight(models=None), problem
        await asyncio.to_thread(_write, layout, ports, sight)
    command = [sys.executable, "-m", "linli", "edge", "run", str(layout.gate_site), "--agent", GATE_AGENT]
    await children.start(GATE_AGENT, command)
    return GateStack(
        sight=sight,
        why_blind=why,
        kiosk=f"http://127.0.0.1:{ports.kiosk}/",
        people=people,
        community=community,
    )


def _write(layout: Layout, ports: Ports, sight: Sight) -> None:
    config = load_config(layout.cloud)
    write_keys(layout, config.path(config.gates.keys_file))
    if not layout.kiosk_staff.exists() or GUARD not in read_staff(layout.kiosk_staff):
        put_staff(layout.kiosk_staff, login=GUARD, name="赵队长 Zhao", password=ensure_password(layout, GUARD))
    write_gate(layout, ports, sight)


async def _community(api: Api) -> int:
    found = (await api.get("/communities"))["items"]
    return next(int(one["id"]) for one in found if one["code"] == COMMUNITY)


async def _put_people(api: Api, community: int) -> Mapping[int, str]:
    """Put whoever is not there yet on the service's list; gives their ids by number of the cast."""
    there = {one["name"]: one for one in (await api.get("/gates/people", community=community, limit=500))["items"]}
    ids: dict[int, str] = {}
    for dweller in DWELLERS:
        known = there.get(dweller.name)
        if known is None:
            body = {
                "community_id": community,
                "kind": "resident",
                "name": dweller.name,
                "unit": dweller.unit,
                "face": dweller.face,
                "health_id": dweller.health_id,
            }
            known = await api.post("/gates/people", body)
        if not known.get("credentials"):
            await api.post(f"/gates/people/{known['id']}/credentials", {"kind": "card", "value": dweller.card})
        ids[dweller.number] = str(known["id"])
    return ids


async def _let_pull(api: Api, layout: Layout, community: int) -> None:
    """Have a token for the agent: the one that it has while the service knows the agent, else a new one."""
    file = layout.secrets / "gate.token"
    agents = (await api.get("/gates/agents", community=community))["items"]
    if file.exists() and any(one["agent"] == GATE_AGENT for one in agents):
        return
    token = (await api.post("/gates/agents", {"community_id": community, "agent": GATE_AGENT}))["token"]
    file.touch(mode=0o600)
    file.write_text(f"{token}\n", encoding="utf-8")


async def _enrol(layout: Layout, faces: Mapping[str, int], tell: Callable[[str], None]) -> str:
    """Pull the list and enrol the faces, in a process of its own; gives why not, or nothing."""
    plan = layout.data / "gate-people.json"
    plan.write_text(json.dumps(faces), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.demo.enrol", str(layout.gate_site), str(plan),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
    )  # fmt: skip
    last = ""
    try:
        if process.stdout is not None:
            async for line in process.stdout:
                last = line.decode(errors="replace").strip()
                tell(f"the gate: {last}")
        return "" if await process.wait() == 0 else last or "the faces could not be enrolled"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
