from simulators.chaos.run import small_town
from simulators.chaos.schedule import Kind, choices, make_schedule


def test_a_schedule_is_a_function_of_its_seed() -> None:
    town = small_town(postgresql=True)
    first = make_schedule(town, seed=7, seconds=120)
    assert make_schedule(town, seed=7, seconds=120) == first
    assert make_schedule(town, seed=8, seconds=120).troubles != first.troubles


def test_a_long_run_breaks_everything_that_there_is() -> None:
    for postgresql in (False, True):
        town = small_town(postgresql=postgresql)
        schedule = make_schedule(town, seed=1, seconds=600)
        assert {(one.kind, one.target) for one in schedule.troubles} == set(choices(town))


def test_a_target_has_one_trouble_at_a_time_and_all_end_in_time() -> None:
    schedule = make_schedule(small_town(postgresql=True), seed=3, seconds=300)
    free: dict[tuple[str, bool], float] = {}
    for one in schedule.troubles:
        part = (one.target, one.kind is Kind.CLOCK)  # a process may be killed while its clock is wrong
        assert one.at >= free.get(part, 0.0)
        free[part] = one.at + one.lasts
        assert one.at + one.lasts <= 300.01
    assert [one.at for one in schedule.troubles] == sorted(one.at for one in schedule.troubles)


def test_faults_and_commands_have_identities_of_their_own() -> None:
    schedule = make_schedule(small_town(postgresql=False), seed=4, seconds=120)
    faults = [(one.device, one.number) for one in schedule.faults]
    values = [one.value for one in schedule.orders]
    assert len(faults) == len(set(faults)) > 50
    assert len(values) == len(set(values)) > 50
    assert all(one.lasts > 0 for one in schedule.troubles)
    assert all(one.amount for one in schedule.troubles if one.kind in {Kind.CLOCK, Kind.DELAY})
