"""What a birth says, kept beside the records that were made under it."""

from pathlib import Path

from drivers.profile import AlarmOverride, Label, load_profile
from edge.identity import DeviceIdentity, read_identities
from edge.journal import open_journal
from edge.journal_file import JournalFile, Limits
from edge.records import Draft, Record

PROFILE = load_profile(Path(__file__).parent / "profiles" / "bench-pump.toml")
ROOMY = Limits(max_records=10_000, max_bytes=100_000_000)


def identity(place: str = "3号楼") -> DeviceIdentity:
    return DeviceIdentity(
        label=Label(zh="1号泵", en="Pump 1"),
        place=place,
        profile=PROFILE,
        profile_hash=PROFILE.hash,
        overrides={"dry_run": AlarmOverride(enabled=False)},
    )


def documents(*identities: DeviceIdentity) -> dict[str, str]:
    return {PROFILE.hash: PROFILE.document()} | {one.key: one.document for one in identities}


def test_an_identity_is_read_back_as_it_was() -> None:
    assert dict(read_identities(documents(identity()))) == {identity().key: identity()}


def test_everything_that_a_birth_says_is_in_the_key() -> None:
    assert identity().key == identity().key
    assert identity("4号楼").key != identity().key


def test_what_cannot_be_read_is_left_out_and_nothing_else() -> None:
    good = identity()
    kept = documents(good) | {"x": "no JSON", "y": '{"kind": "identity"}', "z": "[]"}
    assert set(dict(read_identities(kept))) == {good.key}
    del kept[PROFILE.hash]
    assert dict(read_identities(kept)) == {}


async def test_the_journal_keeps_the_births_of_its_records_and_no_others(tmp_path: Path) -> None:
    old, new, never = identity("old"), identity("new"), identity("never")
    async with open_journal(tmp_path, new_id="j", limits=ROOMY, at_ms=0) as journal:
        await journal.append((), documents=documents(old, new, never))
        await journal.append([Draft(device="p", at_ms=1, birth=old.key), Draft(device="p", at_ms=2, birth=new.key)])
        await journal.begin_command(command_id="c", device="p", name="start", at_ms=3, birth=new.key)
    async with open_journal(tmp_path, new_id="k", limits=ROOMY, at_ms=0) as journal:
        assert set(await journal.documents()) == {old.key, new.key, PROFILE.hash}
        entries = await journal.read(after=0, limit=9)
        assert [one.birth for one in entries if isinstance(one, Record)] == [old.key, new.key]
        await journal.acknowledge("j", 2)
        assert set(await journal.documents()) == {new.key, PROFILE.hash}, "a command that is open needs it too"
        assert [one.birth for one in await journal.unfinished_commands()] == [new.key]


def test_a_journal_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = JournalFile(file, new_id="j", limits=ROOMY)
    journal.append([Draft(device="p", at_ms=1)])
    for table in ("records", "commands"):
        journal._db.execute(f"ALTER TABLE {table} DROP COLUMN birth")
    journal._db.execute("DROP TABLE documents")
    journal.close()
    journal = JournalFile(file, new_id="k", limits=ROOMY)
    assert journal.journal_id == "j"
    assert [one.birth for one in journal.read(after=0, limit=9) if isinstance(one, Record)] == [""]
    assert journal.append([Draft(device="p", at_ms=2, birth="b")]) == (2,)
    journal.close()
