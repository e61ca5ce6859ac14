from datetime import date, time
from zoneinfo import ZoneInfo

import pytest

from cloud.access.domain import Role
from cloud.people.domain import Candidate, choose, shift_on


def _who(number: int, *skills: str, orders: int = 0, role: Role = Role.TECHNICIAN) -> Candidate:
    return Candidate(account_id=number, roles=frozenset({role}), skills=frozenset(skills), open_orders=orders)


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([], None),
        ([_who(1), _who(2, "pump")], 2),
        ([_who(1, "pump", orders=3), _who(2, "pump", orders=1)], 2),
        ([_who(2, "pump"), _who(1, "pump")], 1),
        ([_who(1, "lift", orders=1), _who(2, "lift")], 2),
        ([_who(1, role=Role.ADMIN), _who(2)], 2),
        ([_who(1, role=Role.ADMIN)], None),
        ([_who(1, "pump", role=Role.ADMIN), _who(2)], 1),
    ],
)
def test_work_goes_to_skill_then_to_the_field_then_to_the_least_busy(
    candidates: list[Candidate], chosen: int | None
) -> None:
    assert choose(candidates, "pump") == chosen


@pytest.mark.parametrize(
    ("day", "starts", "ends", "zone", "hours"),
    [
        (date(2026, 3, 1), time(8), time(20), "Asia/Shanghai", 12),
        (date(2026, 3, 1), time(20), time(8), "Asia/Shanghai", 12),
        (date(2026, 3, 1), time(8), time(8), "Asia/Shanghai", 24),
        # Clocks go forward in the night to 29 March 2026, and back in the night to 25 October.
        (date(2026, 3, 28), time(20), time(8), "Europe/Berlin", 11),
        (date(2026, 10, 24), time(20), time(8), "Europe/Berlin", 13),
    ],
)
def test_a_shift_is_by_local_clocks(day: date, starts: time, ends: time, zone: str, hours: int) -> None:
    begin, end = shift_on(day, starts, ends, ZoneInfo(zone))
    assert end - begin == hours * 3_600_000
