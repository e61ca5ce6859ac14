"""What is done by itself, about every minute: erasing what has expired, forgetting what is past its retention."""

from typing import TYPE_CHECKING

from edge.gate.people.api import DAY_MS
from edge.gate.people.audit import KEEP_MS
from edge.gate.people.store import meta, set_meta
from models.face.calibrate import Aim

if TYPE_CHECKING:
    from edge.gate.people.people import People

KEEP_TOMBSTONES_MS = 400 * DAY_MS
"""A gate that was away for longer is set up anew instead of being told what was erased meanwhile."""


RECALIBRATE_EVERY_MS = 3_600_000


def recalibrate(people: "People", *, last_ms: int) -> int:
    """Calibrate anew where the gallery has outgrown its calibration, once an hour at most; give when it was tried last.

    Not where strangers' pictures were used, which are not kept: there somebody is told instead.
    """
    now_ms = people.now_ms()
    record = people.calibration(people.model)
    if record is None or record.strangers or not people.in_force(people.model).stale:
        return last_ms
    if now_ms - last_ms < RECALIBRATE_EVERY_MS:
        return last_ms
    people.calibrate(Aim(fpir=record.asked), by="growth")
    return now_ms


def expire(people: "People") -> bool:
    """Erase what has expired; tell whether the backup has to be sealed anew. StoreFull."""
    now_ms = people.now_ms()
    with people.vault.read() as db:
        expired = people.faces.expired(db, now_ms)
    if expired:
        with people.vault.write() as db:
            about = "SELECT DISTINCT person FROM faces WHERE expires_ms <= ?"
            whose = [row[0] for row in db.execute(about, (now_ms,))]
            people.faces.erase(db, people.faces.expired(db, now_ms), at_ms=now_ms)
            bare = [one for one in whose if not people.faces.of_person(db, one)]
            people.audit.append(db, [people.entry("expire", "erased", person=one, by="expiry") for one in whose])
            set_meta(db, "backup_due", "1")
        people.settle(bare)
    with people.vault.write() as db:
        people.audit.trim(db, now_ms - KEEP_MS)
        for table in ("tombstones", "erasures"):
            db.execute(f"DELETE FROM {table} WHERE at_ms < ?", (now_ms - KEEP_TOMBSTONES_MS,))  # noqa: S608 - ours
        return bool(meta(db, "backup_due"))
