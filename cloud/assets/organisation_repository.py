"""All SQL of the organisation's tree."""

from sqlalchemy import RowMapping, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import ScopeKind, Visible
from cloud.assets.repository import find_or_add
from cloud.assets.tables import building, community, company, place, project


async def put_company(conn: AsyncConnection, name: str) -> tuple[int, bool]:
    """Find or make a company: its id, and whether it is new."""
    return await find_or_add(conn, company, name=name)


async def put_project(conn: AsyncConnection, company_id: int, name: str) -> tuple[int, bool]:
    """Find or make a project of a company."""
    return await find_or_add(conn, project, company_id=company_id, name=name)


async def put_building(conn: AsyncConnection, community_id: int, name: str) -> tuple[int, bool]:
    """Find or make a building of a community."""
    return await find_or_add(conn, building, community_id=community_id, name=name)


async def put_place(conn: AsyncConnection, building_id: int, name: str) -> tuple[int, bool]:
    """Find or make a place of a building."""
    return await find_or_add(conn, place, building_id=building_id, name=name)


async def get_community(conn: AsyncConnection, code: str) -> RowMapping | None:
    """Find a community by its code."""
    return (await conn.execute(select(community).where(community.c.code == code))).mappings().first()


async def add_community(conn: AsyncConnection, **values: object) -> int:
    """Insert a community and give its id."""
    return int((await conn.execute(insert(community).values(**values).returning(community.c.id))).scalar_one())


async def change_community(conn: AsyncConnection, community_id: int, **values: object) -> None:
    """Change columns of a community."""
    await conn.execute(update(community).where(community.c.id == community_id).values(**values))


async def find_scope(conn: AsyncConnection, kind: ScopeKind, path: str) -> int | None:
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
    return await conn.scalar(query)


async def list_communities(conn: AsyncConnection, visible: Visible) -> list[RowMapping]:
    """List the communities of which somebody sees at least a part, each with the names of project and company."""
    query = select(community, project.c.name.label("project"), project.c.company_id, company.c.name.label("company"))
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


async def buildings_and_places(conn: AsyncConnection, community_id: int) -> list[RowMapping]:
    """List a community's buildings by name, one row for each place, or one without a place."""
    query = (
        select(building.c.id, building.c.name, place.c.id.label("place_id"), place.c.name.label("place"))
        .outerjoin(place, place.c.building_id == building.c.id)
        .where(building.c.community_id == community_id)
        .order_by(building.c.name, place.c.name)
    )
    return list((await conn.execute(query)).mappings())
