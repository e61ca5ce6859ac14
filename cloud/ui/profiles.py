"""Profiles as pages need them, kept by their hash: a profile's content never changes under one."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms.domain import Rule, rules
from cloud.assets.service import load_profile
from drivers.profile import Profile

_KEPT = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A profile, and its alarm rules by their id (as they are without an installation's overrides)."""

    profile: Profile
    rules: Mapping[str, Rule]


class Profiles:
    """Gives profiles by hash, and reads each from the database once."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    async def get(self, conn: AsyncConnection, profile_hash: str | None) -> Known | None:
        """Give a profile; None when the edge has not sent it yet."""
        if profile_hash is None:
            return None
        known = self._known.get(profile_hash)
        if known is None:
            profile = await load_profile(conn, profile_hash)
            if profile is None:
                return None
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = Known(profile=profile, rules={rule.id: rule for rule in rules(profile, {})})
            self._known[profile_hash] = known
        return known
