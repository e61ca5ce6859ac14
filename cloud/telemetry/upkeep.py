"""The worker's duty of keeping the telemetry store in order."""

import asyncio
import time
from datetime import timedelta

from cloud.platform.clock import Clock
from cloud.platform.errors import Unavailable
from cloud.telemetry.api import TelemetryStore
from runtime.health import Beat, Check, Status
from runtime.logs import get_log

_SILENT_S = 60.0


class Upkeep:
    """Lets a store do its upkeep step by step, with pauses in which others write.

    Each step makes SQLite forget what a writing process has read of the file, so a pause is longer than a step. Steps
    and pauses together leave a third of the time, which is twice what 60,000 samples a second need.
    """

    def __init__(
        self,
        store: TelemetryStore,
        *,
        clock: Clock,
        pause: timedelta = timedelta(milliseconds=60),
        rest: timedelta = timedelta(seconds=1),
    ) -> None:
        self._store = store
        self._clock = clock
        self._pause_s = pause.total_seconds()
        self._rest_s = rest.total_seconds()
        self._beat = Beat(clock=time.monotonic, silence_s=_SILENT_S)
        self._trouble = ""
        self._log = get_log("cloud.telemetry")

    def health(self) -> Check:
        """Whether the duty turns, and whether its last step worked."""
        check = self._beat()
        if check.status is Status.OK and self._trouble:
            return Check(status=Status.DEGRADED, detail=self._trouble)
        return check

    async def run(self) -> None:
        """Do step after step until cancelled; a store that does not work is tried again."""
        while True:
            more = False
            try:
                more = await self._store.maintain(self._clock())
            except Unavailable as error:
                if error.message != self._trouble:
                    self._log.warning("the telemetry store's upkeep does not work", error=error.message)
                self._trouble = error.message
            else:
                self._trouble = ""
            self._beat.turn()
            await asyncio.sleep(self._pause_s if more else self._rest_s)
