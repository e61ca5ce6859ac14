"""Reading Modbus: how fast, how cheaply, and what dead units, refusals, late answers and broken lines cost.

Each part runs in processes of its own, the reading side on one core, beside a server that is not pymodbus's.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.bench import Baseline, Bench, CannotRun, Result
from runtime.durations import parse_duration
from tests.support.programs import started

_ROOT = Path(__file__).resolve().parents[2]
_PERIOD_S = 1.0
_ENDS_WITHIN_S = 60.0
OPTIONS = {
    "quick": "1: about two minutes in place of six",
    "only": "the parts to run, such as dead,late; all but soak without it",
    "soak": "how long to watch the agent's memory, such as 60min (not measured otherwise; an hour with only=soak)",
}


def measure(bench: Bench) -> None:
    chosen = [name for name in bench.options.get("only", "").split(",") if name]
    if unknown := sorted(set(chosen) - set(PARTS)):
        raise CannotRun(f"no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    quick = bench.options.get("quick", "0") != "0"
    for name, part in PARTS.items():
        if name in chosen or (not chosen and (name != "soak" or "soak" in bench.options)):
            part(bench, quick)


def _run(bench: Bench, part: str, *arguments: object) -> dict[str, float]:
    bench.say(f"{part} {' '.join(map(str, arguments))}")
    command = [sys.executable, "-m", f"tests.benchmarks.bus_parts.{part}", *map(str, arguments)]
    pipe = subprocess.PIPE
    with started(command, patience_s=_ENDS_WITHIN_S, cwd=_ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        said, complained = process.communicate()
    if process.returncode != 0:
        raise CannotRun(f"{part} {arguments}: {complained.strip().splitlines()[-1:]}")
    told: dict[str, float] = json.loads(said.splitlines()[-1])
    return told


def _at_most(
    bench: Bench, name: str, value: float, most: float, *, unit: str, baseline: Baseline | None = None
) -> None:
    goal = "0" if most == 0 else f"<= {most:g}"
    bench.add(Result(name=name, value=round(value, 3), unit=unit, baseline=baseline, goal=goal, met=value <= most))


def _speed(bench: Bench, *, seconds: int) -> None:
    rates = {}
    for kind in ("one-by-one", "blocks", "driver"):
        told = _run(bench, "reader", kind, seconds)
        rates[kind] = round(told["points"] / told["seconds"])
        rates[f"{kind}, busy"] = round(100 * told["cpu_seconds"] / told["seconds"])
    one_by_one = Baseline(name="pymodbus, one by one", value=rates["one-by-one"])
    blocks = Baseline(name="pymodbus, in 120-register blocks, no quality and no names", value=rates["blocks"])
    driver = rates["driver"]
    bench.add(
        Result(
            name="driver_points_per_s_one_core",
            value=driver,
            unit="1/s",
            baseline=one_by_one,
            goal=">= 50000",
            met=driver >= 50_000,
        )
    )
    bench.add(Result(name="driver_points_per_s_beside_blocks", value=driver, unit="1/s", baseline=blocks))
    told = _run(bench, "agent", "1ms", seconds)
    journalled = round(told["journalled_per_s"])
    bench.add(
        Result(
            name="journalled_points_per_s_one_core",
            value=journalled,
            unit="1/s",
            baseline=one_by_one,
            goal=">= 25000",
            met=journalled >= 25_000,
        )
    )
    bench.add(Result(name="journalled_beside_blocks", value=journalled, unit="1/s", baseline=blocks))


def _steady(bench: Bench, *, seconds: int) -> None:
    told = _run(bench, "agent", "1s", seconds)
    polls = told["polls_per_s"]
    bench.add(Result(name="steady_polls_per_s", value=round(polls, 2), unit="1/s", goal=">= 9.9", met=polls >= 9.9))
    points = round(told["journalled_per_s"])
    bench.add(
        Result(name="steady_journalled_points_per_s", value=points, unit="1/s", goal=">= 9900", met=points >= 9900)
    )
    _at_most(bench, "steady_period_p99", told["gap_p99_s"], 1.1 * _PERIOD_S, unit="s")
    bench.add(Result(name="steady_period_max", value=told["gap_max_s"], unit="s"))
    _at_most(bench, "steady_core_share", 100 * told["core_share"], 25, unit="%")
    _at_most(bench, "steady_rss", told["rss_mb"], 100, unit="MB")


def _refused(bench: Bench, *, requests: int) -> None:
    told = _run(bench, "lines", "refused", requests)
    share = 100 * told["refused"] / told["requests"]
    bench.add(Result(name="refused_requests", value=told["requests"], unit="requests"))
    bench.add(Result(name="refused_share", value=round(share, 2), unit="%", goal=">= 1", met=share >= 1))
    for name in ("wrong_value", "wrong_tag", "bad_but_readable", "good_but_refused"):
        _at_most(bench, f"refused_{name}", told[name], 0, unit="points")


def _late(bench: Bench, *, requests: int) -> None:
    told = _run(bench, "lines", "late", requests)
    bench.add(Result(name="late_requests", value=told["requests"], unit="requests"))
    bench.add(Result(name="late_answers", value=told["timed_out"], unit="answers"))
    baseline = Baseline(
        name=f"pymodbus, {told['pymodbus_requests']:g} requests on such a line", value=told["pymodbus_wrong"]
    )
    _at_most(bench, "late_wrong_values_accepted", told["wrong"], 0, unit="values", baseline=baseline)
    for kind, what in (("beyond", "single registers"), ("blocks", "blocks of 20 points")):
        asked = Baseline(name=f"reads of {what}, 5% answered later than both", value=told[f"{kind}_requests"])
        bench.add(Result(name=f"late_{kind}_wrong", value=told[f"{kind}_wrong"], unit="reads", baseline=asked))


def _command(bench: Bench, *, times: int) -> None:
    told = _run(bench, "lines", "command", times)
    bench.add(Result(name="command_request_time", value=round(told["request_ms"], 2), unit="ms"))
    bench.add(Result(name="command_p50", value=round(told["p50_ms"], 2), unit="ms"))
    baseline = Baseline(name="pymodbus, ten tasks that poll on one client", value=round(told["pymodbus_p99_ms"], 2))
    _at_most(bench, "command_p99", told["p99_ms"], round(2 * told["request_ms"] + 50, 2), unit="ms", baseline=baseline)


def _restored(bench: Bench) -> None:
    told = _run(bench, "lines", "restored", 8)
    for name in ("line", "server", "half_open"):
        _at_most(bench, f"restored_{name}", told[f"{name}_s"], 5, unit="s")


def _dead(bench: Bench, *, seconds: int) -> None:
    told = _run(bench, "lines", "dead", seconds)
    alone, with_dead = told["nine_alone_per_s"], told["one_dead_per_s"]
    baseline = Baseline(name="the nine alone, polls per second", value=round(alone, 3))
    bench.add(
        Result(name="dead_unit_others_polls", value=round(with_dead, 3), unit="1/s", baseline=baseline),
    )
    _at_most(bench, "dead_unit_others_lose", 100 * (1 - with_dead / alone), 5, unit="%")
    while_alive = Baseline(name="the nine while the tenth lived, polls per second", value=told["ten_alive_per_s"])
    bench.add(
        Result(
            name="dead_unit_others_gain_on_a_full_line",
            value=round(100 * (with_dead / told["ten_alive_per_s"] - 1), 2),
            unit="%",
            baseline=while_alive,
        )
    )


def _soak(bench: Bench, *, seconds: float) -> None:
    told = _run(bench, "soak", seconds)
    bench.add(Result(name="soak_journalled_points_per_s", value=round(told["journalled_per_s"]), unit="1/s"))
    bench.add(Result(name="soak_acknowledged_records", value=told["acknowledged_records"], unit="records"))
    bench.add(Result(name="soak_rss_most", value=round(told["rss_most_mb"], 2), unit="MB"))
    baseline = Baseline(name="MB after the warm-up", value=round(told["rss_before_mb"], 2))
    _at_most(bench, "soak_rss_growth", 100 * told["growth"], 5, unit="%", baseline=baseline)


def _soak_seconds(bench: Bench) -> float:
    try:
        return parse_duration(bench.options.get("soak", "60min")).total_seconds()
    except ValueError as error:
        raise CannotRun(f"soak: {error}") from error


PARTS: Mapping[str, Callable[[Bench, bool], None]] = {
    "speed": lambda bench, quick: _speed(bench, seconds=5 if quick else 15),
    "steady": lambda bench, quick: _steady(bench, seconds=15 if quick else 60),
    "refused": lambda bench, quick: _refused(bench, requests=2000 if quick else 10_000),
    "late": lambda bench, quick: _late(bench, requests=1000 if quick else 10_000),
    "command": lambda bench, quick: _command(bench, times=100 if quick else 1000),
    "restored": lambda bench, _: _restored(bench),
    # The goal speaks of a minute, in which the unit is also found to be dead.
    "dead": lambda bench, _: _dead(bench, seconds=60),
    "soak": lambda bench, _: _soak(bench, seconds=_soak_seconds(bench)),
}
