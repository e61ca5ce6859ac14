"""Where a site file says that the people of an agent's gates are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.config import SiteConfig, load_site
from edge.gate.config import GatehouseSettings
from edge.gate.people.api import PeopleError
from edge.gate.people.backup import back_up
from edge.gate.people.keys import KeyRing, read_keys
from edge.gate.people.people import People, open_people
from edge.gate.people.sharing import Sharing
from models.face.stack import DlibStack, ZooStack
from models.manifest import Detector, Stack
from models.store import identity

STACKS: Mapping[Stack, type[DlibStack | ZooStack]] = {Stack.DLIB: DlibStack, Stack.OPENCV_ZOO: ZooStack}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What an agent's gates have in common. Paths are resolved; `models` is where the file says that its models are."""

    community: str
    agent: str
    house: GatehouseSettings
    folder: Path
    key_file: Path
    stack: Stack
    detector: Detector | None
    models: Path | None
    staff_files: tuple[Path, ...]
    community_key_file: Path | None
    backup: Path | None

    def open(self) -> People:
        """Open the people, also while the agent runs. PeopleError."""
        kind = STACKS[self.stack]
        return open_people(
            self.folder, self.key_file, gate=self.agent, model=identity(self.stack), metric=kind.metric,
            authors=kind.threshold, demo=self.house.demo,
        )  # fmt: skip

    def community_keys(self) -> KeyRing:
        """Read the community's key. KeyRefused; PeopleError where the site file names none."""
        if self.community_key_file is None:
            raise PeopleError(
                "the site file names no `community_key_file` for these gates: make one with `linli gate keys community`"
            )
        return read_keys(self.community_key_file, apart_from=self.folder)


def find_place(site: Path, agent: str | None) -> Place:
    """Find the gates of an agent, or of the only one that has any. ConfigError, PeopleError."""
    config = load_site(site)
    with_gates = [name for name, one in config.settings.agents.items() if one.gatehouse is not None]
    if agent is None:
        if len(with_gates) != 1:
            known = ", ".join(with_gates) or "none"
            raise PeopleError(f"{site}: say which agent's gates are meant: --agent NAME (with gates: {known})")
        agent = with_gates[0]
    if agent not in with_gates:
        raise PeopleError(
            f"{site}: the agent `{agent}` has no `gatehouse` (with one: {', '.join(with_gates) or 'none'})"
        )
    return _place(config, agent)


def attach(people: People, house: GatehouseSettings, path: Callable[[str], Path]) -> Sharing | None:
    """Have the backup sealed anew after each erasure; give what shares the faces, to be run, where the site says so.

    `path` resolves a path of the site file. KeyRefused when the community's key cannot be used.
    """
    if house.community_key_file is None or not (house.backup_file or house.share or house.shared_with):
        return None
    ring = read_keys(path(house.community_key_file), apart_from=people.vault.folder)
    if house.backup_file is not None:
        file = path(house.backup_file)
        people.back_up_with(lambda: back_up(people, file, ring))
    if house.share is None and not house.shared_with:
        return None
    return Sharing(people, ring, peers=house.shared_with, listen=house.share)


def _place(config: SiteConfig, agent: str) -> Place:
    settings = config.settings.agents[agent]
    house = settings.gatehouse
    if house is None:
        raise PeopleError(f"{config.file}: the agent `{agent}` has no `gatehouse`")
    eyes = next((one.eyes for one in settings.gates.values() if one.eyes is not None), None)
    staff = [one.kiosk.staff_file for one in settings.gates.values() if one.kiosk is not None]
    return Place(
        community=config.settings.site.community,
        agent=agent,
        house=house,
        folder=config.path(settings.data) / house.data,
        key_file=config.path(house.key_file),
        stack=Stack.DLIB if eyes is None else Stack(eyes.stack),
        detector=None if eyes is None or eyes.detector is None else Detector(eyes.detector),
        models=None if eyes is None or eyes.models is None else config.path(eyes.models),
        staff_files=tuple(dict.fromkeys(config.path(one) for one in staff if one is not None)),
        community_key_file=None if house.community_key_file is None else config.path(house.community_key_file),
        backup=None if house.backup_file is None else config.path(house.backup_file),
    )
