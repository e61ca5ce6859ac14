"""Where the demonstration keeps its things, and on which ports its processes listen."""

import fcntl
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COMMUNITY = "sunshine-garden"
AGENT = "edge-1"
GATE_AGENT = "edge-gate"
GATE = "north"
LOGIN = "demo"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """TCP ports on the loopback interface."""

    web: int
    broker: int
    pumps: int
    agent: int
    ingest: int
    worker: int
    gate: int
    kiosk: int
    camera: int
    thermal: int
    health: int


PREFERRED = Ports(
    web=8080, broker=18830, pumps=15020, agent=9101, ingest=9102, worker=9103,
    gate=9104, kiosk=8090, camera=15031, thermal=15032, health=15033,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The folder of one demonstration. Everything that it writes lies in there."""

    data: Path

    @property
    def site(self) -> Path:
        """The agent's site file."""
        return self.data / "site.toml"

    @property
    def gate_site(self) -> Path:
        """The site file of the gate's agent."""
        return self.data / "gate.toml"

    @property
    def gate_scene(self) -> Path:
        """The simulated devices of the gate."""
        return self.data / "gate-scene.toml"

    @property
    def kiosk_staff(self) -> Path:
        """Who may log in at the kiosk."""
        return self.secrets / "kiosk-staff.toml"

    @property
    def visitor_pass(self) -> Path:
        """The text of a visitor's pass, to be tried."""
        return self.secrets / "visitor.pass"

    @property
    def cloud(self) -> Path:
        """The service's configuration."""
        return self.data / "cloud.toml"

    @property
    def provision(self) -> Path:
        """The organisation, people and shifts."""
        return self.data / "provision.toml"

    @property
    def scene(self) -> Path:
        """The simulated devices."""
        return self.data / "scene.toml"

    @property
    def secrets(self) -> Path:
        """Passwords and keys, readable by their owner only."""
        return self.data / "secrets"

    @property
    def broker(self) -> Path:
        """The broker's configuration and persistence."""
        return self.data / "broker"

    @property
    def simulators(self) -> Path:
        """The simulators' sockets, serial lines and logs."""
        return self.data / "simulators"

    @property
    def logs(self) -> Path:
        """What each process wrote."""
        return self.data / "logs"

    @property
    def telemetry(self) -> Path:
        """The embedded telemetry store."""
        return self.data / "telemetry.db"

    @property
    def notices(self) -> Path:
        """Notifications as they were delivered to the demonstration's own receiver."""
        return self.data / "notices.jsonl"


class InUse(Exception):
    """Another demonstration runs in this folder."""


@contextmanager
def hold(layout: Layout) -> Iterator[None]:
    """Be the only demonstration in this folder, before anything in it is touched; the lock ends with the process.

    InUse; OSError when the folder cannot be written.
    """
    layout.data.mkdir(parents=True, exist_ok=True)
    with (layout.data / "demo.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(
                f"a demonstration already runs in {layout.data}: end it (Ctrl-C), or use another folder (--data)"
            ) from error
        yield


def ensure_password(layout: Layout, name: str) -> str:
    """Give the password kept under `name`, made at the first call."""
    layout.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = layout.secrets / f"{name}.password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def free_ports(*, random: bool, web: int | None = None) -> Ports:
    """Choose ports: the usual ones where they are free (or all of the system's choice), and `web` exactly as asked.

    OSError when that one is taken.
    """
    if web is not None and not _is_free(web):
        raise OSError(f"port {web} is taken: stop what listens there, or choose another one with --port")
    chosen: dict[str, int] = {}
    for name in Ports.__slots__:
        preferred = 0 if random else int(getattr(PREFERRED, name))
        if name == "web" and web is not None:
            preferred = web
        chosen[name] = _free(preferred, taken=set(chosen.values()))
    return Ports(**chosen)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free(preferred: int, *, taken: set[int]) -> int:
    for port in (preferred, *([0] * 20)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found not in taken:
                return found
    raise OSError("no free port on 127.0.0.1")
