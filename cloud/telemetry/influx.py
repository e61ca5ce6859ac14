"""Telemetry in InfluxDB: written by its own client on `/api/v2/write`, asked by InfluxQL on `/query`.

InfluxDB 1.8, 2.x (with a DBRP mapping) and 3.x serve both. Retention is the store's own business.
"""

import asyncio
import json
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from cloud.platform.errors import Unavailable
from cloud.telemetry.api import Bucket, Sample
from cloud.telemetry.domain import grid, is_storable
from cloud.telemetry.influx_codec import buckets, lines, questions, rows
from runtime.health import Check, Status
from runtime.logs import get_log

_LONGEST_WORDS = 300

_REMEDIES = {
    HTTPStatus.UNAUTHORIZED: "check the token in `telemetry.token_file`",
    HTTPStatus.FORBIDDEN: "the token may not do this: give it rights to read and write the bucket",
    HTTPStatus.NOT_FOUND: "create the bucket (and, with InfluxDB 2.x, its DBRP mapping), or correct the configuration",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class InfluxSettings:
    """Where the store is. `batch` is how many lines one request carries at most; `timeout` is for one request.

    `bucket` is for writing, `database` and `retention_policy` (the database's own one without) for asking.
    """

    url: str
    org: str
    bucket: str
    database: str
    retention_policy: str | None = None
    measurement: str = "linli"
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    batch: int = 5_000
    timeout: timedelta = timedelta(seconds=10)


class _Refused(Exception):
    """The store answered, and did not do it; `words` are safe to show."""

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        self.words = words
        super().__init__(words)


class InfluxTelemetry:
    """A `TelemetryStore` in InfluxDB. It connects when it is first needed, and again after a failure.

    `write` cannot tell what is new, and gives how many samples the store took.
    """

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        ca_file = str(settings.ca_file) if settings.ca_file is not None else None
        self._client = InfluxDBClient(
            url=settings.url,
            token=settings.token or "",
            org=settings.org,
            timeout=round(settings.timeout / timedelta(milliseconds=1)),
            enable_gzip=True,
            ssl_ca_cert=ca_file,
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-write")
        self._asking = httpx.AsyncClient(
            base_url=settings.url,
            headers={} if settings.token is None else {"Authorization": f"Token {settings.token}"},
            timeout=settings.timeout.total_seconds(),
            verify=ssl.create_default_context(cafile=ca_file) if settings.url.startswith("https:") else True,
            trust_env=False,
        )
        self._trouble = ""
        self._log = get_log("cloud.telemetry")

    async def write(self, samples: Sequence[Sample]) -> int:
        """Store samples; returns when the store has said that it took them all."""
        storable = [one for one in samples if is_storable(one.at_ms)]
        if len(storable) < len(samples):
            self._log.warning("samples with impossible times are left out", count=len(samples) - len(storable))
        written = list(lines(self._settings.measurement, storable))
        loop = asyncio.get_running_loop()
        try:
            for begin in range(0, len(written), self._settings.batch):
                part = written[begin : begin + self._settings.batch]
                await loop.run_in_executor(self._writing, self._post, part)
        except _Refused as error:
            raise self._unavailable(error.words, status=error.status) from None  # its cause may quote the request
        except (HTTPError, OSError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error
        self._trouble = ""
        return len(written)

    async def series(
        self, *, device_id: int, point: str, from_ms: int, to_ms: int, max_points: int
    ) -> tuple[Bucket, ...]:
        """Give the buckets that hold anything, in order of time. The store makes them from its samples."""
        if from_ms >= to_ms:
            return ()
        asked = grid(from_ms, to_ms, max_points)
        answers: list[list[list[object]]] = []
        try:
            for question in questions(self._settings.measurement, device_id=device_id, point=point, asked=asked):
                answers.append(await self._ask(question))  # noqa: PERF401 - one after the other, in this order
        except _Refused as error:
            raise self._unavailable(error.words, status=error.status) from None
        except (httpx.HTTPError, OSError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error
        self._trouble = ""
        return buckets(asked, answers)

    async def maintain(self, now_ms: int) -> bool:  # noqa: ARG002 - the store keeps its own house
        """Do nothing: the store keeps its own house."""
        return False

    def health(self) -> Check:
        """Whether the store answered when it was last needed."""
        return Check(status=Status.DOWN, detail=self._trouble) if self._trouble else Check(status=Status.OK)

    async def close(self) -> None:
        """Close the connections when the request in progress has ended."""
        await asyncio.get_running_loop().run_in_executor(self._writing, self._client.close)
        self._writing.shutdown()
        await self._asking.aclose()

    def _unavailable(self, why: str, *, status: int = 0) -> Unavailable:
        words = " ".join(why.split())[:_LONGEST_WORDS]
        if self._settings.token:
            words = words.replace(self._settings.token, "***")
        remedy = _REMEDIES.get(HTTPStatus(status)) if status in _REMEDIES else None
        self._trouble = f"the telemetry store does not work: {words} ({self._settings.url})"
        return Unavailable(self._trouble + (f": {remedy}" if remedy else ""), remedy=remedy)

    def _post(self, part: list[bytes]) -> None:
        """Send lines in one request; in halves when the store finds them too many."""
        settings = self._settings
        try:
            # The client's own type of precisions holds plain texts.
            precision: Any = "ms"
            self._api.write(settings.bucket, settings.org, b"\n".join(part), precision)
        except ApiException as error:
            status, words = int(error.status or 0), _words(error.body or error.reason)
            if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(part) > 1:
                middle = len(part) // 2
                self._post(part[:middle])
                self._post(part[middle:])
            elif "beyond retention policy" in words:
                # The rest was stored. What is older than the store keeps would never be taken, however often it came.
                self._log.warning("the store has left out what is older than it keeps", told=words)
            else:
                raise _Refused(status, f"it answered {status}: {words}") from error

    async def _ask(self, question: str) -> list[list[object]]:
        parameters = {"q": question, "db": self._settings.database, "epoch": "ms"}
        if self._settings.retention_policy is not None:
            parameters["rp"] = self._settings.retention_policy
        answer = await self._asking.get("/query", params=parameters)
        if answer.status_code != HTTPStatus.OK:
            raise _Refused(answer.status_code, f"it answered {answer.status_code}: {_words(answer.text)}")
        try:
            return rows(answer.json())
        except ValueError as error:
            status = HTTPStatus.NOT_FOUND if "not found" in str(error) else HTTPStatus.OK
            raise _Refused(status, _words(str(error))) from error


def _words(body: object) -> str:
    """Give what the store says about an error, which is JSON as a rule."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        told = json.loads(text)
    except ValueError:
        return text[:_LONGEST_WORDS]
    if isinstance(told, dict):
        text = str(told.get("message") or told.get("error") or text)
    return text[:_LONGEST_WORDS]
