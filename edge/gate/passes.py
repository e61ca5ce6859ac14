"""Visitors' passes at the gate: judged with no network, and used up on disk before the door's pulse.

The ledger is one SQLite file for the gates of an agent, with `synchronous=FULL`: when `consume` returns, a power cut
does not bring the use back. So a pass whose power was cut between that and the pulse is used; it never opens twice.
"""

import sqlite3
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.gate.api import Reason
from edge.gate.durable import DurableFile
from wire.errors import ForgedSeal, MalformedSeal
from wire.passes import decode_pass
from wire.roll import VisitorPass
from wire.seal import PublicKeys

_SCHEMA = """
CREATE TABLE IF NOT EXISTS used_pass (
    id TEXT PRIMARY KEY, uses INTEGER NOT NULL, last_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL
) WITHOUT ROWID
"""
_COUNT = """
INSERT INTO used_pass VALUES (?1, 1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET uses = uses + 1, last_ms = excluded.last_ms WHERE uses < ?4
"""
_KEPT_MS = 400 * 86_400_000
"""How long after its end a pass is remembered; a clock that is wrong by more is not trusted anyway."""
_ISSUER_AHEAD_MS = 5 * 60_000
"""The service's clock may be ahead of ours by so much; beyond that ours is behind."""
_JUDGED = 256
"""So many passes may be between judging and consuming at once."""


class LedgerFailed(Exception):
    """The ledger of passes takes nothing now (a full disk, a damaged file): a limited pass opens nothing meanwhile."""


class Revocations(Protocol):
    """What the gate's list says beside a pass; `edge.gate.people` has it."""

    @property
    def issued_ms(self) -> int | None:
        """When the service signed the list that the gate holds; None without any."""

    def is_revoked(self, pass_id: str) -> bool:
        """Whether a pass was revoked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassVerdict:
    """What a pass is worth here and now: OK, or why not. `visitor` is there when the signature is good."""

    visitor: VisitorPass | None
    reason: Reason


class PassBook(DurableFile):
    """Judges passes and counts their uses. Blocking, for any thread; several may share a file: an agent's gates do."""

    def __init__(self, file: Path, *, keys: PublicKeys, community: str, people: Revocations) -> None:
        super().__init__(file, _SCHEMA, LedgerFailed)
        self._keys = keys
        self._community = community
        self._people = people
        self._judged: OrderedDict[str, VisitorPass] = OrderedDict()

    def trust(self, keys: PublicKeys) -> None:
        """Take other public keys, as when the service changed its own."""
        self._keys = keys

    def judge(self, text: str, *, gate: str, area: str, now_ms: int, clock_trusted: bool) -> PassVerdict:
        """Judge what somebody shows at `gate` (as `edge-1/north`), which leads into `area`. LedgerFailed.

        `clock_trusted` says whether the machine's clock is not behind its persisted floor; no pass holds by a clock
        that is.
        """
        try:
            visitor = decode_pass(text, self._keys)
        except MalformedSeal:
            return PassVerdict(visitor=None, reason=Reason.MALFORMED_PASS)
        except ForgedSeal:
            return PassVerdict(visitor=None, reason=Reason.FORGED_PASS)
        reason = self._reason(visitor, gate=gate, area=area, now_ms=now_ms, clock_trusted=clock_trusted)
        if reason is Reason.OK:
            with self._lock:
                self._judged[visitor.id] = visitor
                self._judged.move_to_end(visitor.id)
                while len(self._judged) > _JUDGED:
                    self._judged.popitem(last=False)
        return PassVerdict(visitor=visitor, reason=reason)

    def consume(self, pass_id: str, at_ms: int) -> bool:
        """Use a pass that was just judged good, before the pulse; False when somebody else used it up meanwhile.

        LedgerFailed when that cannot be kept: then nothing may open. An id that was not judged opens nothing.
        """
        with self._lock:
            visitor = self._judged.pop(pass_id, None)
            if visitor is None:
                return False
            if visitor.uses is None:
                return True
            try:
                self._db.execute("DELETE FROM used_pass WHERE until_ms < ?", (at_ms - _KEPT_MS,))
                with closing(self._db.execute(_COUNT, (pass_id, at_ms, visitor.valid_until_ms, visitor.uses))) as done:
                    return done.rowcount == 1
            except sqlite3.Error as error:
                raise LedgerFailed(str(error)) from error

    def uses(self, pass_id: str) -> int:
        """How often a pass has been used. LedgerFailed."""
        with self._lock:
            try:
                row = self._db.execute("SELECT uses FROM used_pass WHERE id = ?", (pass_id,)).fetchone()
            except sqlite3.Error as error:
                raise LedgerFailed(str(error)) from error
        return 0 if row is None else int(row[0])

    def _reason(self, visitor: VisitorPass, *, gate: str, area: str, now_ms: int, clock_trusted: bool) -> Reason:
        issued_ms = self._people.issued_ms
        behind = issued_ms is not None and now_ms < issued_ms - _ISSUER_AHEAD_MS
        elsewhere = (
            visitor.community != self._community
            or (visitor.gates and gate not in visitor.gates)
            or (visitor.areas and area not in visitor.areas)
        )
        against = (
            (elsewhere, Reason.WRONG_GATE),
            (self._people.is_revoked(visitor.id), Reason.REVOKED_PASS),
            (not clock_trusted or behind, Reason.CLOCK_NOT_TRUSTED),
            (now_ms < visitor.valid_from_ms, Reason.NOT_YET_VALID),
            (now_ms >= visitor.valid_until_ms, Reason.NO_LONGER_VALID),
            (visitor.uses is not None and self.uses(visitor.id) >= visitor.uses, Reason.USED_PASS),
        )
        return next((reason for holds, reason in against if holds), Reason.OK)
