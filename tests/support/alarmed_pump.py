"""A pump in the small community, whose readings a test writes by hand into the alarm engine."""

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.alarms import engine
from cloud.alarms.domain import PointValue
from cloud.assets import service as assets
from cloud.platform.database import transaction
from drivers.profile import Label, Profile
from tests.support.cloud_world import World


class AlarmedPump:
    """Births a device and evaluates readings for it, each in a transaction of its own."""

    def __init__(self, world: World, watched: engine.Watched) -> None:
        self.world = world
        self.watched = watched
        self.values: dict[str, PointValue] = {}

    @classmethod
    async def born(
        cls, world: World, profile: Profile, *, name: str = "pump-1", overrides: str = "{}"
    ) -> "AlarmedPump":
        """Make node, profile and device."""
        now_ms = world.clock()
        async with transaction(world.engine) as conn:
            node_id = await assets.node_born(
                conn, group="garden", node="edge-1", version="1", config_revision="", foreign=False, now_ms=now_ms
            )
            await assets.store_profile(conn, profile.document(), now_ms)
            row = await assets.device_born(
                conn,
                node_id=node_id,
                name=name,
                profile_hash=profile.hash,
                overrides=overrides,
                label=Label(zh="一号泵", en="Pump 1"),
                place="Tower 1/Pump room",
                kind="pump",
                now_ms=now_ms,
            )
        return cls(world, engine.watch(row, profile))

    async def read(self, at_ms: int, *, historical: bool = False, quality: int = 192, **values: float) -> int:
        """Evaluate one record; how many alarms changed."""
        async with transaction(self.world.engine) as conn:
            return await self.read_in(conn, at_ms, historical=historical, quality=quality, **values)

    async def read_in(
        self, conn: AsyncConnection, at_ms: int, *, historical: bool = False, quality: int = 192, **values: float
    ) -> int:
        """Evaluate one record in an open transaction."""
        step = engine.Step(
            values={
                point: PointValue(value=float(value), quality=quality, at_ms=at_ms) for point, value in values.items()
            },
            historical=historical,
        )
        work = engine.DeviceWork(watched=self.watched, values=self.values, steps=[step])
        return await engine.evaluate(conn, [work], now_ms=self.world.clock())

    async def timers(self, now_ms: int) -> int:
        """Let the wall clock run."""
        async with transaction(self.world.engine) as conn:
            return await engine.run_timers(conn, now_ms)

    async def fail(self, at_ms: int) -> None:
        """Run dry until the alarm is there."""
        await self.read(at_ms, running=1, current=0.5)
        await self.timers(at_ms + 10_000)

    async def recover(self, at_ms: int) -> None:
        """Run with water until the alarm has cleared."""
        await self.read(at_ms, running=1, current=5.0)
        await self.timers(at_ms + 5_000)
