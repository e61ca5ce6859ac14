"""The connection to a broker with TLS: the authority of the site file is trusted, and no other."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from drivers.api import Unreachable
from tests.support.broker import MOSQUITTO, Broker, free_port
from tests.support.json_profiles import button
from tests.support.mqtt_peer import USERS, bus_settings, listening, make_agent


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "broker.pem", folder / "broker.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextlib.asynccontextmanager
async def tls_broker(folder: Path, certificate: Path, key: Path) -> AsyncIterator[Broker]:
    port = free_port()
    file = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"certfile {certificate}",
        f"keyfile {key}",
        "user root",
    ]
    file.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        MOSQUITTO, "-c", file, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield Broker(folder=folder, users=USERS, port=port)
    finally:
        process.kill()
        await process.wait()


# paho leaves the socket of a handshake that failed to the garbage collector, which closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_broker_s_authority_is_checked(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with tls_broker(tmp_path, certificate, key) as broker:
        trusting = make_agent(bus_settings(broker, tmp_path, tls=True, ca_file=str(certificate)))
        trusting.device("button-1", "a1", button())
        async with listening(trusting):
            assert trusting.bus.connected
        for doubting in (bus_settings(broker, tmp_path, tls=True), bus_settings(broker, tmp_path)):
            agent = make_agent(doubting)
            with pytest.raises(Unreachable):
                await agent.bus.connect()
            assert not agent.bus.connected
