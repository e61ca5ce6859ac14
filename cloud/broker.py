"""Mosquitto made safe: nobody without a password, and nobody beyond their own topics.

Facts: mosquitto.conf(5), mosquitto_passwd(1) of Mosquitto 2.0; topics of Sparkplug B 3.0.
"""

import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CLOUD = "cloud"
"""The user of the service itself."""

_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"[^+#/\x00-\x1f\x7f]{1,64}")
_NODE_WRITES = (
    "NBIRTH/{node}",
    "NDEATH/{node}",
    "NDATA/{node}",
    "DBIRTH/{node}/+",
    "DDEATH/{node}/+",
    "DDATA/{node}/+",
)
_NODE_READS = ("NCMD/{node}", "DCMD/{node}/+")


class BrokerError(Exception):
    """The broker cannot be set up or started; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeUser:
    """The login of one edge node; ValueError for names that would mean something else in a topic or a file."""

    name: str
    group: str
    node: str

    def __post_init__(self) -> None:
        """Refuse what would break out of the files that are made of it."""
        if not _USER.fullmatch(self.name) or self.name == CLOUD:
            raise ValueError(
                f"{self.name!r} cannot be a broker user: letters, digits, `.`, `_`, `-`, and not `{CLOUD}`"
            )
        for part in (self.group, self.node):
            if not _ID.fullmatch(part) or part != part.strip():
                raise ValueError(
                    f"{part!r} cannot be part of a Sparkplug topic: without +, #, /, at most 64 characters"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerFiles:
    """Where everything of the broker lies. The folder is for its owner alone."""

    folder: Path

    @property
    def conf(self) -> Path:
        """The configuration."""
        return self.folder / "mosquitto.conf"

    @property
    def acl(self) -> Path:
        """Who may publish and read what."""
        return self.folder / "acl"

    @property
    def passwords(self) -> Path:
        """The hashed passwords that Mosquitto reads."""
        return self.folder / "passwd"

    @property
    def data(self) -> Path:
        """What Mosquitto keeps over a restart."""
        return self.folder / "data"

    def secret(self, user: str) -> Path:
        """Where the password of a user lies, for the process that logs in with it."""
        return self.folder / "secrets" / f"{user}.password"


def render_conf(files: BrokerFiles, *, host: str, port: int, user: str) -> str:
    """Write mosquitto.conf. `user` is the system's user that a broker started by root becomes (root stays root)."""
    lines = (
        "per_listener_settings false",
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {files.passwords}",
        f"acl_file {files.acl}",
        # Started by root, Mosquitto would become a user that cannot read these files.
        f"user {user}",
        "persistence true",
        f"persistence_location {files.data}/",
        "autosave_interval 30",
        "persistent_client_expiration 14d",
        "set_tcp_nodelay true",
        "max_inflight_messages 100",
        "max_queued_messages 20000",
        "max_queued_bytes 67108864",
        "max_packet_size 8388608",
        "max_keepalive 300",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages true",
    )
    return "\n".join(lines) + "\n"


def render_acl(nodes: Iterable[NodeUser]) -> str:
    """Write the ACL: each node its own topics, the cloud all readings and the commands; all else is denied."""
    lines = [
        f"user {CLOUD}",
        "topic read spBv1.0/#",
        "topic write spBv1.0/+/NCMD/+",
        "topic write spBv1.0/+/DCMD/+/+",
        "topic write spBv1.0/STATE/+",
    ]
    for one in nodes:
        lines += ["", f"user {one.name}"]
        lines += [f"topic write spBv1.0/{one.group}/{topic.format(node=one.node)}" for topic in _NODE_WRITES]
        lines += [f"topic read spBv1.0/{one.group}/{topic.format(node=one.node)}" for topic in _NODE_READS]
        lines += ["topic read spBv1.0/STATE/#"]
    return "\n".join(lines) + "\n"


def ensure_credentials(files: BrokerFiles, users: Sequence[str]) -> None:
    """Make a random password for each user that has none, and the hashed file of all of them. Passwords are kept.

    BrokerError when `mosquitto_passwd` is missing or fails.
    """
    tool = find_program("mosquitto_passwd")
    for folder in (files.folder, files.folder / "secrets"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    plain: list[str] = []
    for user in users:
        if not _USER.fullmatch(user):
            raise BrokerError(f"{user!r} cannot be a broker user: letters, digits, `.`, `_`, `-`")
        secret = files.secret(user)
        if not secret.exists() or not secret.read_text().strip():
            write_private(secret, secrets.token_urlsafe(24) + "\n")
        plain.append(f"{user}:{secret.read_text().strip()}\n")
    # Hashed from a file and in place, so that no password appears in the list of processes.
    fresh = files.passwords.with_name("passwd.new")
    write_private(fresh, "".join(plain))
    try:
        subprocess.run([tool, "-U", str(fresh)], check=True, capture_output=True, text=True)  # noqa: S603 - own paths
    except (OSError, subprocess.CalledProcessError) as error:
        fresh.unlink(missing_ok=True)
        why = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise BrokerError(f"{tool} failed: {why}") from error
    fresh.chmod(0o600)
    fresh.replace(files.passwords)


def prepare(folder: Path, *, host: str, port: int, nodes: Sequence[NodeUser]) -> BrokerFiles:
    """Write everything that the broker needs into a folder; BrokerError when a program is missing."""
    files = BrokerFiles(folder=folder.resolve())
    if not str(files.folder).isprintable():
        # A path ends with its line in mosquitto.conf; spaces and Chinese characters are fine.
        raise BrokerError(f"Mosquitto cannot read paths with a line break or control character: {str(files.folder)!r}")
    ensure_credentials(files, [CLOUD, *(one.name for one in nodes)])
    files.data.mkdir(mode=0o700, exist_ok=True)
    write_private(files.acl, render_acl(nodes))
    write_private(files.conf, render_conf(files, host=host, port=port, user=pwd.getpwuid(os.getuid()).pw_name))
    return files


def broker_command(files: BrokerFiles) -> list[str]:
    """Give the command that runs the broker in the foreground; BrokerError when Mosquitto is missing."""
    return [find_program("mosquitto"), "-c", str(files.conf)]


def find_program(name: str) -> str:
    """Find a program of Mosquitto, also where a user's PATH does not look; BrokerError says what to install."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found is None:
        raise BrokerError(
            f"`{name}` is not installed: on Debian and Ubuntu `apt-get install mosquitto`, on macOS "
            "`brew install mosquitto`; or use a broker of your own and set [broker] in the configuration"
        )
    return found


def write_private(file: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(content)
    draft.replace(file)
