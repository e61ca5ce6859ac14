"""The parts of `linli gate` that keep lists: `people`, `keys`, `staff`; and what its commands have in common."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from edge.gate.people.people import People
    from edge.gate.people.place import Place
    from wire.roll import Person

SiteArgument = Annotated[Path, typer.Argument(metavar="SITE", help="the site file")]
AgentOption = Annotated[
    str | None, typer.Option("--agent", metavar="NAME", help="which agent's gates; not needed where only one has any")
]
JsonOption = Annotated[bool, typer.Option("--json", help="for programs")]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="who does it; stands in the audit")]

people = typer.Typer(no_args_is_help=True, help="Who is on the roll of the gates, and who has a face there.")
keys = typer.Typer(no_args_is_help=True, help="The key of the faces, and the key that gates of a community share.")
staff = typer.Typer(no_args_is_help=True, help="Who may log in at the kiosk.")


@people.command("list")
def list_people(site: SiteArgument, agent: AgentOption = None, as_json: JsonOption = False) -> None:
    """List everybody on the roll, by id, with how many templates of their face there are."""
    import json

    with opened(site, agent) as (_, one):
        rows = one.everyone()
    if as_json:
        said = [{"id": who.id, "name": who.name, "kind": who.kind.value, "faces": count} for who, count in rows]
        print(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for who, count in rows:
        marks = [mark for mark, is_so in (("blocked", who.blocked), ("minor", who.minor)) if is_so]
        faces = f"{count} templates" if count else ("no face yet" if who.face else "no face asked for")
        print(f"{who.id:20} {who.kind.value:10} {faces:18} {who.name} {' '.join(marks)}".rstrip())


@people.command()
def status(site: SiteArgument, agent: AgentOption = None, as_json: JsonOption = False) -> None:
    """Say how many people and faces there are, how they are recognised, and what somebody should look after."""
    import json

    with opened(site, agent) as (place, one):
        counts, force = one.counts(), one.in_force(one.model)
        said = {
            "agent": place.agent,
            "demonstration": one.demo,
            "roll_revision": one.revision,
            "people": counts.people,
            "people_with_face": counts.with_face,
            "templates": counts.faces,
            "by_model": dict(counts.by_model),
            "threshold": force.threshold,
            "recognition": "1:N" if force.threshold is not None else f"1:1, card or pass first: {force.why}",
            "troubles": list(one.troubles()),
        }
    if as_json:
        print(json.dumps(said, ensure_ascii=False, indent=1))
        return
    for name, value in said.items():
        shown = ", ".join(f"{k[:12]}: {v}" for k, v in value.items()) if isinstance(value, dict) else value
        shown = "; ".join(map(str, value)) if isinstance(value, list) else shown
        print(f"{name.replace('_', ' ')}: {'none' if shown in {'', None} else shown}")


@people.command()
def add(
    site: SiteArgument,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="an id that says nothing about them, such as r-0017")],
    *,
    name: Annotated[str, typer.Option("--name", help="shown at the kiosk")],
    agent: AgentOption = None,
    kind: Annotated[str, typer.Option("--kind", help="resident, household or staff")] = "resident",
    card: Annotated[list[str] | None, typer.Option("--card", help="a card's number; may be repeated")] = None,
    pin: Annotated[str | None, typer.Option("--pin", help="a PIN; - asks for it")] = None,
    area: Annotated[list[str] | None, typer.Option("--area", help="an area they may enter; none: all")] = None,
    face: Annotated[bool, typer.Option("--face/--no-face", help="they ask for their face to be a way in")] = False,
    minor: Annotated[bool, typer.Option("--minor", help="under 14: a guardian consents")] = False,
    blocked: Annotated[bool, typer.Option("--blocked", help="on the list of whom no gate lets in")] = False,
) -> None:
    """Put somebody on the roll by hand, or change them; all they have is as said here. Not where a service sends it."""
    from wire.roll import Credential, CredentialKind, Person, PersonKind

    if kind not in [one.value for one in PersonKind]:
        fail(f"--kind {kind}: use one of {', '.join(one.value for one in PersonKind)}")
    secret = typer.prompt("PIN", hide_input=True, confirmation_prompt=True) if pin == "-" else pin
    who = Person(
        id=person, kind=PersonKind(kind), name=name, areas=tuple(area or ()), face=face, minor=minor, blocked=blocked
    )
    shown = [Credential(kind=CredentialKind.CARD, value=one, person=person) for one in card or ()]
    if secret is not None:
        shown.append(Credential(kind=CredentialKind.PIN, value=secret, person=person))
    with opened(site, agent) as (place, one):
        _change(place, one, people=(who,), credentials=tuple(shown))
    print(f"{person} is on the roll")


@people.command()
def remove(site: SiteArgument, person: str, agent: AgentOption = None) -> None:
    """Take somebody off the roll by hand; their face is erased with it."""
    with opened(site, agent) as (place, one):
        if one.person(person) is None:
            fail(f"nobody is on the roll as {person}")
        _change(place, one, gone=(person,))
    print(f"{person} is off the roll")


def _change(
    place: "Place", one: "People", *, people: tuple["Person", ...] = (), credentials: tuple[object, ...] = (),
    gone: tuple[str, ...] = (),
) -> None:  # fmt: skip
    from wire.roll import Roll, RollDelta

    if place.house.roll.url is not None:
        fail(f"the service at {place.house.roll.url} sends this roll: change it there")
    now_ms = one.now_ms()
    if one.revision == 0:
        one.apply(Roll(community=place.community, revision=1, issued_ms=now_ms))
    one.apply(
        RollDelta(
            community=place.community, base=one.revision, revision=one.revision + 1, issued_ms=now_ms, people=people,
            credentials=credentials, gone=gone,  # type: ignore[arg-type] # credentials, whose type loads late
        )
    )  # fmt: skip


@keys.command("show")
def show_keys(site: SiteArgument, agent: AgentOption = None) -> None:
    """Say which keys are in use, by their names; the keys themselves are never shown."""
    with opened(site, agent) as (place, one):
        print(f"faces: key {one.vault.key_id} in {place.key_file}")
        if place.community_key_file is None:
            print("community: the site file names no `community_key_file`")
        else:
            print(f"community: key {place.community_keys().current.id.hex()} in {place.community_key_file}")


@keys.command()
def rotate(site: SiteArgument, agent: AgentOption = None) -> None:
    """Change the key of the faces: everything is sealed anew, and the old key is forgotten. The agent may run."""
    from edge.gate.people.evidence import FOLDER
    from edge.gate.people.rotation import rotate as rotate_key

    with opened(site, agent) as (place, one):
        name = rotate_key(one.vault, place.folder / FOLDER)
        one.note(one.entry("rotate", "done", by="command line"))
        one.flush()
    print(f"everything is sealed with the key {name}; older copies of {place.key_file} open nothing any more")


@keys.command()
def community(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="where to make it, apart from the data folder")],
    change: Annotated[bool, typer.Option("--change", help="put a new key before the one that is there")] = False,
) -> None:
    """Make the key that all gates of a community have. Carry it to each of them by hand, and keep a copy in a safe.

    With --change the old key still opens backups and answers gates that do not have the new one yet: carry the file to
    all gates, then remove the old lines.
    """
    from edge.gate.people.api import KeyRefused
    from edge.gate.people.keys import KeyRing, make_keys, new_key, read_keys, write_keys

    try:
        if change:
            ring = read_keys(file)
            ring = KeyRing(current=new_key(), former=(ring.current, *ring.former))
            write_keys(file, ring)
        else:
            ring = make_keys(file)
    except KeyRefused as error:
        fail(str(error))
    print(f"the community's key {ring.current.id.hex()} is in {file}, readable by you alone")


@staff.command("list")
def list_staff(file: Path) -> None:
    """List who may log in at the kiosk, by the file that the site file names as `staff_file`."""
    from edge.gate.kiosk.staff_file import read_staff
    from runtime.config import ConfigError

    try:
        known = read_staff(file)
    except ConfigError as error:
        fail(str(error))
    for login, one in sorted(known.items()):
        print(f"{login:20} {one.name}")


@staff.command("add")
def add_staff(
    file: Path, login: str, name: Annotated[str | None, typer.Option("--name", help="as shown; else the login")] = None
) -> None:
    """Let somebody log in at the kiosk, or give them a new password, which is asked for and never kept."""
    from edge.gate.kiosk.staff_file import BadLogin, WeakPassword, put_staff
    from runtime.config import ConfigError

    password = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    try:
        put_staff(file, login=login, name=name or login, password=password)
    except (BadLogin, WeakPassword, ConfigError, OSError) as error:
        fail(str(error))
    print(f"{login} may log in")


@staff.command("remove")
def remove_staff_member(file: Path, login: str) -> None:
    """Let somebody log in no more."""
    from edge.gate.kiosk.staff_file import remove_staff
    from runtime.config import ConfigError

    try:
        if not remove_staff(file, login):
            fail(f"nobody logs in as {login}")
    except (ConfigError, OSError) as error:
        fail(str(error))
    print(f"{login} may not log in any more")


@contextmanager
def opened(site: Path, agent: str | None) -> "Iterator[tuple[Place, People]]":
    """Open the people of an agent's gates, with what an erasure has to do; errors end the command in words."""
    from edge.gate.people.api import PeopleError
    from edge.gate.people.evidence import Evidence
    from edge.gate.people.place import attach, find_place
    from runtime.config import ConfigError

    try:
        place = find_place(site, agent)
        one = place.open()
        try:
            Evidence(one)
            attach(one, place.house, lambda name: site.parent / name)
            yield place, one
        finally:
            one.close()
    except (PeopleError, ConfigError) as error:
        fail(str(error))


def fail(text: str) -> NoReturn:
    """Say what is wrong, and end with status 1."""
    print(text, file=sys.stderr)
    raise typer.Exit(1)
