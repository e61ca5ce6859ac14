"""Pulls who may pass from the service, over HTTPS: asks with the revision that the gate holds, verifies, applies.

The service answers with what changed since then, with the whole roll, or with an empty change when there is nothing
new: that one is signed too, so an answer also proves how fresh the list is. It is kept in a small file, so that the
proof outlives a power cut.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from runtime.files import write_whole
from runtime.logs import get_log
from wire.errors import ForgedSeal, FutureSeal, WireError
from wire.roll import Roll, RollDelta
from wire.roll_codec import decode_change
from wire.seal import PublicKeys

PATH = "/api/v1/gates/roll"
_LARGEST = 64 * 2**20
"""No roll of a community comes near this; a service that says more is not believed."""
_LONGEST_WAIT_S = 300.0
_MOST_DOUBLINGS = 10
_KEEP_PROOF_MS = 3_600_000
"""How often the newest proof is written to disk: rarely, because flash wears."""
_OK = 200
_WORDS = {
    401: "it does not take the agent's token: make a new one on the page of gates",
    403: "it does not take the agent's token: make a new one on the page of gates",
    404: "there is no such service at that address",
    429: "it says that the gate asks too often",
}


class RollKeeper(Protocol):
    """What holds the roll at the gate; `edge.gate.people.People` is one. Its methods block."""

    @property
    def revision(self) -> int:
        """The revision that it holds; 0 without any."""

    @property
    def issued_ms(self) -> int | None:
        """When the service signed what it holds."""

    def apply(self, change: Roll | RollDelta) -> None:
        """Apply a change as a whole or not at all; an exception says why not."""


class PullFailed(Exception):
    """A pull brought nothing; the text says why. The list that the gate holds goes on to hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PullState:
    """How the gate's list stands. `confirmed_ms` is by the service's clock: then it said that nothing is newer."""

    revision: int = 0
    confirmed_ms: int | None = None
    pulls: int = 0
    failures: int = 0
    """In a row."""
    trouble: str | None = None
    """Why the last pull failed."""

    def age_ms(self, now_ms: int) -> int | None:
        """How old the list is at most; None when nothing was ever pulled."""
        return None if self.confirmed_ms is None else max(0, now_ms - self.confirmed_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class PullSettings:
    """Where to pull from, and how. `url` is the service's address, `community` whose roll is taken. ValueError."""

    url: str
    community: str
    token: str = field(repr=False)
    ca_file: Path | None = None
    every_s: float = 10.0
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        inside = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and inside):
            raise ValueError(f"`{self.url}`: who may pass travels by https:// only (http:// within this machine)")


class Puller:
    """Keeps a gate's list in step with the service: `run` for ever, or `pull` once and `close`.

    `proof_file` keeps the newest signed answer; `jitter` gives 0 to 1, so that gates do not come all at once.
    """

    def __init__(
        self,
        settings: PullSettings,
        *,
        keys: PublicKeys,
        people: RollKeeper,
        proof_file: Path | None = None,
        jitter: Callable[[], float] = lambda: 0.5,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._people = people
        self._proof_file = proof_file
        self._proof_ms = 0
        self._jitter = jitter
        self._sleep = sleep
        self._client: httpx.AsyncClient | None = None
        self._whole = False
        self._log = get_log("edge.gate.pull")
        self.state = PullState()

    async def run(self) -> None:
        """Pull until cancelled: every `every_s`, and after failures ever more rarely, up to every 5 minutes."""
        try:
            await self.recall()
            while True:
                with contextlib.suppress(PullFailed):  # it stands in `state` and in the log
                    await self.pull()
                await self._sleep(self.wait_s())
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def trust(self, keys: PublicKeys) -> None:
        """Take other public keys, as when the service changed its own."""
        self._keys = keys

    def wait_s(self) -> float:
        """Give how long to wait before the next pull."""
        doubled = self._settings.every_s * 2.0 ** min(self.state.failures, _MOST_DOUBLINGS)
        longest = max(_LONGEST_WAIT_S, self._settings.every_s)
        return min(doubled, longest) * (0.75 + self._jitter() / 2)

    async def recall(self) -> None:
        """Read what an earlier run proved. A proof that is damaged or by other keys proves nothing."""
        held, issued_ms = await asyncio.to_thread(self._held)
        confirmed = issued_ms
        if self._proof_file is not None:
            with contextlib.suppress(OSError, WireError):
                proof = decode_change(await asyncio.to_thread(self._proof_file.read_bytes), self._keys)
                if proof.community == self._settings.community and proof.revision == held:
                    confirmed = max(proof.issued_ms, issued_ms or 0)
        self.state = replace(self.state, revision=held, confirmed_ms=confirmed)

    async def pull(self) -> PullState:
        """Ask once, and apply what comes; PullFailed says why the list stays as it is."""
        try:
            await self._pull()
        except PullFailed as failure:
            known = self.state.trouble == str(failure)
            self.state = replace(
                self.state, pulls=self.state.pulls + 1, failures=self.state.failures + 1, trouble=str(failure)
            )
            if not known:
                self._log.warning("the list of who may pass could not be pulled", why=str(failure))
            raise
        if self.state.trouble is not None:
            self._log.info("the list of who may pass is pulled again", revision=self.state.revision)
        self.state = replace(self.state, pulls=self.state.pulls + 1, failures=0, trouble=None)
        return self.state

    def _held(self) -> tuple[int, int | None]:
        return self._people.revision, self._people.issued_ms

    async def _pull(self) -> None:
        held, _ = await asyncio.to_thread(self._held)
        data = await self._ask(None if self._whole or not held else held)
        try:
            # A roll of a large community takes a while to read, and the agent's loop polls buses meanwhile.
            change = await asyncio.to_thread(decode_change, data, self._keys)
        except FutureSeal as error:
            raise PullFailed(f"the service is newer than this agent: {error}") from error
        except ForgedSeal as error:
            raise PullFailed(f"what came is not signed by the service: {error}") from error
        except WireError as error:
            raise PullFailed(f"what came is no roll: {error}") from error
        if change.community != self._settings.community:
            raise PullFailed(f"what came is the roll of {change.community}, not of {self._settings.community}")
        if change.revision < held:
            raise PullFailed(f"the service offers revision {change.revision}, older than {held}, which the gate holds")
        if isinstance(change, RollDelta) and change.base != held:
            self._whole = True
            raise PullFailed(f"the changes lead on from revision {change.base}, and the gate holds {held}")
        if change.revision > held or self._whole:
            await self._apply(change)
        self._whole = False
        confirmed = max(change.issued_ms, self.state.confirmed_ms or 0)
        self.state = replace(self.state, revision=change.revision, confirmed_ms=confirmed)
        await self._keep_proof(data, change, moved=change.revision > held)

    async def _apply(self, change: Roll | RollDelta) -> None:
        try:
            await asyncio.to_thread(self._people.apply, change)
        except Exception as error:
            # Whatever the store says (a full disk, a mismatch), the gate goes on with the list that it holds.
            self._whole = isinstance(change, RollDelta)
            raise PullFailed(f"revision {change.revision} could not be applied: {error}") from error
        self._log.info(
            "who may pass is up to date",
            revision=change.revision,
            whole=isinstance(change, Roll),
            people=len(change.people),
            gone=0 if isinstance(change, Roll) else len(change.gone),
        )

    async def _ask(self, since: int | None) -> bytes:
        settings = self._settings
        try:
            if self._client is None:
                self._client = await asyncio.to_thread(_client, settings)
            async with (
                asyncio.timeout(settings.timeout_s),
                self._client.stream(
                    "GET",
                    settings.url.rstrip("/") + PATH,
                    params={} if since is None else {"since": str(since)},
                    headers={"Authorization": f"Bearer {settings.token}", "Accept": "application/octet-stream"},
                ) as answer,
            ):
                if answer.status_code != _OK:
                    raise PullFailed(
                        f"the service answers {answer.status_code}: {_WORDS.get(answer.status_code, 'try again later')}"
                    )
                data = bytearray()
                async for part in answer.aiter_bytes():
                    data += part
                    if len(data) > _LARGEST:
                        raise PullFailed("what came is too large for a roll")
                return bytes(data)
        except TimeoutError as error:
            raise PullFailed(f"the service did not answer within {settings.timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # OSError: the CA file
            raise PullFailed(f"the service cannot be reached: {str(error) or type(error).__name__}") from error

    async def _keep_proof(self, data: bytes, change: Roll | RollDelta, *, moved: bool) -> None:
        # A whole roll is no proof to keep: it holds names, and what it says is in the store.
        if self._proof_file is None or isinstance(change, Roll) or moved:
            return
        if change.issued_ms - self._proof_ms < _KEEP_PROOF_MS:
            return
        try:
            await asyncio.to_thread(_note, self._proof_file, data)
        except OSError as error:
            self._log.warning("how fresh the list is could not be noted", why=str(error))
            return
        self._proof_ms = change.issued_ms


def _client(settings: PullSettings) -> httpx.AsyncClient:
    trusted = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    return httpx.AsyncClient(verify=trusted, timeout=settings.timeout_s, trust_env=False)


def _note(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, data)
