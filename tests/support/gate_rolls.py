"""Rolls, passes and orders that tests sign, and strategies that make any of them."""

from hypothesis import strategies as st

from wire.roll import Credential, CredentialKind, DoorOrder, GateRule, Hours, Person, PersonKind, Roll, VisitorPass
from wire.seal import PublicKeys, SigningKey

KEY = SigningKey(seed=bytes(range(32)))
OTHER = SigningKey(seed=bytes(range(1, 33)))
KEYS = PublicKeys.of([KEY.public])
NOW = 1_795_320_000_000

PASS = VisitorPass(
    id="p7k2m4q9x3",
    community="sunshine-garden",
    host="r12345678",
    name="王小明",
    valid_from_ms=NOW,
    valid_until_ms=NOW + 7_200_000,
    gates=("edge-1/north", "edge-1/south"),
    areas=("public",),
    uses=1,
)
ORDER = DoorOrder(
    id="3d9f8a52-6a3c-4f0e-9a57-3b6f6a1f0c11",
    community="sunshine-garden",
    gate="edge-1/north",
    token="0123456789abcdef0123456789abcdef",
    by="Li Na (operator)",
)
ROLL = Roll(
    community="sunshine-garden",
    revision=7,
    issued_ms=NOW,
    people=(
        Person(
            id="r1",
            kind=PersonKind.RESIDENT,
            name="张伟",
            areas=("public", "tower-1"),
            hours=(Hours(days=(0, 1, 2, 3, 4), from_min=360, to_min=1380), Hours(days=(5,), from_min=1320, to_min=120)),
            valid_from_ms=NOW,
            valid_until_ms=NOW + 1000,
            health_id="H-1",
            face=True,
        ),
        Person(id="s1", kind=PersonKind.STAFF, name="Guard", blocked=True, minor=True),
    ),
    credentials=(
        Credential(kind=CredentialKind.CARD, value="0012345678", person="r1"),
        Credential(kind=CredentialKind.PIN, value="482913", person="r1", valid_until_ms=NOW),
    ),
    rules=(GateRule(gate="edge-1/north", demands=(("temperature", "required"), ("mask", "off"))),),
    revoked=("p1", "p2"),
)

words = st.text(min_size=1, max_size=12).filter(lambda text: text == text.encode(errors="ignore").decode())
times = st.integers(0, 2**62)
hours = st.builds(
    Hours,
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    from_min=st.integers(0, 1439),
    to_min=st.integers(0, 1440),
)
people = st.builds(
    Person,
    id=words,
    kind=st.sampled_from(PersonKind),
    name=words,
    areas=st.lists(words, max_size=3).map(tuple),
    hours=st.lists(hours, max_size=2).map(tuple),
    valid_from_ms=st.none() | times,
    valid_until_ms=st.none() | times,
    blocked=st.booleans(),
    health_id=st.none() | words,
    face=st.booleans(),
    minor=st.booleans(),
)
groups = st.lists(people, max_size=5, unique_by=lambda one: one.id).map(tuple)
rules = st.lists(
    st.builds(GateRule, gate=words, demands=st.lists(st.tuples(words, words), max_size=3).map(tuple)),
    max_size=3,
    unique_by=lambda one: one.gate,
).map(tuple)


@st.composite
def credentials_of(draw: st.DrawFn, held_by: tuple[Person, ...]) -> tuple[Credential, ...]:
    """Give credentials of these people, in their order."""
    return tuple(
        Credential(
            kind=draw(st.sampled_from(CredentialKind)),
            value=draw(words),
            person=one.id,
            valid_until_ms=draw(st.none() | times),
        )
        for one in held_by
        for _ in range(draw(st.integers(0, 2)))
    )


short = st.text("abcdefghijklmnopqrstuvwxyz0123456789-/邻里", min_size=1, max_size=6)


@st.composite
def passes(draw: st.DrawFn) -> VisitorPass:
    """Give any pass that fits its code."""
    start = draw(st.integers(0, 2**50))
    return VisitorPass(
        id=draw(short),
        community=draw(short),
        host=draw(short),
        name=draw(short),
        valid_from_ms=start,
        valid_until_ms=start + draw(st.integers(1, 2**40)),
        gates=tuple(draw(st.lists(short, max_size=2))),
        areas=tuple(draw(st.lists(short, max_size=2))),
        uses=draw(st.none() | st.integers(1, 1000)),
    )
