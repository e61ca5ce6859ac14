"""A site file that names a primary host and two brokers: the agent is where the host is, also after a change."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from edge.config import load_site
from runtime.config import ConfigError
from tests.support.broker import Broker, running_broker
from tests.support.changing_site import ChangingSite
from tests.support.counted_modbus import counted_modbus
from tests.support.edge_site import USERS, Host, listening_host, running_agent
from wire.host_session import HostSession
from wire.topic import MessageType

GOOD = Path(__file__).parent / "site.toml"


@contextlib.asynccontextmanager
async def host_online(broker: Broker, host_id: str) -> AsyncIterator[None]:
    """Let a host say at this broker that it is online, for the time of the context."""
    session = HostSession(host_id)
    session.connect(1_790_000_000_000)
    async with aiomqtt.Client(broker.host, broker.port, username="cloud", password=USERS["cloud"]) as client:
        birth, death = session.birth(), session.death(1_790_000_000_001)
        await client.publish(birth.topic, birth.payload, qos=birth.qos, retain=birth.retain)
        yield
        await client.publish(death.topic, death.payload, qos=death.qos, retain=death.retain)


def following(text: str, other: Broker, host_id: str, password: Path) -> str:
    """Add a primary host and a second broker to a site."""
    keys = f'primary_host = "{host_id}"\nprimary_host_patience = "1s"\nkeepalive = "2s"\n'
    server = f'[[broker.others]]\nhost = "{other.host}"\nport = {other.port}\nusername = "edge-1"\n'
    return text.replace('keepalive = "2s"\n', keys + server + f'password_file = "{password.name}"\n')


async def born(host: Host, count: int = 1) -> None:
    await host.until(lambda: host.of(MessageType.NBIRTH), count, within=30)


@pytest.mark.system
async def test_the_agent_is_born_where_its_host_is_and_moves_with_it(tmp_path: Path) -> None:
    async with (
        running_broker(tmp_path / "a", users=USERS) as a,
        running_broker(tmp_path / "b", users=USERS) as b,
        listening_host(a) as at_a,
        listening_host(b) as at_b,
        counted_modbus(1) as units,
    ):
        site = ChangingSite(
            folder=tmp_path, broker=a, buses={"line": units.port}, devices={"pump-1": ("line", 1, "bench-pump")}
        )
        file = site.write()
        file.write_text(following(site.text(), b, "scada", tmp_path / "edge-1.password"))
        async with running_agent(file):
            checks = await site.checks(lambda checks: "waits for" in checks["broker"]["detail"])
            assert "spBv1.0/STATE/scada" in checks["broker"]["detail"]
            assert at_a.heard == at_b.heard == []
            async with host_online(b, "scada"):
                await born(at_b)
                await at_b.until(lambda: [one for one in at_b.taken if "locked" in one.metrics])
                assert at_a.of(MessageType.NBIRTH) == []
            async with host_online(a, "scada"):
                await born(at_a)
                assert len(at_b.of(MessageType.NDEATH)) == 1
                # Another host from now on: it is online nowhere yet.
                file.write_text(following(site.text(), b, "other", tmp_path / "edge-1.password"))
                await at_a.until(lambda: at_a.of(MessageType.NDEATH))
                await asyncio.sleep(0.5)
                async with host_online(b, "other"):
                    await born(at_b, 2)
            births = len(at_a.of(MessageType.NBIRTH))
            site.write()  # no host at all: our own cloud acknowledges
            await born(at_a, births + 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[broker.others]]\nhost = "b"\n', "broker.others: nothing says when to leave a broker for another"),
        ('primary_host = "a/b"\n', "broker.primary_host: "),
        (
            'primary_host = "s"\n[[broker.others]]\nhost = "b"\nusername = "x"\n',
            "broker.others.0.password_file: missing (`username` needs it)",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    site = GOOD.read_text().replace('"profiles"', f'"{GOOD.parent}/profiles"')
    site = site.replace('"secrets/edge-1.password"\n', f'"{GOOD.parent}/secrets/edge-1.password"\n{text}')
    file = tmp_path / "site.toml"
    file.write_text(site)
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    assert said in str(caught.value)


def test_the_passwords_of_all_brokers_are_watched(tmp_path: Path) -> None:
    site = GOOD.read_text().replace('"profiles"', f'"{GOOD.parent}/profiles"')
    (tmp_path / "b.password").write_text("of b\n")
    other = '[[broker.others]]\nhost = "b"\nusername = "x"\npassword_file = "b.password"\n'
    own = f'"{GOOD.parent}/secrets/edge-1.password"\nprimary_host = "s"\n{other}'
    file = tmp_path / "site.toml"
    file.write_text(site.replace('"secrets/edge-1.password"\n', own))
    config = load_site(file)
    assert tmp_path / "b.password" in config.secrets
    assert config.password_of(config.settings.broker.others[0]) == "of b"
