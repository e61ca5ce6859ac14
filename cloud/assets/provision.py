"""Setting up an organisation from one TOML file: its tree, its people, and when they are on duty.

Applying a file again changes only what differs; what the file does not name stays as it is. The file holds no
passwords: a new account takes the one in its `password_file`, or a random one that is told once.

    schema = 1

    [[companies]]
    name = "Sunshine Property"
    [[companies.projects]]
    name = "North"
    [[companies.projects.communities]]
    code = "sunshine-garden"
    label = { zh = "阳光花园", en = "Sunshine Garden" }
    time_zone = "Asia/Shanghai"
    buildings = [{ name = "Tower 1", places = ["Roof", "Pump room"] }]

    [[accounts]]
    login = "wang"
    name = "王工"
    roles = [{ role = "engineer", scope = "community", of = "sunshine-garden" }]
    skills = ["pump"]
    shifts = [{ community = "sunshine-garden", days = ["mon", "tue"], from = "08:00", to = "20:00" }]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints, field_validator, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cloud.access import repository as accounts
from cloud.access.domain import Role, ScopeKind
from cloud.access.service import record
from cloud.assets import organisation
from cloud.config import read_secret
from cloud.people import repository as people
from cloud.people.domain import DAYS, Day, shift_on
from cloud.platform.database import reading, transaction
from cloud.platform.security import Passwords, check_new_password, new_password
from drivers.profile import Label, Slug
from runtime.config import ConfigError, Problem, Strict, load
from runtime.messages import Language

SHIFTS_AHEAD_DAYS = 14

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^/\s][^/]*$")]
Code = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^+#/\s][^+#/]*$")]
_LOCAL_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"


class Building(Strict):
    """A building and its places."""

    name: Name
    places: tuple[Name, ...] = ()


class Community(Strict):
    """A community; its code is its Sparkplug group."""

    code: Code
    label: Label
    time_zone: str
    buildings: tuple[Building, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("not a time zone: write a name such as `Asia/Shanghai`") from error
        return name


class Project(Strict):
    """A project of a company."""

    name: Name
    communities: tuple[Community, ...] = ()


class Company(Strict):
    """A company."""

    name: Name
    projects: tuple[Project, ...] = ()


class GivenRole(Strict):
    """A role, and where: `of` is `Company`, `Company/Project`, `code`, `code/Building` or `code/Building/Place`."""

    role: Role
    scope: ScopeKind
    of: str


class Shift(Strict):
    """A weekly pattern in the community's local time; ending no later than it starts, a shift crosses midnight."""

    community: Code
    days: tuple[Day, ...] = DAYS
    starts: str = Field(alias="from", pattern=_LOCAL_TIME)
    ends: str = Field(alias="to", pattern=_LOCAL_TIME)


class Account(Strict):
    """Somebody, with roles, skills and shifts."""

    login: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")
    name: str = Field(min_length=1, max_length=200)
    language: Language = Language.ZH
    phone: str = Field(default="", max_length=32)
    password_file: str | None = Field(default=None, description="used when the account is made, never again")
    roles: tuple[GivenRole, ...] = Field(min_length=1)
    skills: tuple[Slug, ...] = ()
    shifts: tuple[Shift, ...] = ()


class Provision(Strict):
    """The whole file."""

    version: Literal[1] = Field(alias="schema")
    companies: tuple[Company, ...] = ()
    accounts: tuple[Account, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        codes = [one.code for company in self.companies for project in company.projects for one in project.communities]
        for what, names in (("community code", codes), ("login", [one.login for one in self.accounts])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} `{twice[0]}` stands here twice")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Provisioned:
    """What applying a file changed. `passwords` are the random ones of new accounts, told here and never again."""

    made: int
    shifts: int
    passwords: Mapping[str, str]


def load_provision(file: Path) -> Provision:
    """Read a provisioning file; ConfigError lists every mistake."""
    return load(file, Provision)


async def apply(
    engine: AsyncEngine, provision: Provision, *, file: Path, passwords: Passwords, now_ms: int
) -> Provisioned:
    """Bring the database to what the file says, in one transaction; ConfigError when it names what is not there."""
    async with reading(engine) as conn:
        known = {row["login"] for row in await accounts.list_accounts(conn)}
    told: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for account in provision.accounts:
        if account.login in known:
            continue
        if account.password_file is None:
            password = told[account.login] = new_password()
        else:
            password = read_secret(file.parent / account.password_file, key=f"accounts.{account.login}.password_file")
            check_new_password(password)
        hashes[account.login] = await passwords.hash(password)
    async with transaction(engine) as conn:
        made = await _put_tree(conn, provision.companies)
        shifts = 0
        for account in provision.accounts:
            changed, added = await _put_account(conn, account, file=file, hashes=hashes, now_ms=now_ms)
            made += changed
            shifts += added
        if made or shifts:
            await record(
                conn,
                actor=None,
                action="provision",
                subject=file.name,
                community_id=None,
                outcome="allowed",
                detail={"made": made, "shifts": shifts, "accounts": sorted(hashes)},
                now_ms=now_ms,
            )
    return Provisioned(made=made, shifts=shifts, passwords=told)


async def _put_tree(conn: AsyncConnection, companies: Sequence[Company]) -> int:
    made = 0
    for company in companies:
        company_id, new = await organisation.put_company(conn, company.name)
        made += new
        for project in company.projects:
            project_id, new = await organisation.put_project(conn, company_id, project.name)
            made += new
            for one in project.communities:
                community_id, new = await organisation.put_community(
                    conn,
                    project_id,
                    code=one.code,
                    name_zh=one.label.zh,
                    name_en=one.label.en,
                    time_zone=one.time_zone,
                )
                made += new + await _put_buildings(conn, community_id, one.buildings)
    return made


async def _put_buildings(conn: AsyncConnection, community_id: int, buildings: Sequence[Building]) -> int:
    made = 0
    for building in buildings:
        building_id, new = await organisation.put_building(conn, community_id, building.name)
        made += new
        for place in building.places:
            _, new = await organisation.put_place(conn, building_id, place)
            made += new
    return made


async def _put_account(
    conn: AsyncConnection, account: Account, *, file: Path, hashes: Mapping[str, str], now_ms: int
) -> tuple[int, int]:
    """Make or complete one account: how many of account and roles are new, and how many shifts."""
    row = await accounts.find_account(conn, account.login)
    made = 0
    if row is None:
        made += 1
        account_id = await accounts.add_account(
            conn,
            login=account.login,
            name=account.name,
            password_hash=hashes[account.login],
            language=account.language.value,
            phone=account.phone,
            now_ms=now_ms,
        )
    else:
        account_id = int(row["id"])  # name and language are theirs by now
    held = set(await accounts.grants_of(conn, account_id))
    for given in account.roles:
        scope = await organisation.find_scope(conn, given.scope, given.of)
        if scope is None:
            raise _unknown(file, account, f"there is no {given.scope.value} `{given.of}`")
        if (given.role, scope) not in held:
            held.add((given.role, scope))
            await accounts.add_grant(conn, account_id, given.role, scope)
            made += 1
    await people.set_skills(conn, account_id, account.skills)
    added = 0
    for shift in account.shifts:
        added += await _put_shifts(conn, account, account_id, shift, file=file, now_ms=now_ms)
    return made, added


async def _put_shifts(
    conn: AsyncConnection, account: Account, account_id: int, shift: Shift, *, file: Path, now_ms: int
) -> int:
    found = await organisation.find_community(conn, shift.community)
    if found is None:
        raise _unknown(file, account, f"there is no community `{shift.community}`")
    community_id, zone = found
    # From yesterday on: a shift that crosses midnight may still run.
    first = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1)
    added = 0
    for number in range(SHIFTS_AHEAD_DAYS + 1):
        day = first + timedelta(days=number)
        starts_ms, ends_ms = shift_on(day, time.fromisoformat(shift.starts), time.fromisoformat(shift.ends), zone)
        if DAYS[day.weekday()] not in shift.days or ends_ms <= now_ms:
            continue
        new = await people.add_shift(
            conn, account_id=account_id, community_id=community_id, starts_ms=starts_ms, ends_ms=ends_ms
        )
        added += new is not None
    return added


def _unknown(file: Path, account: Account, message: str) -> ConfigError:
    problem = Problem(key=f"accounts.{account.login}", message=message, remedy="write it as it stands in the tree")
    return ConfigError(file, (problem,))
