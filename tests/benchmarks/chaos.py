"""A community on which everything that can go wrong goes wrong, and a ledger: nothing lost, nothing doubled.

The seed decides the schedule, which is told before anything starts.
"""

import asyncio
import secrets
import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runtime.bench import Bench, CannotRun, Result
from runtime.children import ChildFailed
from runtime.durations import Duration
from runtime.logs import configure_logs
from simulators.chaos.database import NoServer
from simulators.chaos.plot import draw
from simulators.chaos.run import describe, run, small_town, write_schedule
from simulators.chaos.schedule import make_schedule
from simulators.chaos.stack import TownFailed

OPTIONS = {
    "for": "how long troubles come, such as 10m, or seconds; one minute without it",
    "seed": "a number that decides the schedule; drawn, and told, without it",
    "database": "sqlite (without it) or postgresql, a server of the run's own",
    "folder": "where everything is kept; without it a temporary one, kept when something was missed",
}
DATABASES = ("sqlite", "postgresql")


def measure(bench: Bench) -> None:
    configure_logs(process="chaos", level="error")
    seconds, seed, database = _options(bench)
    town = small_town(postgresql=database == "postgresql")
    schedule = make_schedule(town, seed=seed, seconds=seconds)
    words = write_schedule(schedule)
    bench.more |= {"seed": seed, "for_seconds": seconds, "database": database, "schedule": words}
    bench.say(f"seed {seed} for {seconds:g} s on {database}; played again with --seed {seed}")
    for line in words:
        bench.say(line)
    chosen = bench.options.get("folder")
    folder = Path(chosen) if chosen else Path(tempfile.mkdtemp(prefix="linli-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def tell(text: str) -> None:
        bench.say(f"{time.monotonic() - began:6.1f} s  {text}")

    try:
        outcome = asyncio.run(run(folder, town, schedule, tell=tell))
    except (NoServer, TownFailed, ChildFailed) as error:
        raise CannotRun(str(error)) from error
    except KeyboardInterrupt:  # nothing was judged, so nothing is kept as evidence
        if not chosen:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    bench.more |= describe(outcome)
    ledger = outcome.verdict.ledger
    bench.add(Result(name="readings_said", value=ledger.said, unit="readings"))
    bench.add(Result(name="readings_accepted", value=ledger.accepted, unit="readings"))
    bench.add(Result(name="readings_stored", value=ledger.stored, unit="readings"))
    bench.add(Result(name="faults_of_devices", value=outcome.verdict.faults, unit="faults"))
    bench.add(Result(name="commands_taken", value=outcome.commands["taken"], unit="commands"))
    for name, found in outcome.misses.items():
        bench.add(Result(name=name, value=len(found), unit="", goal="0", met=not found))
        for sentence in found[:5]:
            bench.say(f"  {sentence}")
    draw(schedule, outcome, folder / "timeline.svg")
    if chosen or any(outcome.misses.values()):
        bench.more["folder"] = str(folder)
        bench.say(f"logs, journals, stores and timeline.svg are in {folder}")
    else:
        shutil.rmtree(folder)


def _options(bench: Bench) -> tuple[float, int, str]:
    try:
        given = bench.options.get("for", "1min")
        lasts = timedelta(seconds=float(given)) if given.isdigit() else _duration(given)
        seed = int(bench.options["seed"]) if "seed" in bench.options else secrets.randbelow(10**6)
    except (ValidationError, ValueError) as error:
        raise CannotRun("write --for 10min (or seconds) and --seed NUMBER") from error
    database = bench.options.get("database", "sqlite")
    if database not in DATABASES:
        raise CannotRun(f"database is one of {', '.join(DATABASES)}")
    return lasts.total_seconds(), seed, database


def _duration(text: str) -> timedelta:
    found: timedelta = TypeAdapter(Duration).validate_python(f"{text[:-1]}min" if text.endswith("m") else text)
    return found
