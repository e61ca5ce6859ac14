"""Who may do what, and where: roles, permissions, scopes, actors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to a part of the organisation."""

    ADMIN = "admin"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    TECHNICIAN = "technician"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What somebody may do."""

    VIEW = "view"
    ACKNOWLEDGE = "acknowledge"
    COMMAND = "command"
    DISPATCH = "dispatch"
    """Assign and cancel work orders."""
    WORK = "work"
    """Accept work orders and do them."""
    MANAGE_PEOPLE = "manage_people"
    MANAGE_GATES = "manage_gates"
    """Say who may pass, give cards and PINs, and let agents pull the list: personal data."""
    ISSUE_PASSES = "issue_passes"
    """Issue and revoke visitors' passes."""
    AUDIT = "audit"


class ScopeKind(StrEnum):
    """The levels of the organisation at which a role can be given."""

    COMPANY = "company"
    PROJECT = "project"
    COMMUNITY = "community"
    BUILDING = "building"
    PLACE = "place"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset(
        {
            Permission.VIEW,
            Permission.ACKNOWLEDGE,
            Permission.COMMAND,
            Permission.DISPATCH,
            Permission.ISSUE_PASSES,
        }
    ),
    Role.ENGINEER: frozenset(
        {Permission.VIEW, Permission.ACKNOWLEDGE, Permission.COMMAND, Permission.DISPATCH, Permission.WORK}
    ),
    Role.TECHNICIAN: frozenset({Permission.VIEW, Permission.WORK}),
    Role.VIEWER: frozenset({Permission.VIEW}),
}
"""What each role may do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Where a row lies: always in a community, perhaps in a building and a place of it."""

    community_id: int
    building_id: int | None = None
    place_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """One node of the organisation's tree."""

    kind: ScopeKind
    id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A role given at a scope, and the part of the organisation which that scope covers at this moment.

    Scopes above a building are resolved to communities; a building's and a place's grant name just that.
    `scopes` are the companies and projects that it covers wholly.
    """

    role: Role
    scope: Scope
    communities: frozenset[int] = frozenset()
    buildings: frozenset[int] = frozenset()
    places: frozenset[int] = frozenset()
    scopes: frozenset[Scope] = frozenset()

    def covers(self, where: Where) -> bool:
        """Whether the row lies inside the scope."""
        return (
            where.community_id in self.communities
            or (where.building_id is not None and where.building_id in self.buildings)
            or (where.place_id is not None and where.place_id in self.places)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Visible:
    """The part of the organisation that somebody sees; `everything` is for the service itself."""

    everything: bool = False
    communities: frozenset[int] = frozenset()
    buildings: frozenset[int] = frozenset()
    places: frozenset[int] = frozenset()


EVERYTHING = Visible(everything=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Somebody who is logged in, with what they may do at this moment. The service itself is None."""

    account_id: int
    login: str
    name: str
    language: str
    address: str
    grants: tuple[Grant, ...]

    def may(self, permission: Permission, where: Where) -> bool:
        """Whether a grant gives the permission where the row lies."""
        return any(permission in PERMISSIONS[grant.role] and grant.covers(where) for grant in self.grants)

    def may_anywhere(self, permission: Permission) -> bool:
        """Whether a grant gives the permission somewhere at all; screens show what that opens."""
        return any(permission in PERMISSIONS[grant.role] for grant in self.grants)

    def may_in_scope(self, permission: Permission, scope: Scope) -> bool:
        """Whether a grant gives the permission over a whole company or project."""
        return any(permission in PERMISSIONS[grant.role] and scope in grant.scopes for grant in self.grants)

    def visible(self, permission: Permission = Permission.VIEW) -> Visible:
        """Give the part of the organisation where the permission holds."""
        having = [grant for grant in self.grants if permission in PERMISSIONS[grant.role]]
        return Visible(
            communities=frozenset().union(*(grant.communities for grant in having)),
            buildings=frozenset().union(*(grant.buildings for grant in having)),
            places=frozenset().union(*(grant.places for grant in having)),
        )


MAX_FAILURES = 5
FAILURE_WINDOW_MS = 15 * 60 * 1000


def retry_after_ms(failures_ms: list[int], now_ms: int) -> int | None:
    """How long a login must wait after its recent failures (Unix ms), or None when it may try now.

    At most MAX_FAILURES in any FAILURE_WINDOW_MS; the oldest of those must leave the window first.
    """
    recent = sorted(at for at in failures_ms if at > now_ms - FAILURE_WINDOW_MS)
    if len(recent) < MAX_FAILURES:
        return None
    return recent[-MAX_FAILURES] + FAILURE_WINDOW_MS - now_ms
