"""Reading Modbus: how fast, how cheaply, and what dead units, refusals, late answers and broken lines cost.

Options: `quick=1` (about two minutes in place of six). Each part runs in processes of its own, the reading side on one
core, beside a server that is not pymodbus's.
"""

import json
import subprocess
import sys
from pathlib import Path

from runtime.bench import Baseline, Bench, CannotRun, Result

_ROOT = Path(__file__).resolve().parents[2]
_PERIOD_S = 1.0


def measure(bench: Bench) -> None:
    quick = bench.options.get("quick", "0") != "0"
    _speed(bench, seconds=5 if quick else 15)
    _steady(bench, seconds=15 if quick else 60)
    _refused(bench, requests=2000 if quick else 10_000)
    _late(bench, requests=1000 if quick else 10_000)
    _command(bench, times=100 if quick else 1000)
    _restored(bench)
    _dead(bench, seconds=60)  # the goal speaks of a minute, in which the unit is also found to be dead


def _run(bench: Bench, part: str, *arguments: object) -> dict[str, float]:
    bench.say(f"{part} {' '.join(map(str, arguments))}")
    command = [sys.executable, "-m", f"tests.benchmarks.bus_parts.{part}", *map(str, arguments)]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise CannotRun(f"{part} {arguments}: {ended.stderr.strip().splitlines()[-1:]}")
    told: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
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
