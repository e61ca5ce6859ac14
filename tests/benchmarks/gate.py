"""A whole gate with all eight checks: from the last byte of a pair of pictures to the relay's confirmed read-back."""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.gate.config import EyesSettings, FeverSettings
from edge.gate.eyes.look import Eyes
from edge.gate.people.api import Consent
from edge.gate.people.keeping import Template, records_of
from models.api import Picture
from models.face.search import Gallery
from models.face.stack import DlibStack, StackOptions, make_stack
from models.manifest import Detector, Role, Stack
from models.runtime import OnnxNetwork, RuntimeOptions
from models.store import identity
from runtime.bench import Baseline, Bench, CannotRun, Result

OPTIONS = {
    "visits": "how many people come; 120 without it",
    "enrolled": "how many people have a face; 10000 without it",
    "quick": "1: 20 visits and 1000 faces",
    "detector": "what finds the faces: dlib (without it), yunet, or both, one after the other",
    "at-once": "1: people appear at once, and do not walk up",
    "keep": "a folder that is not there yet: it keeps what the parts wrote",
    "budget": "the milliseconds within which a check must answer; 1500 without it",
}
_P99_MS, _COLD_S, _RSS_MB = 200.0, 5.0, 450.0
_CAST = 200
_PATIENCE_S = 30.0
_TIMED = 40


def measure(bench: Bench) -> None:
    quick = bench.options.get("quick") == "1"
    visits = int(bench.options.get("visits", "20" if quick else "120"))
    enrolled = int(bench.options.get("enrolled", "1000" if quick else "10000"))
    for setup in _setups(bench):
        with tempfile.TemporaryDirectory(prefix="linli-gate-") as folder:
            place = Path(bench.options.get("keep", folder)) / setup.prefix
            asyncio.run(_whole(bench, setup, place, visits=visits, enrolled=max(enrolled, _CAST)))
        _apart(bench, setup)
    _search(bench)


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """Which detector finds the faces: YuNet when its file is given; `prefix` is that of the figures' names."""

    prefix: str
    yunet: Path | None


def _setups(bench: Bench) -> list[_Setup]:
    from tests.support.yunet import here  # noqa: PLC0415 - a checkout alone has it

    wished = bench.options.get("detector", "dlib")
    if wished not in {"both", *(one.value for one in Detector)}:
        raise CannotRun(f"no detector {wished!r}: dlib, yunet or both")
    chosen = [one for one in Detector if wished in {one.value, "both"}]
    yunet = here() if Detector.YUNET in chosen else None
    if Detector.YUNET in chosen and yunet is None:
        raise CannotRun("YuNet's file is not there: `linli models pull yunet`, with no network from a folder: --from")
    return [
        _Setup(prefix="" if wished == "dlib" else f"{one.value}_", yunet=yunet if one is Detector.YUNET else None)
        for one in chosen
    ]


@dataclass(kw_only=True)
class _Run:
    """What came of the visits; `manner` is how people come."""

    manner: str = ""
    let_in: list[dict[str, Any]] = field(default_factory=list)
    missed: int = 0
    minutes: float = 0.0
    cold_s: float = 0.0
    rss_mb: float = 0.0


async def _whole(bench: Bench, setup: _Setup, folder: Path, *, visits: int, enrolled: int) -> None:
    """Run broker, simulators and agent as processes, and have people come, one after the other."""
    from tests.support.broker import MOSQUITTO, running_broker  # noqa: PLC0415 - a checkout alone has it
    from tests.support.edge_site import USERS, listening_host  # noqa: PLC0415 - likewise

    if shutil.which(MOSQUITTO) is None:
        raise CannotRun(f"there is no broker at {MOSQUITTO}")
    run = _Run(manner=" at-once" if bench.options.get("at-once") == "1" else "")
    async with running_broker(folder / "broker", users=USERS) as broker:
        stand, people = await asyncio.to_thread(
            _prepare, bench, folder, broker, yunet=setup.yunet, visits=visits, enrolled=enrolled
        )
        async with listening_host(broker) as host, stand.simulators():
            stand.breaks("door-1", "hurry")
            stand.stands("resident 1")
            await asyncio.sleep(3)
            started = time.monotonic()
            async with stand.agent_process() as process:
                await _first_opening(stand, started)
                run.cold_s = time.monotonic() - started
                await _until_shut(host)
                began = time.monotonic()
                for visit in range(visits):
                    await _visit(stand, host, people[(visit + 1) % len(people)], run)
                    if visit % 20 == 0:
                        bench.say(f"{visit} of {visits} people")
                run.minutes = (time.monotonic() - began) / 60
                run.rss_mb = await asyncio.to_thread(_rss_mb, process.pid)
    _tell(bench, setup.prefix, run, visits)


def _prepare(
    bench: Bench, folder: Path, broker: Any, *, yunet: Path | None, visits: int, enrolled: int
) -> tuple[Any, range]:
    """Write a site with all eight checks, and enrol everybody."""
    from tests.support.gate_stand import GateStand, now_ms, roll_of  # noqa: PLC0415 - a checkout alone has it

    stand = GateStand(folder=folder / "gate", broker=broker, yunet=yunet)
    stand.house = f"health_code = {{ {stand.health_provider} }}\nrecord = {{ {stand.health_provider} }}"
    budget = bench.options.get("budget", "1500")
    wanted = ("identity", "liveness", "temperature", "health_code", "record", "mask", "access", "passage")
    demands = {check: "advisory" if check == "mask" else "required" for check in wanted}
    stand.checks = "\n".join(
        f"{check} = {{ demand = '{demand}', budget = '{budget}ms' }}" for check, demand in demands.items()
    )
    stand.seconds, stand.rate = 0.5, 5  # who draws the people shares the machine with who looks at them
    stand.write()
    bench.say(f"enrolling {enrolled:,} people")
    now = now_ms()
    people = range(1, min(_CAST, visits) + 1)
    stand.enrol(roll_of(range(1, enrolled + 1), now_ms=now), people, now_ms=now)
    _fill(stand, range(len(people) + 1, enrolled + 1), now)
    return stand, people


async def _first_opening(stand: Any, started: float) -> None:
    while stand.pulses() == 0:
        await asyncio.sleep(0.02)
        if time.monotonic() - started > _PATIENCE_S:
            raise CannotRun(f"nobody was let in; {stand.folder / 'agent.log'} says why")


async def _visit(stand: Any, host: Any, number: int, run: _Run) -> None:
    from tests.support.gate_stand import decisions, next_decision  # noqa: PLC0415 - a checkout alone has it

    before = len(decisions(host))
    stand.stands(f"resident {number}{run.manner}")
    with suppress(TimeoutError):
        await next_decision(host, before, within=_PATIENCE_S)
    confirmed = [one for one in decisions(host)[before:] if one["opened"] == "confirmed"]
    run.let_in += confirmed
    run.missed += not confirmed
    stand.stands("nobody")
    await _until_shut(host)


def _tell(bench: Bench, prefix: str, run: _Run, visits: int) -> None:
    took = sorted(one["took_ms"] for one in run.let_in)
    if len(took) < visits // 2:
        raise CannotRun(f"only {len(took)} of {visits} people were let in")
    p50, p99 = statistics.median(took), took[max(0, round(len(took) * 0.99) - 1)]
    bench.add(Result(name=f"{prefix}let_in", value=len(took), unit=f"of {visits}"))
    bench.add(Result(name=f"{prefix}not_let_in_at_once", value=run.missed, unit=""))
    bench.add(Result(name=f"{prefix}p50", value=p50, unit="ms"))
    bench.add(Result(name=f"{prefix}p99", value=p99, unit="ms", goal=f"<= {_P99_MS:g}", met=p99 <= _P99_MS))
    bench.add(Result(name=f"{prefix}slowest", value=took[-1], unit="ms"))
    bench.add(Result(name=f"{prefix}people_a_minute_with_the_door", value=len(took) / run.minutes, unit="1/min"))
    bench.add(Result(name=f"{prefix}people_a_minute_by_decision", value=60_000 / statistics.mean(took), unit="1/min"))
    for stage, value in _stages(run.let_in).items():
        bench.add(Result(name=f"{prefix}stage_{stage}_p50", value=value, unit="ms"))
    cold, rss, goal = run.cold_s, run.rss_mb, f"<= {_COLD_S:g}"
    bench.add(Result(name=f"{prefix}cold_start_to_door", value=cold, unit="s", goal=goal, met=cold <= _COLD_S))
    bench.add(Result(name=f"{prefix}rss", value=rss, unit="MB", goal=f"<= {_RSS_MB:g}", met=rss <= _RSS_MB))
    bench.more[f"{prefix}decisions"] = run.let_in[:5]


async def _until_shut(host: Any) -> None:
    from tests.support.gate_stand import until_shut  # noqa: PLC0415 - a checkout alone has it

    await asyncio.sleep(0.3)
    with suppress(TimeoutError):
        await until_shut(host)
    await asyncio.sleep(0.5)


def _fill(stand: Any, numbers: range, now_ms: int) -> None:
    """Enrol people nobody ever sees, by random templates, in one transaction."""
    from tests.support.gate_stand import YEAR_MS, resident  # noqa: PLC0415 - a checkout alone has it

    chance = np.random.default_rng(5)
    people = stand.people()
    model = identity(Stack.DLIB)
    try:
        with people.vault.write() as db:
            for number in numbers:
                values = chance.normal(size=DlibStack.template_size).astype(np.float32)
                values *= np.float32(1.4) / np.linalg.norm(values)
                given = Consent(given_ms=now_ms, expires_ms=now_ms + YEAR_MS, text="bench", given_by=resident(number))
                consent_id = people.vault.random_bytes(16).hex()
                people.faces.put_consent(db, consent_id, resident(number), given)
                people.faces.put(
                    db,
                    records_of(
                        resident(number),
                        [Template(model=model, metric=DlibStack.metric, values=values)],
                        consent_id=consent_id,
                        expires_ms=given.expires_ms,
                        now_ms=now_ms,
                        origin="bench",
                        random_bytes=people.vault.random_bytes,
                    ),
                )
    finally:
        people.close()


def _stages(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Give the median of each stage, in the order in which they come."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for one in found:
        for stage, ms in one["stages"].items():
            values[stage].append(ms)
    return {stage: statistics.median(ms) for stage, ms in values.items()}


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _apart(bench: Bench, setup: _Setup) -> None:
    """Take the times of one look apart, beside dlib and the way of face_recognition, on the same pictures in turns."""
    from tests.support.faces import built  # noqa: PLC0415 - a checkout alone has it
    from tests.support.gate_stand import pictures_of  # noqa: PLC0415 - likewise
    from tests.support.yunet import dlib_files_with  # noqa: PLC0415 - likewise

    files = {role: built(role) for role in Role} if setup.yunet is None else dlib_files_with(setup.yunet)
    options = StackOptions(detector=None if setup.yunet is None else Detector.YUNET)
    stack = make_stack(Stack.DLIB, files, lambda file: OnnxNetwork(file, RuntimeOptions(threads=2)), options)
    settings = EyesSettings(camera="camera")
    eyes = Eyes(stack=stack, model="bench", settings=settings, fever=FeverSettings())
    eyes.warm_up()
    pictures: list[Picture] = [picture for number in range(1, _TIMED // 2 + 1) for picture in pictures_of(number, 2)]
    ours: list[float] = []
    dlib_ms: list[float] = []
    usual_ms: list[float] = []
    try:
        import dlib  # type: ignore[import-untyped] # it ships no types  # noqa: PLC0415 - a development's dependency

        from tests.support.faces import Dlib, weights_file  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise CannotRun("dlib-bin is not installed: `make setup` brings it") from error
    peer = Dlib()
    frontal = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(weights_file(Role.LANDMARKS)))
    describer = dlib.face_recognition_model_v1(str(weights_file(Role.RECOGNISER)))
    for number, picture in enumerate(pictures):
        begun = time.perf_counter()
        eyes.look(picture, None, visible_number=number)
        ours.append((time.perf_counter() - begun) * 1000)
        rgb = np.ascontiguousarray(picture[:, :, ::-1])
        begun = time.perf_counter()
        for box in frontal(rgb, 1):
            describer.compute_face_descriptor(rgb, predictor(rgb, box))
        usual_ms.append((time.perf_counter() - begun) * 1000)
        if number % 10 == 0:  # a second each
            begun = time.perf_counter()
            for found, _ in peer.detect(picture):
                peer.describe(picture, found)
            dlib_ms.append((time.perf_counter() - begun) * 1000)
    usual = Baseline(name="face_recognition's way (dlib: HOG, 5 points, ResNet)", value=statistics.median(usual_ms))
    whole = Baseline(name="dlib itself (mmod, 5 points, ResNet)", value=statistics.median(dlib_ms))
    look = statistics.median(ours)
    bench.add(Result(name=f"{setup.prefix}look_p50", value=look, unit="ms", baseline=usual))
    bench.add(Result(name=f"{setup.prefix}look_p50_beside_dlib", value=look, unit="ms", baseline=whole))


def _search(bench: Bench) -> None:
    chance = np.random.default_rng(6)
    gallery: Gallery[int] = Gallery(size=128, metric=DlibStack.metric)
    gallery.add_all(enumerate(chance.normal(size=(100_000, 128)).astype(np.float32)))
    took: list[float] = []
    for _ in range(300):
        probe = chance.normal(size=128).astype(np.float32)
        begun = time.perf_counter()
        gallery.search(probe, 12)
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    p99 = took[-3]
    bench.add(Result(name="search_100000_p99", value=p99, unit="ms", goal="<= 15", met=p99 <= 15))
