import pytest

from cloud.access.domain import (
    FAILURE_WINDOW_MS,
    PERMISSIONS,
    Actor,
    Grant,
    Permission,
    Role,
    Scope,
    ScopeKind,
    Where,
    retry_after_ms,
)

GARDEN = Where(community_id=1)
TOWER = Where(community_id=1, building_id=10)
ROOF = Where(community_id=1, building_id=10, place_id=100)
LAKE = Where(community_id=2)


def _actor(*grants: Grant) -> Actor:
    return Actor(account_id=1, login="a", name="A", language="en", address="", grants=grants)


def _grant(role: Role, kind: ScopeKind, number: int) -> Grant:
    one = frozenset({number})
    return Grant(
        role=role,
        scope=Scope(kind=kind, id=number),
        communities=one if kind is ScopeKind.COMMUNITY else frozenset(),
        buildings=one if kind is ScopeKind.BUILDING else frozenset(),
        places=one if kind is ScopeKind.PLACE else frozenset(),
    )


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_permissions_and_may_look(role: Role) -> None:
    assert Permission.VIEW in PERMISSIONS[role]


@pytest.mark.parametrize(
    ("kind", "number", "seen"),
    [
        (ScopeKind.COMMUNITY, 1, [GARDEN, TOWER, ROOF]),
        (ScopeKind.BUILDING, 10, [TOWER, ROOF]),
        (ScopeKind.PLACE, 100, [ROOF]),
        (ScopeKind.COMMUNITY, 2, [LAKE]),
    ],
)
def test_a_scope_covers_what_lies_below_it(kind: ScopeKind, number: int, seen: list[Where]) -> None:
    actor = _actor(_grant(Role.VIEWER, kind, number))
    assert [where for where in (GARDEN, TOWER, ROOF, LAKE) if actor.may(Permission.VIEW, where)] == seen


def test_roles_do_not_mix_across_scopes() -> None:
    actor = _actor(_grant(Role.ADMIN, ScopeKind.COMMUNITY, 1), _grant(Role.VIEWER, ScopeKind.COMMUNITY, 2))
    assert actor.may(Permission.COMMAND, GARDEN)
    assert not actor.may(Permission.COMMAND, LAKE)
    assert actor.visible(Permission.COMMAND).communities == {1}
    assert actor.visible().communities == {1, 2}


def test_nobody_without_grants_sees_anything() -> None:
    actor = _actor()
    assert not actor.may(Permission.VIEW, GARDEN)
    assert not actor.visible().communities
    assert not actor.visible().everything


@pytest.mark.parametrize(
    ("failures", "wait"),
    [
        ([], None),
        ([100, 200, 300, 400], None),
        ([100, 200, 300, 400, 500], 100 + FAILURE_WINDOW_MS - 1000),
        ([100, 200, 300, 400, 500, 600], 200 + FAILURE_WINDOW_MS - 1000),
        ([1000 - FAILURE_WINDOW_MS, 200, 300, 400, 500], None),
    ],
)
def test_the_sixth_attempt_waits_until_the_window_has_passed(failures: list[int], wait: int | None) -> None:
    assert retry_after_ms(failures, 1000) == wait
