"""Rolls and their deltas as signed bytes, as a gate pulls them.

Strict on both sides: what breaks a rule of `wire.roll` is neither written nor read, because a gate acts on it alone.
"""

from collections.abc import Iterator

from wire.compact import LARGEST, Reader, Writer
from wire.errors import MalformedSeal, WireError
from wire.roll import Credential, CredentialKind, GateRule, Hours, Person, PersonKind, Roll, RollDelta
from wire.seal import Kind, PublicKeys, SigningKey, seal, unseal

DAY_MIN = 24 * 60
_DAYS = 7
_FLAGS = 3  # bits: blocked, face, minor
_PERSON_KINDS = (PersonKind.RESIDENT, PersonKind.HOUSEHOLD, PersonKind.STAFF)
_CREDENTIAL_KINDS = (CredentialKind.CARD, CredentialKind.PIN)


class UnfitRoll(WireError):
    """A roll that cannot be sent as it is; the text says why."""


def encode_roll(roll: Roll, key: SigningKey) -> bytes:
    """Sign a roll; UnfitRoll when it breaks a rule."""
    _refuse(_problem(roll))
    out = Writer()
    out.text(roll.community)
    out.number(roll.revision)
    out.number(roll.issued_ms)
    _write_people(out, roll.people, roll.credentials)
    _write_rules(out, roll.rules)
    out.texts(roll.revoked)
    return seal(Kind.ROLL, out.done(), key)


def encode_delta(delta: RollDelta, key: SigningKey) -> bytes:
    """Sign the changes between two revisions; UnfitRoll when they break a rule."""
    _refuse(_problem(delta))
    out = Writer()
    out.text(delta.community)
    out.number(delta.base)
    out.number(delta.revision)
    out.number(delta.issued_ms)
    _write_people(out, delta.people, delta.credentials)
    out.texts(delta.gone)
    out.optional(delta.rules, lambda rules: _write_rules(out, rules))
    out.texts(delta.revoked)
    return seal(Kind.DELTA, out.done(), key)


def decode_change(data: bytes, keys: PublicKeys) -> Roll | RollDelta:
    """Read a roll or a delta that was signed by one of the keys; MalformedSeal or ForgedSeal."""
    kind, body = unseal(data, keys, Kind.ROLL, Kind.DELTA)
    read = Reader(body)
    change = _read_roll(read) if kind is Kind.ROLL else _read_delta(read)
    read.end()
    problem = _problem(change)
    if problem is not None:
        raise MalformedSeal(problem)
    return change


def _read_roll(read: Reader) -> Roll:
    community, revision, issued_ms = read.text(), read.number(), read.number()
    people, credentials = _read_people(read)
    return Roll(
        community=community,
        revision=revision,
        issued_ms=issued_ms,
        people=people,
        credentials=credentials,
        rules=_read_rules(read),
        revoked=read.texts(),
    )


def _read_delta(read: Reader) -> RollDelta:
    community, base, revision, issued_ms = read.text(), read.number(), read.number(), read.number()
    people, credentials = _read_people(read)
    return RollDelta(
        community=community,
        base=base,
        revision=revision,
        issued_ms=issued_ms,
        people=people,
        credentials=credentials,
        gone=read.texts(),
        rules=read.optional(lambda: _read_rules(read)),
        revoked=read.texts(),
    )


def _write_people(out: Writer, people: tuple[Person, ...], credentials: tuple[Credential, ...]) -> None:
    # In the order of the people: no id is written twice, and there is one way to write a roll.
    held: dict[str, list[Credential]] = {}
    for one in credentials:
        held.setdefault(one.person, []).append(one)

    def credential(one: Credential) -> None:
        out.number(_CREDENTIAL_KINDS.index(one.kind))
        out.text(one.value)
        out.optional(one.valid_until_ms, out.number)

    def hours(one: Hours) -> None:
        out.number(sum(1 << day for day in one.days))
        out.number(one.from_min)
        out.number(one.to_min)

    def person(one: Person) -> None:
        out.text(one.id)
        out.number(_PERSON_KINDS.index(one.kind))
        out.text(one.name)
        out.number(one.blocked | one.face << 1 | one.minor << 2)
        out.texts(one.areas)
        out.items(one.hours, hours)
        out.optional(one.valid_from_ms, out.number)
        out.optional(one.valid_until_ms, out.number)
        out.optional(one.health_id, out.text)
        out.items(tuple(held.get(one.id, ())), credential)

    out.items(people, person)


def _read_people(read: Reader) -> tuple[tuple[Person, ...], tuple[Credential, ...]]:
    credentials: list[Credential] = []

    def hours() -> Hours:
        days = read.number()
        if days >= 1 << _DAYS:
            raise MalformedSeal("a day that is not of the week")
        return Hours(
            days=tuple(day for day in range(_DAYS) if days >> day & 1), from_min=read.number(), to_min=read.number()
        )

    def person() -> Person:
        number, kind, name, flags = read.text(), read.number(), read.text(), read.number()
        if kind >= len(_PERSON_KINDS) or flags >= 1 << _FLAGS:
            raise MalformedSeal("a person of a kind that nobody knows")
        one = Person(
            id=number,
            kind=_PERSON_KINDS[kind],
            name=name,
            blocked=bool(flags & 1),
            face=bool(flags & 2),
            minor=bool(flags & 4),
            areas=read.texts(),
            hours=read.items(hours),
            valid_from_ms=read.optional(read.number),
            valid_until_ms=read.optional(read.number),
            health_id=read.optional(read.text),
        )
        credentials.extend(read.items(lambda: credential(number)))
        return one

    def credential(owner: str) -> Credential:
        kind = read.number()
        if kind >= len(_CREDENTIAL_KINDS):
            raise MalformedSeal("a credential of a kind that nobody knows")
        return Credential(
            kind=_CREDENTIAL_KINDS[kind],
            value=read.text(),
            person=owner,
            valid_until_ms=read.optional(read.number),
        )

    return read.items(person), tuple(credentials)


def _write_rules(out: Writer, rules: tuple[GateRule, ...]) -> None:
    def demand(one: tuple[str, str]) -> None:
        out.text(one[0])
        out.text(one[1])

    def rule(one: GateRule) -> None:
        out.text(one.gate)
        out.items(one.demands, demand)

    out.items(rules, rule)


def _read_rules(read: Reader) -> tuple[GateRule, ...]:
    def demand() -> tuple[str, str]:
        return read.text(), read.text()

    return read.items(lambda: GateRule(gate=read.text(), demands=read.items(demand)))


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise UnfitRoll(problem)


def _problem(change: Roll | RollDelta) -> str | None:
    """Say which rule it breaks. No name or credential is in the text: it goes to logs."""
    ids = [one.id for one in change.people]
    known = set(ids)
    gates = [one.gate for one in change.rules or ()]
    broken = (
        (not change.community, "a roll is of a community"),
        (change.revision < 1, "revisions count from 1"),
        (len(known) != len(ids) or "" in known, "each person has an id of their own"),
        (any(one.person not in known for one in change.credentials), "a credential of somebody who is not in it"),
        (any(not one.value for one in change.credentials), "an empty credential"),
        (len(set(gates)) != len(gates) or "" in gates, "each rule has a gate of its own"),
        (any(_crooked(one) for person in change.people for one in person.hours), "hours that are no time of the week"),
        (any(time is not None and not 0 <= time <= LARGEST for time in _times(change)), "a time that is out of range"),
        *(_problems_of_delta(change, known) if isinstance(change, RollDelta) else ()),
    )
    return next((text for is_broken, text in broken if is_broken), None)


def _problems_of_delta(delta: RollDelta, known: set[str]) -> tuple[tuple[bool, str], ...]:
    return (
        (not 1 <= delta.base <= delta.revision, "a delta does not lead on"),
        ("" in delta.gone or bool(known & set(delta.gone)), "somebody who is there and gone"),
    )


def _crooked(hours: Hours) -> bool:
    days = list(hours.days)
    ordered = days == sorted(set(days)) and all(0 <= day < _DAYS for day in days)
    return not (days and ordered and 0 <= hours.from_min < DAY_MIN and 0 <= hours.to_min <= DAY_MIN)


def _times(change: Roll | RollDelta) -> Iterator[int | None]:
    yield from (change.revision, change.issued_ms)
    for person in change.people:
        yield from (person.valid_from_ms, person.valid_until_ms)
    for credential in change.credentials:
        yield credential.valid_until_ms
