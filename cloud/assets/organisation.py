"""The organisation: company > project > community > building > place, and what of it somebody sees."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Scope, ScopeKind, Visible
from cloud.assets import organisation_repository as repository
from cloud.platform.errors import Conflict


@dataclass(kw_only=True, slots=True)
class TreeNode:
    """One node of the tree, with what of it is seen below. `code` and `time_zone` are a community's."""

    kind: ScopeKind
    id: int
    name_zh: str
    name_en: str
    code: str = ""
    time_zone: str = ""
    children: list["TreeNode"] = field(default_factory=list)


async def put_company(conn: AsyncConnection, name: str) -> tuple[int, bool]:
    """Find or make a company: its id, and whether it is new."""
    return await repository.put_company(conn, name)


async def put_project(conn: AsyncConnection, company_id: int, name: str) -> tuple[int, bool]:
    """Find or make a project of a company."""
    return await repository.put_project(conn, company_id, name)


async def put_community(
    conn: AsyncConnection, project_id: int, *, code: str, name_zh: str, name_en: str, time_zone: str
) -> tuple[int, bool]:
    """Make or rename a community; Conflict when its code is used in another project."""
    values = {"name_zh": name_zh, "name_en": name_en, "time_zone": time_zone}
    found = await repository.get_community(conn, code)
    if found is None:
        return await repository.add_community(conn, project_id=project_id, code=code, **values), True
    if found["project_id"] != project_id:
        raise Conflict(f"the code `{code}` is a community of another project", code="code_taken")
    await repository.change_community(conn, found["id"], **values)
    return int(found["id"]), False


async def put_building(conn: AsyncConnection, community_id: int, name: str) -> tuple[int, bool]:
    """Find or make a building of a community."""
    return await repository.put_building(conn, community_id, name)


async def put_place(conn: AsyncConnection, building_id: int, name: str) -> tuple[int, bool]:
    """Find or make a place of a building."""
    return await repository.put_place(conn, building_id, name)


async def find_community(conn: AsyncConnection, code: str) -> tuple[int, ZoneInfo] | None:
    """Find a community by its code: its id and its time zone."""
    row = await repository.get_community(conn, code)
    return (int(row["id"]), ZoneInfo(row["time_zone"])) if row is not None else None


async def find_scope(conn: AsyncConnection, kind: ScopeKind, path: str) -> Scope | None:
    """Find what a path names: `Company`, `Company/Project`, `code`, `code/Building` or `code/Building/Place`."""
    found = await repository.find_scope(conn, kind, path)
    return Scope(kind=kind, id=found) if found is not None else None


async def list_communities(conn: AsyncConnection, visible: Visible) -> list[RowMapping]:
    """List the communities of which somebody sees at least a part."""
    return await repository.list_communities(conn, visible)


async def tree(conn: AsyncConnection, visible: Visible) -> list[TreeNode]:
    """Give the companies with everything below them that somebody sees, and what leads there."""
    roots: dict[int, TreeNode] = {}
    projects: dict[int, TreeNode] = {}
    for row in await repository.list_communities(conn, visible):
        company_id, project_id = row["company_id"], row["project_id"]
        if company_id not in roots:
            roots[company_id] = _named(ScopeKind.COMPANY, company_id, row["company"])
        if project_id not in projects:
            projects[project_id] = _named(ScopeKind.PROJECT, project_id, row["project"])
            roots[company_id].children.append(projects[project_id])
        mine = TreeNode(
            kind=ScopeKind.COMMUNITY,
            id=row["id"],
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            code=row["code"],
            time_zone=row["time_zone"],
        )
        projects[project_id].children.append(mine)
        mine.children.extend(await _buildings(conn, row["id"], visible))
    return [roots[number] for number in sorted(roots)]


async def _buildings(conn: AsyncConnection, community_id: int, visible: Visible) -> list[TreeNode]:
    whole = visible.everything or community_id in visible.communities
    found: dict[int, TreeNode] = {}
    for row in await repository.buildings_and_places(conn, community_id):
        building_id, place_id = row["id"], row["place_id"]
        if not whole and building_id not in visible.buildings and place_id not in visible.places:
            continue
        if building_id not in found:
            found[building_id] = _named(ScopeKind.BUILDING, building_id, row["name"])
        if place_id is not None:
            found[building_id].children.append(_named(ScopeKind.PLACE, place_id, row["place"]))
    return list(found.values())


def _named(kind: ScopeKind, number: int, name: str) -> TreeNode:
    return TreeNode(kind=kind, id=number, name_zh=name, name_en=name)
