"""Guessing is slowed down, sessions end, and nobody who was taken off stays in."""

from edge.gate.kiosk.login import IDLE_S, LONGEST_S, Pace, Sessions, Throttle


def test_five_failures_lock_a_login_for_five_minutes() -> None:
    throttle = Throttle()
    for second in range(4):
        throttle.failed("wang", second)
        assert throttle.wait_s("wang", second) == 0
    throttle.failed("wang", 4)
    assert throttle.wait_s("wang", 5) == 299
    assert throttle.wait_s("li", 5) == 0
    assert throttle.wait_s("wang", 304) == 0


def test_after_a_lock_five_tries_are_left_again() -> None:
    throttle = Throttle(tries_of_all=1000)
    for _ in range(5):
        throttle.failed("wang", 0)
    assert throttle.wait_s("wang", 1) > 0
    assert throttle.wait_s("wang", 301) == 0
    for _ in range(4):
        throttle.failed("wang", 301)
    assert throttle.wait_s("wang", 301) == 0
    throttle.failed("wang", 301)
    assert throttle.wait_s("wang", 301) == 300


def test_a_success_forgets_what_went_before() -> None:
    throttle = Throttle()
    for _ in range(4):
        throttle.failed("wang", 0)
    throttle.succeeded("wang")
    throttle.failed("wang", 1)
    assert throttle.wait_s("wang", 1) == 0


def test_failures_of_a_quarter_of_an_hour_ago_do_not_count() -> None:
    throttle = Throttle()
    for _ in range(4):
        throttle.failed("wang", 0)
    throttle.failed("wang", 901)
    assert throttle.wait_s("wang", 901) == 0


def test_guessing_at_many_logins_locks_the_kiosk() -> None:
    throttle = Throttle()
    for number in range(20):
        throttle.failed(f"guess-{number}", number)
    assert throttle.wait_s("wang", 20) == 299
    assert throttle.wait_s("wang", 320) == 0


def test_names_that_are_made_up_do_not_fill_the_memory() -> None:
    throttle = Throttle()
    for number in range(10_000):
        throttle.failed(f"guess-{number}", number / 1000)
    assert len(throttle._failures) <= 256


def test_a_pace_lets_a_burst_through_and_then_one_each_time() -> None:
    pace = Pace(burst=2, every_s=10)
    assert [pace.allows(at) for at in (0, 0, 0, 5, 9, 10.1, 11, 40, 40, 40)] == [
        True, True, False, False, False, True, False, True, True, False,
    ]  # fmt: skip


def test_a_session_ends_after_five_idle_minutes_and_looking_is_no_activity() -> None:
    sessions = Sessions()
    token, session = sessions.begin("wang", "Wang", 0)
    assert sessions.find(token, IDLE_S - 1) is session
    assert sessions.find(token, IDLE_S + 1) is None
    assert sessions.find(token, 1) is None, "what has ended stays ended"


def test_activity_keeps_a_session_for_an_hour_at_most() -> None:
    sessions = Sessions()
    token, session = sessions.begin("wang", "Wang", 0)
    at = 0.0
    while at < LONGEST_S:
        found = sessions.find(token, at)
        assert found is session
        found.seen_s = at
        at += 200
    assert sessions.find(token, LONGEST_S) is None


def test_tokens_are_long_random_and_kept_as_hashes_only() -> None:
    sessions = Sessions()
    token, session = sessions.begin("wang", "Wang", 0)
    assert len(token) >= 43
    assert token not in repr(sessions.__dict__)
    assert session.csrf not in repr(session)
    assert session.csrf != token
    assert sessions.find("guess", 1) is None
    assert sessions.find(None, 1) is None


def test_whoever_is_taken_off_the_list_is_out() -> None:
    sessions = Sessions()
    gone, _ = sessions.begin("gone", "Gone", 0)
    stays, _ = sessions.begin("stays", "Stays", 0)
    sessions.end_of(frozenset({"stays"}))
    assert sessions.find(gone, 1) is None
    assert sessions.find(stays, 1) is not None
    sessions.end(stays)
    assert sessions.find(stays, 1) is None


def test_the_oldest_session_gives_way() -> None:
    sessions = Sessions()
    tokens = [sessions.begin("wang", "Wang", at)[0] for at in range(9)]
    assert sessions.find(tokens[0], 9) is None
    assert sessions.find(tokens[1], 9) is not None
