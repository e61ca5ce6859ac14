"""Opens the door for a decision: noted on disk before the pulse, told after it, and told also when the power went."""

import asyncio
from collections.abc import Callable, Mapping

from drivers.api import Value
from edge.gate import report
from edge.gate.door import Door, Opening, OpeningOutcome
from edge.gate.ledger import GateLedger, LedgerError, Unfinished
from runtime.logs import get_log


class Opener:
    """The one way by which a gate lets its lock go. `tell` says what the points of the gate's device show.

    `told` has the openings whose end was told, and not yet written down as such: one list as long as the process runs,
    so that a gate that is started anew tells none of them again.
    """

    def __init__(
        self,
        gate: str,
        *,
        door: Door,
        ledger: GateLedger,
        tell: Callable[[Mapping[str, Value]], None],
        clock_ms: Callable[[], int],
        told: list[str],
    ) -> None:
        self._gate = gate
        self._door = door
        self._ledger = ledger
        self._tell = tell
        self._clock_ms = clock_ms
        self._told = told
        self._log = get_log("edge.gate").bind(gate=gate)

    async def report_interrupted(self) -> None:
        """Tell of openings that an earlier process began and whose end nobody knows. Nothing is opened again."""
        for one in await asyncio.to_thread(self._ledger.unfinished, self._gate):
            if one.id in self._told:
                continue
            self._log.warning("an opening was interrupted; whether the door opened is not known", opening=one.id)
            self._tell({"decision": report.interrupted(one.said)})
            self._told.append(one.id)

    async def open(self, opening_id: str, said: Callable[[str, float], str]) -> Opening:
        """Open. `said` writes the event from the outcome and the milliseconds that it took.

        When the ledger takes no note, nothing is opened: after a power cut nobody could tell what happened.
        """
        note = Unfinished(id=opening_id, gate=self._gate, at_ms=self._clock_ms(), said=said("unknown", 0.0))
        try:
            await asyncio.to_thread(self._ledger.begin, note)
        except LedgerError as error:
            self._log.error("nothing is opened: the gate's ledger takes nothing", reason=str(error))
            opening = Opening(outcome=OpeningOutcome.FAILED, detail=f"the gate's ledger: {error}", took_ms=0.0)
        else:
            opening = await asyncio.shield(asyncio.ensure_future(self._door.open()))
        self._log.info("opening", outcome=opening.outcome, detail=opening.detail, took_ms=round(opening.took_ms, 1))
        self._tell({"decision": said(opening.outcome.value, opening.took_ms)})
        self._told.append(opening_id)
        return opening

    async def durable(self) -> None:
        """Forget the openings whose event the journal has; called when it has everything that was told before."""
        ended = tuple(self._told)
        self._told.clear()
        for opening_id in ended:
            try:
                await asyncio.to_thread(self._ledger.end, opening_id)
            except LedgerError as error:
                self._log.warning("an opening stays in the gate's ledger", reason=str(error))
                self._told.append(opening_id)
