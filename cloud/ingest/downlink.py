"""Commands on their way down: marked as sent before they are published, and published once."""

from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.assets import service as assets
from cloud.assets.domain import CommandState, PendingCommand
from cloud.ingest.metrics import IngestMetrics
from cloud.platform.clock import Clock
from cloud.platform.database import reading, transaction
from runtime.logs import get_log
from wire.contract import COMMAND_ID, COMMAND_TIMEOUT_MS, COMMAND_TOKEN, command_metric
from wire.errors import WireError
from wire.host import Host
from wire.payload import Message, Metric
from wire.topic import NodeKey


class Downlink:
    """Turns requested commands into DCMD. Only one may run: whoever holds the births."""

    def __init__(self, *, engine: AsyncEngine, host: Host, clock: Clock, metrics: IngestMetrics) -> None:
        self._engine = engine
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._log = get_log("cloud.downlink")

    async def due(self) -> list[Message]:
        """Give the commands to publish now; each is marked as sent already, so it will not come again.

        A command for a device without a birth at the moment is left until its deadline. One that the device's birth
        does not declare can never be sent: it is refused.
        """
        now_ms = self._clock()
        async with reading(self._engine) as conn:
            waiting = await assets.pending_commands(conn, now_ms=now_ms)
        messages: list[Message] = []
        for command in waiting:
            key = NodeKey(group=command.group, node=command.node)
            if not self._host.is_born(key, command.device):
                continue
            try:
                message = self._message(key, command, now_ms)
            except WireError as error:
                async with transaction(self._engine) as conn:
                    await assets.command_outcome(conn, command.id, CommandState.REFUSED.value, str(error), now_ms)
                continue
            async with transaction(self._engine) as conn:
                marked = await assets.mark_sent(conn, command.id, now_ms)
            if marked:
                self._metrics.commands.inc()
                self._log.info("command sent", command=command.id, node=str(key), device=command.device)
                messages.append(message)
        return messages

    def _message(self, key: NodeKey, command: PendingCommand, now_ms: int) -> Message:
        metrics = [
            Metric(name=COMMAND_ID, value=command.id),
            Metric(name=COMMAND_TOKEN, value=command.token),
            Metric(name=COMMAND_TIMEOUT_MS, value=command.timeout_ms),
            Metric(name=command_metric(command.name), value=command.value),
        ]
        return self._host.command(key, command.device, metrics, now_ms)
