"""The list of assertions, the tests that claim them, and the page that shows both agree."""

from tests.wire.conformance.listing import all_claims, assertions
from tests.wire.conformance.table import TARGET, render


def test_the_list_is_that_of_the_specification() -> None:
    listed = list(assertions().values())
    levels = {level: sum(one.level == level for one in listed) for level in ("MUST", "SHOULD", "MAY")}
    chapters = {number: sum(one.chapter.split(".")[0] == str(number) for one in listed) for number in range(1, 11)}
    assert levels == {"MUST": 282, "SHOULD": 10, "MAY": 7}
    assert chapters == {1: 8, 2: 4, 3: 1, 4: 67, 5: 99, 6: 108, 7: 0, 8: 0, 9: 0, 10: 12}


def test_what_is_claimed_has_a_test_and_what_a_test_claims_is_in_the_list() -> None:
    claimed = {claim.id for claim in all_claims()}
    assert claimed - assertions().keys() == set()
    assert {one.id for one in assertions().values() if one.status == "claimed"} == claimed


def test_what_is_not_claimed_says_why() -> None:
    assert [one.id for one in assertions().values() if bool(one.why) == (one.status == "claimed")] == []


def test_every_must_of_an_edge_node_and_a_host_is_claimed_or_cannot_apply() -> None:
    ours = [one for one in assertions().values() if one.role != "broker" and one.level == "MUST"]
    assert [one.id for one in ours if one.status == "missing"] == []


def test_the_page_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run: python -m tests.wire.conformance.table"
