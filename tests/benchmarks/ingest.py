"""Ingest: metrics a second from MQTT to the committed store with alarms decided, and how long an order takes.

Ingest has one core. Mosquitto, the load, PostgreSQL and this program share the others. The load: 2,000 devices at 100
nodes, 1% of the messages change an alarm, half of which open a work order; nodes send as much as their window takes.
With 64 times the nodes there are 64 times the devices, 20 on each as before.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence

from runtime.bench import Baseline, Bench, CannotRun, Result
from tests.benchmarks.ingest_parts.bare import bare_rate
from tests.benchmarks.ingest_parts.world import Load, Sample, World, again, loading, running, watch_orders

OPTIONS = {
    "quick": "1: shorter measurements",
    "only": "the parts to run, of capacity,latency,bare,nodes",
    "database": "sqlite or postgresql; both without it",
    "size": "50 or 10: only messages of that many metrics",
    "many": "how many nodes there are in place of 6,400",
}
_PARTS = ("capacity", "latency", "bare", "nodes")
_DATABASES = ("sqlite", "postgresql")
_GOALS = {50: 60_000, 10: 20_000}
_NODES, _DEVICES = 100, 20
_WINDOW, _FLOOD = 512, 64
"""Records of a node beyond its acknowledgement: by the contract, and when the rate is measured.

A full window of all nodes would only lie in the broker's queue for half a minute.
"""
_MANY, _MOST = 6400, 1.3
_NODES_RATE = 400
"""Messages a second while the cost of many nodes is measured: what ingest can do with a third of a core."""
_P99_S = 1.0
_GROWTH = 5.0
_TELL_S, _BACK_WITHIN_S = 15.0, 1800.0
_STAGES = ("decode", "decide", "telemetry", "commit")


def measure(bench: Bench) -> None:
    chosen = _chosen(bench, "only", _PARTS)
    databases = _chosen(bench, "database", _DATABASES)
    sizes = [int(size) for size in _chosen(bench, "size", [str(size) for size in _GOALS])]
    quick = bench.options.get("quick", "0") != "0"
    for database in databases:
        for size in sizes:
            if set(chosen) - {"nodes"}:
                _fixed_load(bench, database, size, chosen, seconds=15 if quick else 60)
        if "nodes" in chosen:
            many = int(bench.options.get("many", _MANY))
            _nodes(bench, database, many, seconds=15 if quick else 40)


def _chosen(bench: Bench, option: str, known: Sequence[str]) -> list[str]:
    names = [name for name in bench.options.get(option, "").split(",") if name] or list(known)
    if unknown := sorted(set(names) - set(known)):
        raise CannotRun(f"no {option} {unknown[0]!r}; there are: {', '.join(known)}")
    return [name for name in known if name in names]


def _fixed_load(bench: Bench, database: str, size: int, chosen: Sequence[str], *, seconds: float) -> None:
    of = f"{database}_{size}"
    bench.say(f"{database}, {size} metrics a message: {_NODES * _DEVICES:,} devices are born")
    goal = _GOALS[size]
    batch, rate = 10_000, None
    with (
        running(database) as world,
        loading(world, bench.say, nodes=_NODES, devices=_DEVICES, per_message=size) as load,
    ):
        if "capacity" in chosen:
            samples = _watched(world, load, rate=0, seconds=seconds)
            goal_rate = rate = _capacity(bench, of, samples, goal)
            first, last = samples[0], samples[-1]
            batch = round(last.since(first, "samples_total") / max(last.since(first, "telemetry_seconds_count"), 1))
            _memory(bench, of, samples)
        else:
            goal_rate = goal
        if "latency" in chosen:
            _latency(bench, of, world, load, metrics_per_s=goal_rate / 2, size=size, seconds=seconds)
        for name, count in load.trouble.items():
            bench.add(Result(name=f"{of}_{name}", value=count, unit="records" if name == "resent" else "requests"))
    if "bare" in chosen:
        with running(database) as world:
            limit = bare_rate(world, batch=batch, seconds=min(seconds, 30))
        bench.add(Result(name=f"{of}_bare_store", value=round(limit.a_second), unit="metrics/s"))
        bench.add(Result(name=f"{of}_bare_store_cpu", value=round(limit.cpu_us, 3), unit="us/metric"))
        if rate is not None:
            beside = Baseline(name="metrics/s into the bare store", value=round(limit.a_second))
            share = round(100 * rate / limit.a_second, 1)
            bench.add(Result(name=f"{of}_of_the_bare_store", value=share, unit="%", baseline=beside))


def _watched(world: World, load: Load, *, rate: float, seconds: float) -> list[Sample]:
    """Sample ingest every second while the load sends.

    The first part is left out: windows fill, and so do the caches of SQLite, which have a size of their own.
    """
    warm_up = seconds / 2 if rate == 0 else min(5.0, seconds / 5)
    load.begin(rate=rate, seconds=seconds + warm_up, window=_WINDOW if rate else _FLOOD)
    time.sleep(warm_up)
    started, samples = time.monotonic(), [world.sample(load)]
    while (left := started + seconds - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        samples.append(world.sample(load))
    load.end()
    return samples


def _capacity(bench: Bench, of: str, samples: Sequence[Sample], goal: int) -> float:
    first, last = samples[0], samples[-1]
    metrics = last.since(first, "samples_total")
    rate = metrics / (last.at - first.at)
    bench.add(Result(name=f"{of}_metrics_per_s", value=round(rate), unit="1/s", goal=f">= {goal}", met=rate >= goal))
    slowest = min(after.rate(before, "samples_total") for before, after in zip(samples, samples[10:], strict=False))
    bench.add(Result(name=f"{of}_slowest_10_s", value=round(slowest), unit="1/s"))
    _stages(bench, of, first, last)
    for name in ("alarm_changes", "repeats", "holes", "quarantined", "failures"):
        bench.add(Result(name=f"{of}_{name}", value=last.since(first, f"{name}_total"), unit=""))
    return rate


def _stages(bench: Bench, of: str, first: Sample, last: Sample) -> None:
    """Say where the time goes, in µs for a metric; what is left of the process is MQTT, acknowledgements, the loop."""
    metrics = last.since(first, "samples_total")
    spent = {name: last.since(first, f"{name}_seconds_sum") for name in _STAGES}
    for name, seconds in spent.items():
        bench.add(Result(name=f"{of}_{name}", value=round(1e6 * seconds / metrics, 3), unit="us/metric"))
    cpu = last.cpu_s - first.cpu_s
    rest = last.at - first.at - sum(spent.values())
    bench.add(Result(name=f"{of}_rest", value=round(1e6 * rest / metrics, 3), unit="us/metric"))
    bench.add(Result(name=f"{of}_cpu", value=round(1e6 * cpu / metrics, 3), unit="us/metric"))
    # What a core of its own would take, whatever ran beside it; a neighbour makes it a little less, never more.
    bench.add(Result(name=f"{of}_metrics_per_processor_s", value=round(metrics / cpu), unit="1/s"))
    broker = last.broker_cpu_s - first.broker_cpu_s
    bench.add(Result(name=f"{of}_broker_cpu", value=round(1e6 * broker / metrics, 3), unit="us/metric"))
    server = last.server_cpu_s - first.server_cpu_s
    if server:
        bench.add(Result(name=f"{of}_server_cpu", value=round(1e6 * server / metrics, 3), unit="us/metric"))
    load = last.load_cpu_s - first.load_cpu_s
    bench.add(Result(name=f"{of}_load_cpu", value=round(1e6 * load / metrics, 3), unit="us/metric"))
    # The load, the broker and the server have one core together: what is left of it shows who waits for whom.
    others = (broker + server + load) / (last.at - first.at)
    bench.add(Result(name=f"{of}_other_core_share", value=round(100 * others, 1), unit="%"))
    bench.add(Result(name=f"{of}_core_share", value=round(100 * cpu / (last.at - first.at), 1), unit="%"))
    batches = last.since(first, "batch_seconds_count")
    bench.add(Result(name=f"{of}_batch", value=round(metrics / max(batches, 1)), unit="metrics"))


def _memory(bench: Bench, of: str, samples: Sequence[Sample]) -> None:
    """Compare the memory after a quarter of the time with that at the end."""
    part = max(1, len(samples) // 8)
    early = statistics.median(one.rss_mb for one in samples[2 * part : 3 * part])
    late = statistics.median(one.rss_mb for one in samples[-part:])
    growth = 100 * (late / early - 1)
    bench.add(
        Result(
            name=f"{of}_memory_growth",
            value=round(growth, 2),
            unit="%",
            baseline=Baseline(name="MB after a quarter of the time", value=round(early, 1)),
            goal=f"<= {_GROWTH:g}",
            met=growth <= _GROWTH,
        )
    )


def _latency(
    bench: Bench, of: str, world: World, load: Load, *, metrics_per_s: float, size: int, seconds: float
) -> None:
    load.begin(rate=metrics_per_s / size, seconds=seconds, window=_WINDOW)
    before = world.sample()
    found = sorted(asyncio.run(watch_orders(world.database_url, until=time.monotonic() + seconds)))
    after = world.sample()
    load.end()
    bench.add(Result(name=f"{of}_half_load", value=round(after.rate(before, "samples_total")), unit="1/s"))
    bench.add(Result(name=f"{of}_orders", value=len(found), unit="orders"))
    if not found:
        raise CannotRun("no order was opened: ingest does not keep up, or decides nothing")
    bench.add(Result(name=f"{of}_order_p50", value=round(_quantile(found, 0.5), 3), unit="s"))
    p99 = _quantile(found, 0.99)
    bench.add(Result(name=f"{of}_order_p99", value=round(p99, 3), unit="s", goal=f"<= {_P99_S:g}", met=p99 <= _P99_S))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _nodes(bench: Bench, database: str, many: int, *, seconds: float) -> None:
    """Compare 100 with 6,400 nodes of 20 devices each, at the same messages a second; then let all be born again."""
    costs = {}
    for nodes in (_NODES, many):
        bench.say(f"{database}: {nodes:,} nodes are born")
        of = f"{database}_{nodes}_nodes"
        with (
            running(database) as world,
            loading(world, bench.say, nodes=nodes, devices=_DEVICES, per_message=50, tokens=False) as load,
        ):
            time.sleep(3)
            samples = _watched(world, load, rate=_NODES_RATE, seconds=seconds)
            first, last = samples[0], samples[-1]
            metrics = last.since(first, "samples_total")
            costs[nodes] = 1e6 * (last.cpu_s - first.cpu_s) / metrics
            bench.add(Result(name=f"{of}_cost", value=round(costs[nodes], 2), unit="us/metric"))
            bench.add(Result(name=f"{of}_rate", value=round(metrics / (last.at - first.at)), unit="1/s"))
            share = 100 * (last.load_cpu_s - first.load_cpu_s) / (last.at - first.at)
            bench.add(Result(name=f"{of}_load_core_share", value=round(share, 1), unit="%"))
            bench.add(Result(name=f"{of}_memory", value=round(last.rss_mb), unit="MB"))
            _come_back(bench, of, world, load, births=nodes * (_DEVICES + 1))
    few, more = costs.values()
    ratio = more / few
    bench.add(
        Result(
            name=f"{database}_{round(many / _NODES)}_times_the_nodes",
            value=round(ratio, 3),
            unit="times",
            goal=f"<= {_MOST}",
            met=ratio <= _MOST,
        )
    )


def _come_back(bench: Bench, of: str, world: World, load: Load, *, births: int) -> None:
    """Kill ingest, and measure how long it takes from its connection until everything has been born again."""
    with again(world) as after:
        started = told_at = time.monotonic()
        first = last = after.sample(load)
        while last.counters["births_total"] < births:
            time.sleep(0.5)  # ingest's figures are a page: there is nothing to wait for
            last = after.sample(load)
            if last.at - told_at >= _TELL_S:
                told_at = last.at
                bench.say(f"  {last.counters['births_total']:,.0f} of {births:,} are born again")
            if last.at - started > _BACK_WITHIN_S:
                raise CannotRun(f"not everything was born again within {_BACK_WITHIN_S:g} s")
        took = last.at - started
        bench.add(Result(name=f"{of}_born_again_within", value=round(took, 1), unit="s"))
        bench.add(Result(name=f"{of}_births_per_s", value=round(births / took), unit="1/s"))
        cpu = 1000 * (last.cpu_s - first.cpu_s) / births
        bench.add(Result(name=f"{of}_birth_cpu", value=round(cpu, 2), unit="ms"))
        share = 100 * (last.load_cpu_s - first.load_cpu_s) / took
        bench.add(Result(name=f"{of}_birth_load_core_share", value=round(share, 1), unit="%"))
