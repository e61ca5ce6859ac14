"""The figures of a bus as metrics: about the time since they were last told, and errors since the start."""

import pytest

from edge.bus_load import BusLoads


def test_figures_are_about_the_time_since_they_were_last_told() -> None:
    loads = BusLoads(["line"], now=100.0)
    for milliseconds in range(1, 101):
        loads.note("line", milliseconds / 1000, "ok")
    loads.note("line", 1.0, "TimedOut")
    told = loads.take(now=110.1)
    assert told["Bus/line/Utilisation"] == pytest.approx((5.05 + 1.0) / 10.1, abs=1e-4)
    assert told["Bus/line/Latency P50 Ms"] == pytest.approx(50)
    assert told["Bus/line/Latency P99 Ms"] == pytest.approx(99)
    assert told["Bus/line/Errors"] == 1.0
    assert loads.take(now=115.0) == {
        "Bus/line/Utilisation": 0.0,
        "Bus/line/Latency P50 Ms": None,
        "Bus/line/Latency P99 Ms": None,
        "Bus/line/Errors": 1.0,
    }


def test_what_is_told_is_what_the_birth_declares() -> None:
    loads = BusLoads(["a", "b"], now=0.0)
    assert set(loads.names()) == set(loads.take(now=1.0))
    assert len(loads.names()) == 8


def test_a_request_longer_than_the_time_between_two_tellings_fills_the_bus() -> None:
    loads = BusLoads(["line"], now=0.0)
    loads.note("line", 9.0, "TimedOut")
    assert loads.take(now=5.0)["Bus/line/Utilisation"] == 1.0
