"""How large a batch may be: what can be stored in good time, on whatever machine."""

from datetime import timedelta

from cloud.ingest.batch import Pace

AIM = timedelta(milliseconds=500)


def _after(pace: Pace, message_s: float, batches: int) -> int:
    """Store full batches whose messages take so long each."""
    for _ in range(batches):
        pace.took(pace.limit, pace.limit * message_s)
    return pace.limit


def test_a_batch_that_took_too_long_is_followed_by_one_that_fits() -> None:
    pace = Pace(most=2000, aim=AIM)
    assert _after(pace, 0.002, 1) == 250


def test_batches_grow_again_when_the_machine_is_free_and_never_beyond_the_configured_size() -> None:
    pace = Pace(most=2000, aim=AIM)
    _after(pace, 0.01, 1)
    assert pace.limit == 50
    assert _after(pace, 0.0005, 12) > 950
    assert _after(pace, 0.0001, 12) == 2000


def test_an_outage_leaves_no_batches_of_one() -> None:
    pace = Pace(most=2000, aim=AIM)
    pace.took(3, 60.0)
    assert pace.limit == 50
    small = Pace(most=10, aim=AIM)
    small.took(10, 60.0)
    assert small.limit == 10


def test_small_and_quick_batches_say_nothing() -> None:
    pace = Pace(most=2000, aim=AIM)
    pace.took(0, 1.0)
    pace.took(1, 0.1)  # most of it is the commit
    assert pace.limit == 2000
