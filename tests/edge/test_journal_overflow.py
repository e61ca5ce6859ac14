"""A full journal: telemetry goes first, what outlives it only when nothing else is left, and every loss is told."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from drivers.api import Quality, Reading
from edge.intake import Intake
from edge.journal import FILE_NAME, open_journal
from edge.journal_file import JournalFile, Limits, look_into
from edge.losses import Loss, Reason, RecordClass, read_loss
from edge.records import CommandResult, Draft, Entry, Gap, Record
from runtime.lifecycle import Backoff
from wire.contract import Outcome

TELEMETRY, EVENT, ALARM, COMMAND = RecordClass
BYTES = 100_000_000


def draft(kind: RecordClass = TELEMETRY, at_ms: int = 0, text: str = "") -> Draft:
    result = CommandResult(command_id=f"c{at_ms}", outcome=Outcome.DONE, detail="") if kind is COMMAND else None
    reading = Reading(point="p", value=text or 1.0, quality=Quality.GOOD, at_ms=at_ms)
    return Draft(device="pump-1", at_ms=at_ms, readings=(reading,), result=result, kind=kind)


def opened(folder: Path, limits: Limits) -> JournalFile:
    return JournalFile(folder / FILE_NAME, new_id="j", limits=limits)


def kept(entries: tuple[Entry, ...]) -> dict[int, RecordClass]:
    return {one.offset: one.kind for one in entries if isinstance(one, Record)}


def test_telemetry_goes_first_and_what_lies_between_stays_where_it_is(tmp_path: Path) -> None:
    journal = opened(tmp_path, Limits(max_records=100, max_bytes=BYTES))
    kinds = {3: EVENT, 4: COMMAND, 9: ALARM}
    for number in range(1, 121):
        journal.append([draft(kinds.get(number, TELEMETRY), at_ms=number)])
    entries = journal.read(after=0, limit=1000)
    assert {offset: kind for offset, kind in kept(entries).items() if kind is not TELEMETRY} == kinds
    gaps = [one for one in entries if isinstance(one, Gap)]
    assert [(one.first, one.last) for one in gaps][:2] == [(1, 2), (5, 8)]
    assert gaps[1].loss == Loss(reason=Reason.OVERFLOW, counts={TELEMETRY: 4}, from_ms=5, to_ms=8)
    status = journal.status()
    assert status.lost == {TELEMETRY: status.dropped}
    assert status.held[EVENT].records == status.held[ALARM].records == status.held[COMMAND].records == 1


def test_telemetry_leaves_the_reserved_share_free(tmp_path: Path) -> None:
    journal = opened(tmp_path, Limits(max_records=100, max_bytes=BYTES, reserved=0.2))
    for number in range(300):
        journal.append([draft(at_ms=number)])
    assert journal.status().records <= 80
    before = journal.status().lost
    journal.append([draft(EVENT, at_ms=number) for number in range(20)])
    assert journal.status().lost == before, "the events had room"


def test_events_go_when_nothing_else_is_left_and_the_newest_record_never_does(tmp_path: Path) -> None:
    journal = opened(tmp_path, Limits(max_records=100, max_bytes=BYTES))
    journal.append([draft(at_ms=number) for number in range(50)])
    for number in range(150):
        journal.append([draft(EVENT, at_ms=number)])
    status = journal.status()
    assert status.lost[TELEMETRY] == 50
    assert status.lost[EVENT] == 200 - status.records - 50
    huge = draft(text="x" * 2_000_000)
    (offset,) = opened(tmp_path, Limits(max_records=100, max_bytes=1_000_000)).append([huge])
    assert kept(opened(tmp_path, Limits(max_records=100, max_bytes=BYTES)).read(after=0, limit=1000)) == {
        offset: TELEMETRY
    }


def test_a_loss_of_another_reason_is_a_gap_of_its_own(tmp_path: Path) -> None:
    journal = opened(tmp_path, Limits(max_records=100, max_bytes=BYTES))
    disk = Loss(reason=Reason.FULL_DISK, counts={TELEMETRY: 5, EVENT: 1}, from_ms=7, to_ms=9)
    journal.append([draft(at_ms=1)])
    journal.append([draft(at_ms=2)], lost=disk)
    journal.append([draft(at_ms=number) for number in range(100)])
    first, second, *_ = [one for one in journal.read(after=0, limit=1000) if isinstance(one, Gap)]
    assert (first.first, first.last, second.first, second.last) == (1, 1, 2, 7)
    assert first.loss is not None
    assert first.loss.reason is Reason.OVERFLOW
    assert second.loss == disk
    assert read_loss(disk.document()) == disk
    assert journal.status().lost[EVENT] == 1


def test_what_is_left_of_a_gap_after_an_acknowledgement_never_claims_more_than_its_size(tmp_path: Path) -> None:
    journal = opened(tmp_path, Limits(max_records=100, max_bytes=BYTES))
    journal.append([draft()], lost=Loss(reason=Reason.FULL_DISK, counts={TELEMETRY: 8, EVENT: 2}))
    journal.acknowledge("j", 7)
    gap = journal.read(after=7, limit=1)[0]
    assert isinstance(gap, Gap)
    assert gap.loss is not None
    assert (gap.first, gap.last, gap.loss.counts) == (8, 10, {TELEMETRY: 3, EVENT: 2})


async def test_while_the_disk_is_full_memory_loses_telemetry_first_and_never_an_outcome(tmp_path: Path) -> None:
    async with open_journal(tmp_path, new_id="j", limits=Limits(max_records=1000, max_bytes=BYTES), at_ms=0) as journal:
        intake = Intake(journal=journal, on_written=lambda _: None, backoff=Backoff(random=lambda: 0.0), capacity=3)
        for number, kind in enumerate((COMMAND, EVENT, TELEMETRY, ALARM, EVENT, COMMAND)):
            intake.put(draft(kind, at_ms=number))
        await intake.write_next()
        gap, *records = await journal.read(after=0, limit=10)
    assert isinstance(gap, Gap)
    assert gap.loss == Loss(reason=Reason.FULL_DISK, counts={TELEMETRY: 1, EVENT: 1, ALARM: 1}, from_ms=1, to_ms=3)
    assert [one.kind for one in records if isinstance(one, Record)] == [COMMAND, EVENT, COMMAND]


class AnyHistory(RuleBasedStateMachine):
    """Appends, losses, acknowledgements and restarts in any order, against a model that keeps every record's class."""

    LIMITS = Limits(max_records=40, max_bytes=BYTES, reserved=0.25)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(_FOLDERS.mktemp("history"))
        self.journal = opened(self.folder, self.LIMITS)
        self.given: list[RecordClass] = []
        self.unrecorded: set[int] = set()
        self.acknowledged = 0
        self.lost_before = 0

    @rule(kinds=st.lists(st.sampled_from(RecordClass), min_size=1, max_size=30), lost=st.integers(0, 3))
    def append(self, kinds: list[RecordClass], lost: int) -> None:
        loss = Loss(reason=Reason.FULL_DISK, counts={EVENT: lost}, from_ms=0, to_ms=0) if lost else None
        self.unrecorded |= set(range(len(self.given) + 1, len(self.given) + lost + 1))
        self.given += [EVENT] * lost
        first = len(self.given) + 1
        offsets = self.journal.append([draft(kind, at_ms=first + n) for n, kind in enumerate(kinds)], lost=loss)
        self.given += kinds
        assert offsets == tuple(range(first, first + len(kinds)))

    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        offset = int(self.acknowledged + share * (len(self.given) - self.acknowledged))
        if self.journal.acknowledge("j", offset):
            self.acknowledged = offset

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = opened(self.folder, self.LIMITS)

    @invariant()
    def every_offset_is_once_a_record_or_in_a_gap_in_order(self) -> None:
        seen: list[int] = []
        entries = self.journal.read(after=self.acknowledged, limit=10_000)
        for one in entries:
            if isinstance(one, Record):
                seen.append(one.offset)
                assert one.kind is self.given[one.offset - 1]
            else:
                seen += range(one.first, one.last + 1)
                assert one.loss is not None
                assert all(0 < count <= one.last - one.first + 1 for count in one.loss.counts.values())
        assert seen == list(range(self.acknowledged + 1, len(self.given) + 1))

    @invariant()
    def what_outlives_telemetry_goes_only_when_no_telemetry_is_left_but_the_newest(self) -> None:
        status = self.journal.status()
        assert status.records <= 40
        held = kept(self.journal.read(after=self.acknowledged, limit=10_000))
        assert list(held.values()).count(TELEMETRY) <= 30
        assert sum(status.lost.values()) == status.dropped
        assert look_into(self.folder / FILE_NAME) == status
        assert {one: amount.records for one, amount in status.held.items()} == {
            one: list(held.values()).count(one) for one in RecordClass if one in held.values()
        }
        lost = status.dropped
        outliving = sum(count for one, count in status.lost.items() if one is not TELEMETRY) - len(self.unrecorded)
        if lost > self.lost_before and outliving > getattr(self, "outliving_before", 0):
            telemetry = [offset for offset, kind in held.items() if kind is TELEMETRY]
            assert telemetry in ([], [len(self.given)])
        self.lost_before, self.outliving_before = lost, outliving

    def teardown(self) -> None:
        self.journal.close()


_FOLDERS: pytest.TempPathFactory


def test_any_history_keeps_the_promises(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _FOLDERS  # noqa: PLW0603 - hypothesis makes the machine without arguments
    _FOLDERS = tmp_path_factory
    run_state_machine_as_test(AnyHistory, settings=settings(max_examples=40, stateful_step_count=15, deadline=None))
