"""The organisation's tree: its SQL, and what of it somebody sees."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Scope, ScopeKind, Visible
from cloud.assets.repository import find_or_add
from cloud.assets.tables import building, community, company, place, project
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
    return await find_or_add(conn, company, name=name)


async def put_project(conn: AsyncConnection, company_id: int, name: str) -> tuple[int, bool]:
    """Find or make a project of a company."""
    return await find_or_add(conn, project, company_id=company_id, name=name)


async def put_community(
    conn: AsyncConnection, project_id: int, *, code: str, name_zh: str, name_en: str, time_zone: str
) -> tuple[int, bool]:
    """Make or rename a community; Conflict when its code is used in another project."""
    found = (await conn.execute(select(community).where(community.c.code == code))).mappings().first()
    values = {"name_zh": name_zh, "name_en": name_en, "time_zone": time_zone}
    if found is None:
        query = insert(community).values(project_id=project_id, code=code, **values).returning(community.c.id)
        return int((await conn.execute(query)).scalar_one()), True
    if found["project_id"] != project_id:
        raise Conflict(f"the code `{code}` is a community of another project", code="code_taken")
    await conn.execute(update(community).where(community.c.id == found["id"]).values(**values))
    return int(found["id"]), False


async def put_building(conn: AsyncConnection, community_id: int, name: str) -> tuple[int, bool]:
    """Find or make a building of a community."""
    return await find_or_add(conn, building, community_id=community_id, name=name)


async def put_place(conn: AsyncConnection, building_id: int, name: str) -> tuple[int, bool]:
    """Find or make a place of a building."""
    return await find_or_add(conn, place, building_id=building_id, name=name)


async def find_community(conn: AsyncConnection, code: str) -> tuple[int, ZoneInfo] | None:
    """Find a community by its code: its id and its time zone."""
    query = select(community.c.id, community.c.time_zone).where(community.c.code == code)
    row = (await conn.execute(query)).first()
    return (int(row.id), ZoneInfo(row.time_zone)) if row is not None else None


async def find_scope(conn: AsyncConnection, kind: ScopeKind, path: str) -> Scope | None:
    """Find what a path names: `Company`, `Company/Project`, `code`, `code/Building` or `code/Building/Place`."""
    parts = path.split("/")
    match kind, parts:
        case ScopeKind.COMPANY, [name]:
            query = select(company.c.id).where(company.c.name == name)
        case ScopeKind.PROJECT, [above, name]:
            query = select(project.c.id).join(company, company.c.id == project.c.company_id)
            query = query.where(company.c.name == above, project.c.name == name)
        case ScopeKind.COMMUNITY, [code]:
            query = select(community.c.id).where(community.c.code == code)
        case ScopeKind.BUILDING, [code, name]:
            query = select(building.c.id).join(community, community.c.id == building.c.community_id)
            query = query.where(community.c.code == code, building.c.name == name)
        case ScopeKind.PLACE, [code, above, name]:
            query = select(place.c.id).join(building, building.c.id == place.c.building_id)
            query = query.join(community, community.c.id == building.c.community_id)
            query = query.where(community.c.code == code, building.c.name == above, place.c.name == name)
        case _:
            return None
    found = await conn.scalar(query)
    return Scope(kind=kind, id=found) if found is not None else None


async def list_communities(conn: AsyncConnection, visible: Visible) -> list[RowMapping]:
    """List the communities of which somebody sees at least a part."""
    query = select(community, project.c.name.label("project"), company.c.name.label("company"))
    query = query.join(project, project.c.id == community.c.project_id)
    query = query.join(company, company.c.id == project.c.company_id).order_by(community.c.code)
    if not visible.everything:
        in_buildings = select(building.c.community_id).where(building.c.id.in_(sorted(visible.buildings)))
        in_places = (
            select(building.c.community_id)
            .join(place, place.c.building_id == building.c.id)
            .where(place.c.id.in_(sorted(visible.places)))
        )
        query = query.where(
            or_(
                community.c.id.in_(sorted(visible.communities)),
                community.c.id.in_(in_buildings),
                community.c.id.in_(in_places),
            )
        )
    return list((await conn.execute(query)).mappings())


async def tree(conn: AsyncConnection, visible: Visible) -> list[TreeNode]:
    """Give the companies with everything below them that somebody sees, and what leads there."""
    communities = await list_communities(conn, visible)
    project_rows = {row["id"]: row for row in (await conn.execute(select(project))).mappings()}
    roots: dict[int, TreeNode] = {}
    nodes: dict[Scope, TreeNode] = {}
    for row in communities:
        above = project_rows[row["project_id"]]
        root = roots.setdefault(
            above["company_id"],
            TreeNode(kind=ScopeKind.COMPANY, id=above["company_id"], name_zh=row["company"], name_en=row["company"]),
        )
        key = Scope(kind=ScopeKind.PROJECT, id=above["id"])
        if key not in nodes:
            nodes[key] = TreeNode(kind=key.kind, id=key.id, name_zh=above["name"], name_en=above["name"])
            root.children.append(nodes[key])
        mine = TreeNode(
            kind=ScopeKind.COMMUNITY,
            id=row["id"],
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            code=row["code"],
            time_zone=row["time_zone"],
        )
        nodes[key].children.append(mine)
        mine.children.extend(await _buildings(conn, row["id"], visible))
    return [roots[number] for number in sorted(roots)]


async def _buildings(conn: AsyncConnection, community_id: int, visible: Visible) -> list[TreeNode]:
    whole = visible.everything or community_id in visible.communities
    rows = await conn.execute(
        select(building.c.id, building.c.name, place.c.id.label("place_id"), place.c.name.label("place"))
        .outerjoin(place, place.c.building_id == building.c.id)
        .where(building.c.community_id == community_id)
        .order_by(building.c.name, place.c.name)
    )
    found: dict[int, TreeNode] = {}
    for row in rows:
        all_of_it = whole or row.id in visible.buildings
        if not all_of_it and row.place_id not in visible.places:
            continue
        parent = found.setdefault(
            row.id, TreeNode(kind=ScopeKind.BUILDING, id=row.id, name_zh=row.name, name_en=row.name)
        )
        if row.place_id is not None:
            parent.children.append(
                TreeNode(kind=ScopeKind.PLACE, id=row.place_id, name_zh=row.place, name_en=row.place)
            )
    return list(found.values())
