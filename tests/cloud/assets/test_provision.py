from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.access import repository as accounts
from cloud.access import service as access
from cloud.access.tables import account, audit, grant
from cloud.assets.provision import Provisioned, apply, load_provision
from cloud.assets.tables import building, community, place
from cloud.people.tables import shift, skill
from cloud.platform.database import reading, transaction
from runtime.config import ConfigError
from tests.support.cloud import cheap_passwords

# 22 November 2026 (a Sunday), 10:00 in Shanghai.
NOW = 1_795_312_800_000
DAY_MS = 24 * 3_600_000

TREE = """
schema = 1
[[companies]]
name = "Sunshine Property"
[[companies.projects]]
name = "North"
[[companies.projects.communities]]
code = "garden"
label = { zh = "阳光花园", en = "Sunshine Garden" }
time_zone = "Asia/Shanghai"
buildings = [{ name = "Tower 1", places = ["Roof", "Pump room"] }, { name = "Gate" }]
"""

PEOPLE = """
[[accounts]]
login = "boss"
name = "Boss"
password_file = "boss.password"
roles = [{ role = "admin", scope = "company", of = "Sunshine Property" }]

[[accounts]]
login = "wang"
name = "王工"
roles = [
    { role = "engineer", scope = "project", of = "Sunshine Property/North" },
    { role = "viewer", scope = "place", of = "garden/Tower 1/Roof" },
]
skills = ["pump", "elevator"]
shifts = [
    { community = "garden", days = ["mon", "tue"], from = "08:00", to = "20:00" },
    { community = "garden", days = ["sat"], from = "20:00", to = "12:00" },
]
"""


async def _apply(engine: AsyncEngine, folder: Path, text: str = TREE + PEOPLE, now_ms: int = NOW) -> Provisioned:
    file = folder / "provision.toml"
    file.write_text(text, encoding="utf-8")
    (folder / "boss.password").write_text("correct horse\n")
    return await apply(engine, load_provision(file), file=file, passwords=cheap_passwords(), now_ms=now_ms)


async def test_a_file_sets_up_tree_people_and_shifts(engine: AsyncEngine, tmp_path: Path) -> None:
    done = await _apply(engine, tmp_path)
    assert set(done.passwords) == {"wang"}
    async with reading(engine) as conn:
        assert (await conn.execute(select(community))).one().name_zh == "阳光花园"
        assert set(await conn.scalars(select(building.c.name))) == {"Tower 1", "Gate"}
        assert set(await conn.scalars(select(place.c.name))) == {"Roof", "Pump room"}
        assert set(await conn.scalars(select(skill.c.skill))) == {"pump", "elevator"}
        assert await conn.scalar(select(func.count()).select_from(grant)) == 3
        starts = sorted(await conn.scalars(select(shift.c.starts_ms)))
    # Yesterday's night still runs; then two Mondays, two Tuesdays and two more Saturdays within 14 days.
    assert starts[0] == NOW - 14 * 3_600_000
    assert len(starts) == 7
    assert done.shifts == 7


async def test_the_passwords_work(engine: AsyncEngine, tmp_path: Path) -> None:
    done = await _apply(engine, tmp_path)
    for login, password in (("boss", "correct horse"), ("wang", done.passwords["wang"])):
        made = await access.log_in(
            engine,
            cheap_passwords(),
            login=login,
            password=password,
            address="",
            session_ms=1000,
            token=login,
            now_ms=NOW,
        )
        assert made.actor.login == login


async def test_again_it_changes_nothing_and_audits_nothing(engine: AsyncEngine, tmp_path: Path) -> None:
    await _apply(engine, tmp_path)
    again = await _apply(engine, tmp_path)
    assert (again.made, again.shifts, dict(again.passwords)) == (0, 0, {})
    async with reading(engine) as conn:
        rows = (await conn.execute(select(audit))).all()
    assert [(row.action, row.actor) for row in rows] == [("provision", "system")]


async def test_a_week_later_it_lays_out_the_next_shifts(engine: AsyncEngine, tmp_path: Path) -> None:
    await _apply(engine, tmp_path)
    assert (await _apply(engine, tmp_path, now_ms=NOW + 7 * DAY_MS)).shifts == 3


async def test_what_people_changed_themselves_stays(engine: AsyncEngine, tmp_path: Path) -> None:
    await _apply(engine, tmp_path)
    async with transaction(engine) as conn:
        await conn.execute(account.update().where(account.c.login == "wang").values(language="en", active=False))
    await _apply(engine, tmp_path)
    async with reading(engine) as conn:
        row = await accounts.find_account(conn, "wang")
    assert row is not None
    assert (row["language"], row["active"]) == ("en", False)


async def test_a_community_is_renamed_by_its_code(engine: AsyncEngine, tmp_path: Path) -> None:
    await _apply(engine, tmp_path)
    await _apply(engine, tmp_path, TREE.replace("Sunshine Garden", "Garden of Sun"))
    async with reading(engine) as conn:
        assert list(await conn.scalars(select(community.c.name_en))) == ["Garden of Sun"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('of = "garden/Tower 1/Roof"', 'of = "garden/Tower 1/Roofe"', "there is no place `garden/Tower 1/Roofe`"),
        ('scope = "project"', 'scope = "community"', "there is no community `Sunshine Property/North`"),
        ('community = "garden", days = ["sat"]', 'community = "lake", days = ["sat"]', "there is no community `lake`"),
        ('password_file = "boss.password"', 'password_file = "none"', "accounts.boss.password_file"),
    ],
)
async def test_what_is_not_there_is_named_and_nothing_is_done(
    engine: AsyncEngine, tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in PEOPLE
    with pytest.raises(ConfigError, match=message):
        await _apply(engine, tmp_path, TREE + PEOPLE.replace(old, new))
    async with reading(engine) as conn:
        assert (await conn.execute(select(community))).first() is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Asia/Shanghai", "Asia/Shangai", "not a time zone"),
        ('code = "garden"', 'code = "gar/den"', "pattern"),
        ('from = "08:00"', 'from = "8am"', "pattern"),
        ('"mon"', '"monday"', "is not a choice"),
        ('login = "wang"', 'login = "boss"', "the login `boss` stands here twice"),
        ("skills =", "skils =", "did you mean `skills`"),
        ('role = "engineer"', 'role = "king"', "is not a choice"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "provision.toml"
    file.write_text((TREE + PEOPLE).replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_provision(file)
