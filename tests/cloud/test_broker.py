import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiomqtt
import pytest

from cloud.broker import (
    CLOUD,
    BrokerError,
    BrokerFiles,
    NodeUser,
    broker_command,
    ensure_credentials,
    find_program,
    prepare,
    render_acl,
    render_conf,
    write_private,
)
from tests.support.broker import free_port

A = NodeUser(name="agent-a", group="garden", node="edge-a")
B = NodeUser(name="agent-b", group="garden", node="edge-b")


@contextlib.asynccontextmanager
async def _broker(folder: Path, nodes: Sequence[NodeUser] = (A, B), port: int | None = None) -> AsyncIterator[int]:
    number = port or free_port()
    files = prepare(folder, host="127.0.0.1", port=number, nodes=nodes)
    log = (folder / "log").open("ab")
    process = await asyncio.create_subprocess_exec(*broker_command(files), stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", number)
                writer.close()
                break
            assert process.returncode is None, (folder / "log").read_text()
            await asyncio.sleep(0.05)
        yield number
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        log.close()


def _client(folder: Path, port: int, user: str, **options: object) -> aiomqtt.Client:
    password = BrokerFiles(folder=folder).secret(user).read_text().strip()
    return aiomqtt.Client("127.0.0.1", port, username=user, password=password, **options)  # type: ignore[arg-type]


async def _heard(client: aiomqtt.Client, until: str) -> list[str]:
    """Give the topics that arrive until a certain one does, which proves that what was sent before it was dropped."""
    topics: list[str] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            topics.append(str(message.topic))
            if str(message.topic) == until:
                return topics
    return topics


@pytest.mark.parametrize(("user", "password"), [("agent-a", "wrong"), ("nobody", "x"), (None, None)])
async def test_nobody_gets_in_without_the_right_password(
    tmp_path: Path, user: str | None, password: str | None
) -> None:
    async with _broker(tmp_path) as port:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", port, username=user, password=password):
                pass


async def test_an_agent_publishes_as_itself_and_as_nobody_else(tmp_path: Path) -> None:
    allowed = [
        f"spBv1.0/garden/{topic}"
        for topic in (
            "NBIRTH/edge-a",
            "NDATA/edge-a",
            "DBIRTH/edge-a/pump-1",
            "DDATA/edge-a/pump-1",
            "DDEATH/edge-a/pump-1",
            "NDEATH/edge-a",
        )
    ]
    forbidden = [
        "spBv1.0/garden/NBIRTH/edge-b",
        "spBv1.0/garden/DDATA/edge-b/pump-1",
        "spBv1.0/other/NDATA/edge-a",
        "spBv1.0/garden/NCMD/edge-a",
        "spBv1.0/garden/DCMD/edge-b/pump-1",
        "spBv1.0/STATE/linli",
        "elsewhere",
    ]
    async with (
        _broker(tmp_path) as port,
        _client(tmp_path, port, CLOUD) as cloud,
        _client(tmp_path, port, "agent-a") as agent,
    ):
        await cloud.subscribe("#")
        for topic in [*forbidden, *allowed]:
            await agent.publish(topic, b"x", qos=1)
        assert await _heard(cloud, allowed[-1]) == allowed


async def test_an_agent_reads_only_its_own_commands_and_the_hosts_state(tmp_path: Path) -> None:
    async with (
        _broker(tmp_path) as port,
        _client(tmp_path, port, CLOUD) as cloud,
        _client(tmp_path, port, "agent-a") as agent,
        _client(tmp_path, port, "agent-b") as other,
    ):
        await agent.subscribe("#")
        await other.publish("spBv1.0/garden/DDATA/edge-b/pump-1", b"x", qos=1)
        sent = [
            "spBv1.0/garden/NCMD/edge-b",
            "spBv1.0/garden/DCMD/edge-b/pump-1",
            "spBv1.0/STATE/linli",
            "spBv1.0/garden/NCMD/edge-a",
            "spBv1.0/garden/DCMD/edge-a/pump-1",
        ]
        for topic in sent:
            await cloud.publish(topic, b"x", qos=1)
        assert await _heard(agent, sent[-1]) == sent[2:]


async def test_the_cloud_cannot_pretend_to_be_an_agent(tmp_path: Path) -> None:
    async with _broker(tmp_path) as port, _client(tmp_path, port, CLOUD) as cloud:
        await cloud.subscribe("#")
        await cloud.publish("spBv1.0/garden/DDATA/edge-a/pump-1", b"x", qos=1)
        await cloud.publish("spBv1.0/STATE/linli", b"x", qos=1)
        assert await _heard(cloud, "spBv1.0/STATE/linli") == ["spBv1.0/STATE/linli"]


async def test_what_the_broker_keeps_survives_its_restart(tmp_path: Path) -> None:
    async with _broker(tmp_path) as port, _client(tmp_path, port, CLOUD) as cloud:
        await cloud.publish("spBv1.0/STATE/linli", b"kept", qos=1, retain=True)
    async with _broker(tmp_path) as port, _client(tmp_path, port, "agent-a") as agent:
        await agent.subscribe("spBv1.0/STATE/#")
        async with asyncio.timeout(10):
            message = await anext(aiter(agent.messages))
    assert message.payload == b"kept"


async def test_passwords_stay_and_a_new_agent_gets_one(tmp_path: Path) -> None:
    async with _broker(tmp_path, [A]):
        before = BrokerFiles(folder=tmp_path).secret("agent-a").read_text()
    async with _broker(tmp_path, [A, B]) as port:
        assert BrokerFiles(folder=tmp_path).secret("agent-a").read_text() == before
        for user in ("agent-a", "agent-b", CLOUD):
            async with _client(tmp_path, port, user):
                pass


def test_files_are_for_their_owner_alone_and_hold_no_plain_password_for_the_broker(tmp_path: Path) -> None:
    files = prepare(tmp_path / "broker", host="127.0.0.1", port=1883, nodes=[A])
    for file in (files.conf, files.acl, files.passwords, files.secret(CLOUD), files.secret("agent-a")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    for folder in (files.folder, files.folder / "secrets", files.data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    hashed = files.passwords.read_text()
    assert hashed.count("$7$") == 2
    for user in (CLOUD, "agent-a"):
        secret = files.secret(user).read_text().strip()
        assert len(secret) >= 32
        assert secret not in hashed


def test_the_configuration_names_everything_that_keeps_it_closed() -> None:
    files = BrokerFiles(folder=Path("/srv/broker"))
    lines = render_conf(files, host="127.0.0.1", port=1883, user="linli").splitlines()
    for line in (
        "listener 1883 127.0.0.1",
        "allow_anonymous false",
        "per_listener_settings false",
        "password_file /srv/broker/passwd",
        "acl_file /srv/broker/acl",
        "persistence true",
        "persistence_location /srv/broker/data/",
        "user linli",
    ):
        assert line in lines


def test_the_access_list_has_no_pattern_for_everybody() -> None:
    lines = render_acl([A]).splitlines()
    assert lines[0] == f"user {CLOUD}"
    assert not any(line.startswith("pattern") for line in lines)


@pytest.mark.parametrize(
    ("name", "group", "node"),
    [
        ("a:b", "g", "n"),
        ("a\nuser cloud", "g", "n"),
        ("", "g", "n"),
        (CLOUD, "g", "n"),
        ("a", "#", "n"),
        ("a", "g", "+"),
        ("a", "g/h", "n"),
        ("a", "g", "n\ntopic readwrite #"),
        ("a", "g ", "n"),
        ("a", "", "n"),
    ],
)
def test_names_that_would_open_the_broker_are_refused(name: str, group: str, node: str) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        NodeUser(name=name, group=group, node=node)


def test_without_mosquitto_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BrokerError, match="apt-get install mosquitto"):
        find_program("mosquitto-that-is-not-there")


def test_a_damaged_password_file_is_made_anew(tmp_path: Path) -> None:
    files = BrokerFiles(folder=tmp_path)
    ensure_credentials(files, [CLOUD])
    files.passwords.write_text("rubbish")
    ensure_credentials(files, [CLOUD])
    assert files.passwords.read_text().startswith(f"{CLOUD}:$7$")


async def test_a_folder_with_spaces_and_chinese_characters_is_fine(tmp_path: Path) -> None:
    folder = tmp_path / "two  words 数据"
    folder.mkdir()
    async with _broker(folder) as port, _client(folder, port, "agent-a"):
        pass
    assert (folder / "data" / "mosquitto.db").exists()


def test_a_path_that_would_end_its_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="line break"):
        prepare(tmp_path / "two\nlines", host="127.0.0.1", port=1883, nodes=[])


def test_a_private_file_replaces_an_open_one(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("old")
    os.chmod(file, 0o644)  # noqa: PTH101 - as a careless tool does
    write_private(file, "new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
