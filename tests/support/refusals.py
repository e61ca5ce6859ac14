"""A database that refuses to insert, made by triggers of the database's own kind."""

from sqlalchemy.ext.asyncio import AsyncEngine


async def refuse_inserts(
    engine: AsyncEngine, table: str, *, why: str, when: str | None = None, passing: bool = False
) -> None:
    """Have inserts into a table fail, those `when` a condition on NEW holds, as a full disk does if `passing`."""
    async with engine.begin() as conn:
        if conn.dialect.name == "sqlite":
            condition = f"WHEN {when} " if when else ""
            how = "FAIL" if passing else "ABORT"
            await conn.exec_driver_sql(
                f"CREATE TRIGGER refused BEFORE INSERT ON {table} {condition}BEGIN SELECT RAISE({how}, '{why}'); END"
            )
            return
        code = "disk_full" if passing else "check_violation"
        await conn.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{why}' USING ERRCODE = '{code}'; END $$"
        )
        condition = f"WHEN ({when}) " if when else ""
        await conn.exec_driver_sql(
            f"CREATE TRIGGER refused BEFORE INSERT ON {table} FOR EACH ROW {condition}EXECUTE FUNCTION refuse()"
        )


async def allow_inserts(engine: AsyncEngine, table: str) -> None:
    """Undo `refuse_inserts`."""
    async with engine.begin() as conn:
        on = "" if conn.dialect.name == "sqlite" else f" ON {table}"
        await conn.exec_driver_sql(f"DROP TRIGGER refused{on}")
