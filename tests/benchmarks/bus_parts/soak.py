"""The agent's memory over a long time: 10,000 points a second, published to a broker and acknowledged as a cloud does.

Usage: `soak.py SECONDS`. The warm-up is a tenth of the time, at most five minutes. Prints JSON.
"""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiomqtt

from runtime.bench import leaving_nothing
from tests.benchmarks.bus_parts.agent import Agent, Sample, free_port, running_agent, write_site
from tests.benchmarks.bus_parts.servers import serving
from wire import contract
from wire.datatypes import DataType
from wire.payload import Metric, Payload, decode, encode, parse_message
from wire.topic import MessageType, Topic, parse

_GROUP, _NODE = "bench", "edge-1"
_MOSQUITTO = "/usr/sbin/mosquitto"
_SAMPLES = 200
_COMPARED = 0.1  # of the samples after the warm-up: those of the beginning and those of the end


class Cloud:
    """Takes the journal's records in their order and acknowledges them once a second; keeps nothing."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.watermark = 0
        self._client = client
        self._journal = ""
        self._aliases: dict[str, int] = {}

    async def listen(self) -> None:
        await self._client.subscribe(f"spBv1.0/{_GROUP}/#", qos=1)
        async for message in self._client.messages:
            topic = parse(str(message.topic))
            if topic.type in {MessageType.NBIRTH, MessageType.DBIRTH}:
                self._born(topic, {one.name or "": one for one in decode(message.payload).metrics})
            elif topic.type is MessageType.DDATA:
                wanted = self._aliases.get(topic.device or "")
                said = parse_message(message.payload).metrics
                offset = next((one.long_value for one in said if one.alias == wanted), 0)
                if offset == self.watermark + 1:
                    self.watermark = offset

    async def acknowledge(self) -> None:
        topic = str(Topic(group=_GROUP, type=MessageType.NCMD, node=_NODE, device=None))
        while True:
            await asyncio.sleep(1)
            if self._journal:
                position = Metric(
                    name=contract.JOURNAL_ACK, datatype=DataType.STRING, value=f"{self._journal}:{self.watermark}"
                )
                await self._client.publish(topic, encode(Payload(timestamp_ms=0, metrics=(position,))))

    def _born(self, topic: Topic, metrics: Mapping[str, Metric]) -> None:
        if topic.device is not None:
            self._aliases[topic.device] = metrics[contract.JOURNAL_OFFSET].alias or 0
            return
        journal = str(metrics[contract.JOURNAL_ID].value)
        if journal != self._journal:
            self._journal = journal
            self.watermark = int(str(metrics[contract.JOURNAL_FIRST].value)) - 1


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[int]:
    """Run a broker for the time of the context; gives its port once it listens."""
    port = free_port()
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n", encoding="utf-8")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(_MOSQUITTO, "-c", file, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.kill()
        await process.wait()


async def watch(agent: Agent, seconds: float) -> list[Sample]:
    """Look at the agent now and then; its memory is what counts."""
    started, samples = asyncio.get_running_loop().time(), list[Sample]()
    for number in range(1, _SAMPLES + 1):
        await asyncio.sleep(started + number * seconds / _SAMPLES - asyncio.get_running_loop().time())
        samples.append(await asyncio.to_thread(agent.sample))
        if number % 10 == 0:
            sys.stderr.write(f"{samples[-1].at - samples[0].at:.0f} s: {samples[-1].rss_mb:.1f} MB\n")
            sys.stderr.flush()
    return samples


def judged(samples: Sequence[Sample], *, warm_up_s: float) -> dict[str, float]:
    """Compare the memory after the warm-up with that at the end."""
    warm = [one for one in samples if one.at >= samples[0].at + warm_up_s]
    some = max(1, round(_COMPARED * len(warm)))
    before, after = (statistics.median(one.rss_mb for one in part) for part in (warm[:some], warm[-some:]))
    return {
        "rss_before_mb": before,
        "rss_after_mb": after,
        "rss_most_mb": max(one.rss_mb for one in warm),
        "growth": after / before - 1,
        "journalled_per_s": warm[-1].rate(warm[0], "readings"),
        "core_share": warm[-1].rate(warm[0], "cpu_s"),
    }


async def soak(seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name, serving() as port:
        folder, http = Path(name), free_port()
        async with broker(folder) as broker_port, aiomqtt.Client("127.0.0.1", broker_port) as client:
            cloud = Cloud(client)
            site = write_site(folder, port=int(port), poll="1s", http=http, broker=broker_port)
            async with asyncio.TaskGroup() as tasks:
                work = [
                    tasks.create_task(cloud.listen(), name="cloud:listen"),
                    tasks.create_task(cloud.acknowledge(), name="cloud:acknowledge"),
                ]
                try:
                    with running_agent(site, http=http, cores=os.sched_getaffinity(0)) as agent:
                        # In a thread, because this wait must not keep the cloud from listening.
                        await asyncio.to_thread(agent.until_it_reads)
                        samples = await watch(agent, seconds)
                finally:
                    for task in work:
                        task.cancel()
    told = judged(samples, warm_up_s=min(0.1 * seconds, 300.0))
    return {**told, "acknowledged_records": cloud.watermark}


if __name__ == "__main__":
    with leaving_nothing():
        print(json.dumps(asyncio.run(soak(float(sys.argv[1])))))
