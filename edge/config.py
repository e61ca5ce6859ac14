"""The site file: which agents stand in a community, on which buses, with which devices."""

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from drivers.address import DeviceAddress
from drivers.catalog import catalog_profile, profile_names
from drivers.profile import AlarmOverride, Identifier, Label, Profile, Slug, load_profile
from drivers.registry import BUS_FILES, BusSettings, device_problem, place_of, protocol_problem
from edge.gate.config import GatehouseSettings, GateSettings
from edge.gate.site_check import check_gates
from edge.time_sync import Sync
from edge.watch import digests
from runtime.config import ConfigError, Problem, Strict, read_toml, validate
from runtime.durations import Duration
from wire.errors import MalformedTopic
from wire.topic import case_twins, check_name

SCHEMA = 1
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[Duration, Field(gt=timedelta(0))]


class Site(Strict):
    """The community that the agents stand in."""

    community: str = Field(description="the Sparkplug group")
    time_zone: str
    profiles: str | None = Field(default=None, description="a folder of local profiles, relative to the site file")


class Server(Strict):
    """A broker. The password stands in a file of its own, relative to the site file."""

    host: str = Field(min_length=1)
    port: Port = 1883
    username: str | None = None
    password_file: str | None = None
    tls: bool = False
    ca_file: str | None = None


class Broker(Server):
    """Where to publish. With a primary host nothing is published where that is not online.

    `others` are the brokers beside this one at which it may be found.
    """

    primary_host: str | None = Field(default=None, description="the host id in that host's STATE topic")
    primary_host_patience: Positive = Field(
        default=timedelta(seconds=10), description="a broker where the host says nothing for so long is left"
    )
    others: tuple[Server, ...] = ()
    keepalive: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=20)


class Http(Strict):
    """Where `/health` and `/metrics` are; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)


class JournalLimits(Strict):
    """How much the journal may hold before its oldest records become a gap."""

    max_records: int = Field(default=1_000_000, ge=100)
    max_bytes: int = Field(default=1_000_000_000, ge=1_000_000)
    reserved: float = Field(
        default=0.1, ge=0.0, le=0.9, description="the share that telemetry leaves to events, alarms and commands"
    )


class ClockSettings(Strict):
    """When the machine's clock is not believed."""

    sync: Sync = Field(default=Sync.AUTO, description="whether times before it is synchronised are marked")
    floor: bool = Field(default=True, description="whether a clock behind the newest record's time is not believed")


class DeviceSettings(DeviceAddress):
    """One device: what it is, where it is on its bus, and where it stands."""

    profile: str
    bus: str
    label: Label
    place: str = Field(min_length=1, description="from the building to the spot, such as 3号楼/地下泵房")
    heartbeat: Positive = Field(default=timedelta(seconds=60), description="unchanged points are reported this often")
    alarms: dict[Identifier, AlarmOverride] = Field(default_factory=dict)


class AgentSettings(Strict):
    """One edge agent: one process."""

    data: str = Field(min_length=1, description="the folder of its journal, relative to the site file")
    http: Http
    journal: JournalLimits = JournalLimits()
    clock: ClockSettings = ClockSettings()
    buses: dict[str, BusSettings] = Field(min_length=1)
    devices: dict[str, DeviceSettings] = Field(min_length=1)
    gatehouse: GatehouseSettings | None = None
    gates: dict[Slug, GateSettings] = Field(default_factory=dict)


class SiteFile(Strict):
    """The whole file, schema version 1."""

    schema_version: Literal[1] = Field(alias="schema")
    site: Site
    broker: Broker
    agents: dict[str, AgentSettings] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteConfig:
    """A site file that was checked, with everything it refers to. Paths are resolved.

    `profile_hashes` are those of `profiles`, which are slow to ask. `content` has the digest of each file that was
    read, and `revision` names the content of the site file and of the profiles that it uses.
    """

    file: Path
    settings: SiteFile
    profiles: Mapping[str, Profile]
    profile_hashes: Mapping[str, str]
    content: Mapping[Path, str]
    revision: str

    @property
    def broker_password(self) -> str | None:
        """The broker's password, read now, so that it is never older than the file."""
        return self.password_of(self.settings.broker)

    def password_of(self, server: Server) -> str | None:
        """Read the password for one broker; OSError when it cannot be."""
        name = server.password_file
        return None if name is None else self.path(name).read_text(encoding="utf-8").strip()

    @property
    def secrets(self) -> tuple[Path, ...]:
        """The files that are read anew for each connection to the broker."""
        broker = self.settings.broker
        named = [name for one in (broker, *broker.others) for name in (one.password_file, one.ca_file)]
        return tuple(dict.fromkeys(self.path(name) for name in named if name is not None))

    def sources(self) -> tuple[Path, ...]:
        """Find the files that say what is to run: the site file, and the local profiles that are there now."""
        return (self.file, *_local_files(self.file.parent, self.settings.site))

    def path(self, relative: str) -> Path:
        """Resolve a path of the file."""
        return self.file.parent / relative

    def profile_of(self, device: DeviceSettings) -> Profile:
        """Give a device's profile."""
        return self.profiles[device.profile]


def _with_paths(settings: SiteFile, folder: Path) -> SiteFile:
    """Resolve the files that buses name, as every path of the file: from its own folder."""

    def resolved(bus: BusSettings) -> BusSettings:
        named = {key: getattr(bus, key, None) for key in BUS_FILES}
        found = {key: str((folder / name).absolute()) for key, name in named.items() if name is not None}
        return bus.model_copy(update=found) if found else bus

    agents = {
        name: agent.model_copy(update={"buses": {bus: resolved(one) for bus, one in agent.buses.items()}})
        for name, agent in settings.agents.items()
    }
    return settings.model_copy(update={"agents": agents})


def load_site(file: Path) -> SiteConfig:
    """Read and check a site file without connecting to anything; ConfigError lists every mistake in it."""
    content = digests([file])  # before it is read, so that a change in between is seen later
    data = read_toml(file)
    if (schema := data.get("schema")) not in {None, SCHEMA}:
        problem = Problem(
            key="schema",
            message=f"this version of Linli reads schema {SCHEMA}, and the file has {schema!r}",
            remedy=f"write the file for `schema = {SCHEMA}`, or use the version of Linli that the file is for",
        )
        raise ConfigError(file, (problem,))
    settings = _with_paths(validate(file, data, SiteFile), file.parent)
    content |= digests(_local_files(file.parent, settings.site))
    problems: list[Problem] = []
    profiles = _used_profiles(file.parent, settings, problems)
    problems += _check_site(file.parent, settings)
    problems += _case_twins("agents", settings.agents)
    for name, agent in settings.agents.items():
        problems += _check_agent(f"agents.{name}", name, agent, profiles)
        problems += _case_twins(f"agents.{name}.devices", agent.devices)
    problems += _shared_by_agents(settings)
    if problems:
        raise ConfigError(file, tuple(problems))
    hashes = {name: profile.hash for name, profile in profiles.items()}
    said = content[file] + "".join(sorted(hashes.values()))
    revision = hashlib.blake2b(said.encode(), digest_size=6).hexdigest()
    return SiteConfig(
        file=file, settings=settings, profiles=profiles, profile_hashes=hashes, content=content, revision=revision
    )


_OWN_PROFILES: Mapping[str, Path] = {"linli-gate": Path(__file__).parent / "gate" / "profile.toml"}
"""The device types that are parts of the agent itself."""


def _used_profiles(folder: Path, settings: SiteFile, problems: list[Problem]) -> dict[str, Profile]:
    """Load the profiles that devices name: local ones first, the agent's own, the catalogue's. Others are a problem."""
    local = _local_profiles(folder, settings.site, problems)
    own = {name: file for name, file in _OWN_PROFILES.items() if name not in local}
    in_catalog = profile_names()
    found: dict[str, Profile] = {}
    for agent_name, agent in settings.agents.items():
        for device_name, device in agent.devices.items():
            name = device.profile
            if name in local:
                found[name] = local[name]
            elif name in own:
                found[name] = found.get(name) or load_profile(own[name])
            elif name in in_catalog:
                found[name] = found.get(name) or catalog_profile(name)
            else:
                message, remedy = (
                    f"there is no profile `{name}`",
                    _suggest(name, dict.fromkeys((*local, *own, *in_catalog))),
                )
                key = f"agents.{agent_name}.devices.{device_name}.profile"
                problems.append(Problem(key=key, message=message, remedy=remedy))
    return found


def _local_profiles(folder: Path, site: Site, problems: list[Problem]) -> dict[str, Profile]:
    if site.profiles is None:
        return {}
    root = folder / site.profiles
    if not root.is_dir():
        problems.append(
            Problem(key="site.profiles", message=f"{root} is no folder", remedy="create it, or remove the key")
        )
        return {}
    found: dict[str, Profile] = {}
    for file in _local_files(folder, site):
        try:
            profile = load_profile(file)
        except ConfigError as error:
            problems += [
                Problem(key=f"{file.relative_to(folder)}: {one.key}", message=one.message, remedy=one.remedy)
                for one in error.problems
            ]
            continue
        if profile.name in found:
            message, remedy = f"{file} repeats the profile `{profile.name}`", "rename or remove one of the two"
            problems.append(Problem(key="site.profiles", message=message, remedy=remedy))
        found[profile.name] = profile
    return found


def _local_files(folder: Path, site: Site) -> list[Path]:
    if site.profiles is None:
        return []
    root = folder / site.profiles
    return sorted({*root.glob("*.toml"), *root.glob("*/profile.toml")})


def _check_site(folder: Path, settings: SiteFile) -> Iterator[Problem]:
    yield from _check_name("site.community", settings.site.community)
    try:
        ZoneInfo(settings.site.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"{settings.site.time_zone!r} is no time zone"
        yield Problem(key="site.time_zone", message=message, remedy="use an IANA name, such as 'Asia/Shanghai'")
    broker = settings.broker
    yield from _check_server(folder, "broker", broker)
    for number, server in enumerate(broker.others):
        yield from _check_server(folder, f"broker.others.{number}", server)
    if broker.primary_host is not None:
        yield from _check_name("broker.primary_host", broker.primary_host)
    elif broker.others:
        message = "nothing says when to leave a broker for another"
        yield Problem(key="broker.others", message=message, remedy="name the `primary_host`, or remove the key")


def _check_server(folder: Path, where: str, server: Server) -> Iterator[Problem]:
    if (server.username is None) != (server.password_file is None):
        missing, given = ("username", "password_file") if server.username is None else ("password_file", "username")
        yield Problem(key=f"{where}.{missing}", message="missing", remedy=f"`{given}` needs it")
    for key, name in (("password_file", server.password_file), ("ca_file", server.ca_file)):
        if name is not None and not (folder / name).is_file():
            message = f"there is no file {folder / name}"
            yield Problem(key=f"{where}.{key}", message=message, remedy="create it, or correct the path")
    if server.ca_file is not None and not server.tls:
        yield Problem(key=f"{where}.ca_file", message="never used without TLS", remedy="set `tls = true`, or remove it")


def _check_agent(where: str, name: str, agent: AgentSettings, profiles: Mapping[str, Profile]) -> Iterator[Problem]:
    yield from _check_name(where, name)
    connections: dict[str, str] = {}
    for bus_name, bus in agent.buses.items():
        connection = bus.place
        if connection in connections:
            message = f"`{connections[connection]}` already has {connection}"
            remedy = "one connection is one bus: put the devices of both on one bus"
            yield Problem(key=f"{where}.buses.{bus_name}", message=message, remedy=remedy)
        connections.setdefault(connection, bus_name)
    places: dict[tuple[str, str], str] = {}
    for device_name, device in agent.devices.items():
        key = f"{where}.devices.{device_name}"
        yield from _check_name(key, device_name)
        yield from _check_device(key, device, agent, profiles)
        if device.bus not in agent.buses:
            continue  # said with the device
        kind, place = place_of(agent.buses[device.bus], device)
        twin = places.setdefault((device.bus, place), device_name)
        if (place or kind == "bus") and twin != device_name:
            message = f"`{twin}` is {kind} {place} on the bus `{device.bus}` already"
            remedy = f"give each device of a bus {'a unit' if kind == 'unit' else 'an address'} of its own"
            if kind == "bus":
                message, remedy = f"`{twin}` is on the bus `{device.bus}` already", "such a bus has one device"
            yield Problem(key=f"{key}.{kind}", message=message, remedy=remedy)
    known = {device: profiles[one.profile] for device, one in agent.devices.items() if one.profile in profiles}
    yield from check_gates(where, agent.gatehouse, agent.gates, known)


def _case_twins(where: str, names: Iterable[str]) -> Iterator[Problem]:
    """Refuse names that a host, or a person, may take for one another."""
    for name, twin in case_twins(names).items():
        remedy = "give one of them another name"
        yield Problem(key=f"{where}.{name}", message=f"differs from `{twin}` by case only", remedy=remedy)


def _check_device(
    key: str, device: DeviceSettings, agent: AgentSettings, profiles: Mapping[str, Profile]
) -> Iterator[Problem]:
    bus = agent.buses.get(device.bus)
    if bus is None:
        message = f"there is no bus `{device.bus}`"
        yield Problem(key=f"{key}.bus", message=message, remedy=_suggest(device.bus, agent.buses))
    elif problem := device_problem(bus, device):
        kind, _ = place_of(bus, device)
        yield Problem(key=f"{key}.{kind}", message=problem, remedy=f"correct the {kind}, or the bus")
    profile = profiles.get(device.profile)
    if profile is None:
        return  # said where the profiles were looked for
    if bus is not None and protocol_problem(bus, profile):
        message = f"`{device.profile}` speaks {profile.protocol}, and the bus `{device.bus}` is {bus.protocol}"
        yield Problem(key=f"{key}.bus", message=message, remedy="put the device on a bus of its own protocol")
    for rule, override in device.alarms.items():
        alarm = profile.alarms.get(rule)
        if alarm is None:
            message = f"`{device.profile}` has no alarm `{rule}`"
            yield Problem(key=f"{key}.alarms.{rule}", message=message, remedy=_suggest(rule, profile.alarms))
            continue
        limited = {one.point: one for one in alarm.when if one.above is not None or one.below is not None}
        for point in override.limits:
            if point not in limited:
                message = f"the alarm `{rule}` has no limit on `{point}`"
                yield Problem(
                    key=f"{key}.alarms.{rule}.limits.{point}", message=message, remedy=_suggest(point, limited)
                )


def _shared_by_agents(settings: SiteFile) -> Iterator[Problem]:
    """Find what two agents may not share: a data folder, a port for `/health`."""
    folders: dict[str, str] = {}
    ports: dict[tuple[str, int], str] = {}
    for name, agent in settings.agents.items():
        if (other := folders.setdefault(str(Path(agent.data)), name)) != name:
            message = f"`{other}` has its journal in {agent.data} already"
            yield Problem(key=f"agents.{name}.data", message=message, remedy="give each agent a folder of its own")
        if agent.http.port and (other := ports.setdefault((agent.http.host, agent.http.port), name)) != name:
            message = f"`{other}` uses {agent.http.host}:{agent.http.port} already"
            yield Problem(key=f"agents.{name}.http.port", message=message, remedy="give each agent a port of its own")


def _check_name(key: str, name: str) -> Iterator[Problem]:
    try:
        check_name(name)
    except MalformedTopic as error:
        yield Problem(key=key, message=str(error), remedy="use letters, digits, - and _, such as 'pump-1'")


def _suggest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"there is: {', '.join(sorted(known))}" if known else "there is none"
