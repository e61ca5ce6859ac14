import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edge.gate.api import Reason
from edge.gate.passes import LedgerFailed, PassBook
from tests.support.gate_rolls import KEY, KEYS, NOW, OTHER, PASS
from tests.support.gate_service import StoredRoll
from wire.passes import encode_pass
from wire.roll import VisitorPass
from wire.seal import PublicKeys

ROOT = Path(__file__).resolve().parents[3]
GATE = "edge-1/north"


@pytest.fixture
def people() -> StoredRoll:
    return StoredRoll()


@pytest.fixture
def book(tmp_path: Path, people: StoredRoll) -> Iterator[PassBook]:
    with open_book(tmp_path / "passes.db", people) as opened:
        yield opened


def open_book(file: Path, people: StoredRoll) -> PassBook:
    return PassBook(file, keys=KEYS, community="sunshine-garden", people=people)


def judge(
    book: PassBook,
    visitor: VisitorPass = PASS,
    *,
    gate: str = GATE,
    area: str = "public",
    now_ms: int = NOW,
    clock_trusted: bool = True,
) -> Reason:
    text = encode_pass(visitor, KEY)
    return book.judge(text, gate=gate, area=area, now_ms=now_ms, clock_trusted=clock_trusted).reason


def test_a_good_pass_opens_once(book: PassBook) -> None:
    verdict = book.judge(encode_pass(PASS, KEY), gate=GATE, area="public", now_ms=NOW, clock_trusted=True)
    assert (verdict.visitor, verdict.reason) == (PASS, Reason.OK)
    assert book.consume(PASS.id, NOW)
    assert not book.consume(PASS.id, NOW)
    assert judge(book) is Reason.USED_PASS
    assert book.uses(PASS.id) == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"now_ms": NOW - 1}, Reason.NOT_YET_VALID),
        ({"now_ms": PASS.valid_until_ms}, Reason.NO_LONGER_VALID),
        ({"now_ms": PASS.valid_until_ms - 1}, Reason.OK),
        ({"gate": "edge-2/north"}, Reason.WRONG_GATE),
        ({"gate": "edge-1/south"}, Reason.OK),
        ({"area": "tower-1"}, Reason.WRONG_GATE),
        ({"clock_trusted": False}, Reason.CLOCK_NOT_TRUSTED),
        ({"visitor": replace(PASS, community="lake")}, Reason.WRONG_GATE),
        ({"visitor": replace(PASS, gates=(), areas=()), "gate": "edge-9/x", "area": "y"}, Reason.OK),
    ],
    ids=str,
)
def test_what_a_pass_says_is_held_to(book: PassBook, how: dict[str, object], reason: Reason) -> None:
    assert judge(book, **how) is reason  # type: ignore[arg-type]


def test_a_clock_far_behind_the_list_is_not_trusted(book: PassBook, people: StoredRoll) -> None:
    people.issued_ms = NOW + 3_600_000
    assert judge(book) is Reason.CLOCK_NOT_TRUSTED
    people.issued_ms = NOW + 60_000
    assert judge(book) is Reason.OK


def test_a_revoked_pass_opens_nothing(book: PassBook, people: StoredRoll) -> None:
    people.revoked.add(PASS.id)
    assert judge(book) is Reason.REVOKED_PASS


def test_forged_and_unreadable_passes_are_told_apart(book: PassBook) -> None:
    def reason(text: str) -> Reason:
        verdict = book.judge(text, gate=GATE, area="public", now_ms=NOW, clock_trusted=True)
        assert verdict.visitor is None
        return verdict.reason

    assert reason("https://example.org/") is Reason.MALFORMED_PASS
    assert reason(encode_pass(PASS, KEY)[:-8]) in {Reason.MALFORMED_PASS, Reason.FORGED_PASS}
    assert reason(encode_pass(PASS, OTHER)) is Reason.FORGED_PASS


def test_a_key_that_is_replaced_can_be_trusted_meanwhile(book: PassBook) -> None:
    text = encode_pass(PASS, OTHER)
    book.trust(PublicKeys.of([KEY.public, OTHER.public]))
    assert book.judge(text, gate=GATE, area="public", now_ms=NOW, clock_trusted=True).reason is Reason.OK


def test_a_pass_without_a_limit_opens_again_and_again(book: PassBook) -> None:
    visitor = replace(PASS, uses=None)
    for _ in range(3):
        assert judge(book, visitor) is Reason.OK
        assert book.consume(visitor.id, NOW)
    assert book.uses(visitor.id) == 0


def test_a_pass_with_three_uses_opens_three_times(book: PassBook) -> None:
    visitor = replace(PASS, uses=3)
    for _ in range(3):
        assert judge(book, visitor) is Reason.OK
        assert book.consume(visitor.id, NOW)
    assert judge(book, visitor) is Reason.USED_PASS


def test_what_was_not_judged_is_not_consumed(book: PassBook) -> None:
    assert not book.consume("p-unknown", NOW)
    judge(book, gate="edge-2/north")
    assert not book.consume(PASS.id, NOW)


def test_gates_of_one_agent_share_a_pass(tmp_path: Path, people: StoredRoll) -> None:
    file = tmp_path / "passes.db"
    with open_book(file, people) as north, open_book(file, people) as south:
        assert judge(north) is Reason.OK
        assert judge(south, gate="edge-1/south") is Reason.OK
        assert [north.consume(PASS.id, NOW), south.consume(PASS.id, NOW)] == [True, False]


def test_of_many_at_once_one_gets_in(tmp_path: Path, people: StoredRoll) -> None:
    books = [open_book(tmp_path / "passes.db", people) for _ in range(4)]
    start = threading.Barrier(len(books))

    def one(book: PassBook) -> bool:
        judge(book)
        start.wait()
        return book.consume(PASS.id, NOW)

    with ThreadPoolExecutor(len(books)) as pool:
        got = list(pool.map(one, books))
    for book in books:
        book.close()
    assert sorted(got) == [False, False, False, True]


def test_a_kill_between_consuming_and_the_pulse_leaves_the_pass_used(tmp_path: Path, people: StoredRoll) -> None:
    file = tmp_path / "passes.db"
    script = f"""
import os, signal, sys
from pathlib import Path
from edge.gate.passes import PassBook
from tests.support.gate_rolls import KEY, KEYS, NOW, PASS
from tests.support.gate_service import StoredRoll
from wire.passes import encode_pass
book = PassBook(Path({str(file)!r}), keys=KEYS, community="sunshine-garden", people=StoredRoll())
assert book.judge(encode_pass(PASS, KEY), gate={GATE!r}, area="public", now_ms=NOW, clock_trusted=True).visitor
assert book.consume(PASS.id, NOW)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with open_book(file, people) as book:
        assert judge(book) is Reason.USED_PASS


def test_a_full_disk_opens_nothing_and_says_so(tmp_path: Path, people: StoredRoll) -> None:
    with open_book(tmp_path / "passes.db", people) as book:
        book._db.execute("PRAGMA max_page_count = 1")  # what SQLite says is that of a full disk
        fill = sqlite3.connect(tmp_path / "passes.db", isolation_level=None)
        fill.execute("CREATE TABLE IF NOT EXISTS other (x)")
        fill.close()
        ids = [f"{'p' * 60}{number}" for number in range(200)]

        def use(number: str) -> None:
            assert judge(book, replace(PASS, id=number, gates=(), areas=(), host="r")) is Reason.OK
            assert book.consume(number, NOW)

        used: list[str] = []
        with pytest.raises(LedgerFailed, match="full"):  # noqa: PT012 - one of them meets the end of the disk
            for number in ids:
                use(number)
                used.append(number)
        assert book.uses(ids[len(used)]) == 0  # it was not used up, and did not open either


def test_a_damaged_ledger_is_told_at_once(tmp_path: Path, people: StoredRoll) -> None:
    file = tmp_path / "passes.db"
    file.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerFailed, match=r"passes\.db"):
        open_book(file, people)


def test_a_ledger_that_breaks_while_it_is_used_is_told(tmp_path: Path, people: StoredRoll) -> None:
    with open_book(tmp_path / "passes.db", people) as book:
        judge(book)
        book._db.execute("DROP TABLE used_pass")
        with pytest.raises(LedgerFailed):
            book.consume(PASS.id, NOW)
        with pytest.raises(LedgerFailed):
            judge(book)


def test_the_file_is_its_owner_s_alone(tmp_path: Path, people: StoredRoll) -> None:
    with open_book(tmp_path / "passes.db", people):
        assert (tmp_path / "passes.db").stat().st_mode & 0o077 == 0


def test_passes_of_long_ago_are_forgotten(book: PassBook) -> None:
    judge(book)
    assert book.consume(PASS.id, NOW)
    later = PASS.valid_until_ms + 401 * 86_400_000
    young = replace(PASS, id="p-young", valid_from_ms=later, valid_until_ms=later + 1000)
    assert judge(book, young, now_ms=later) is Reason.OK
    assert book.consume("p-young", later)
    assert book.uses(PASS.id) == 0
