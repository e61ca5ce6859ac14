"""A service for gates to pull from: real TLS on a real socket, with an answer that tests choose."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wire.roll import Person, Roll, RollDelta


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "linli test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a gate asked for."""

    path: str
    since: int | None
    authorization: str


@dataclass(kw_only=True)
class GateService:
    """The service. `answer` gives status and body; `stall` lets it never end."""

    url: str = ""
    ca_file: Path = Path()
    answer: Callable[[Asked], tuple[int, bytes]] = lambda _: (503, b"")
    stall: bool = False
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                target = head.split(" ", 2)[1]
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                since = parse_qs(urlsplit(target).query).get("since")
                asked = Asked(
                    path=urlsplit(target).path,
                    since=int(since[0]) if since else None,
                    authorization=headers.get("Authorization", ""),
                )
                self.asked.append(asked)
                status, body = self.answer(asked)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                if self.stall:
                    writer.write(body[: len(body) // 2])
                    await writer.drain()
                    await asyncio.sleep(60)
                writer.write(body)
                await writer.drain()


@asynccontextmanager
async def gate_service(folder: Path) -> AsyncIterator[GateService]:
    """Run a service on a port of its own."""
    cert_file, key_file = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    service = GateService(ca_file=cert_file)
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        await service.serve(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    service.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class StoredRoll:
    """Holds a roll as a gate's store does: follows revisions, and refuses what does not fit."""

    def __init__(self) -> None:
        self.revision = 0
        self.issued_ms: int | None = None
        self.people: dict[str, Person] = {}
        self.revoked: set[str] = set()
        self.applied = 0
        self.fails: Exception | None = None

    def apply(self, change: Roll | RollDelta) -> None:
        if self.fails is not None:
            raise self.fails
        if isinstance(change, Roll):
            self.people = {}
            self.revoked = set()
        elif change.base != self.revision:
            raise ValueError("the changes do not fit")
        else:
            for gone in change.gone:
                self.people.pop(gone, None)
        self.people.update({one.id: one for one in change.people})
        self.revoked |= set(change.revoked)
        self.revision, self.issued_ms = change.revision, change.issued_ms
        self.applied += 1

    def is_revoked(self, pass_id: str) -> bool:
        return pass_id in self.revoked
