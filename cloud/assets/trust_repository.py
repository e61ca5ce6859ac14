"""All SQL of how far what is shown can be trusted: the times of last values, and whether anybody hears an agent."""

from collections.abc import Mapping

from sqlalchemy import bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.assets.tables import last_value, node


async def doubt_times(conn: AsyncConnection, doubts: Mapping[tuple[int, str], tuple[int, str]]) -> None:
    """Note why times of last values are not to be trusted: (device id, point) to (the value's time, why).

    One that has been replaced by then keeps what is said of it; taking a last value makes its time good.
    """
    if not doubts:
        return
    query = (
        update(last_value)
        .where(
            last_value.c.device_id == bindparam("whose"),
            last_value.c.point == bindparam("which"),
            last_value.c.at_ms == bindparam("its_ms"),
        )
        .values(time_quality=bindparam("why"))
    )
    rows = [
        {"whose": device_id, "which": point, "its_ms": at_ms, "why": why[:16]}
        for (device_id, point), (at_ms, why) in doubts.items()
    ]
    await conn.execute(query, rows)


async def unheard(conn: AsyncConnection, now_ms: int) -> int:
    """Note that nobody hears the nodes that are online, since now; how many there are beside those known already."""
    query = update(node).where(node.c.online, node.c.unheard_ms.is_(None)).values(unheard_ms=now_ms)
    return int((await conn.execute(query)).rowcount)
