"""`linli gate`: the people of an agent's gates: enrolment and erasure, calibration, backup, audit."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.gate.people.cli import AgentOption, ByOption, JsonOption, SiteArgument, fail, keys, opened, people, staff

if TYPE_CHECKING:
    from edge.gate.eyes.aligning import Alignment
    from edge.gate.people.calibration import Report
    from edge.gate.people.place import Place
    from models.face.stack import FaceStack

app = typer.Typer(
    no_args_is_help=True,
    help="The people of an agent's gates: roll, faces, keys, calibration, backup, audit. The agent may run meanwhile.",
)
app.add_typer(people, name="people")
app.add_typer(keys, name="keys")
app.add_typer(staff, name="staff")

PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="an id of the roll")]


@app.command()
def enrol(
    site: SiteArgument,
    person: PersonArgument,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="one to five pictures; not kept")],
    *,
    consent: Annotated[str, typer.Option("--consent", metavar="VERSION", help="the text that they were shown")],
    given_by: Annotated[str, typer.Option("--given-by", help="who consents: themselves, or a child's guardian")],
    days: Annotated[int, typer.Option("--days", min=1, max=1096, help="how long; the face is erased then")] = 365,
    guardian: Annotated[str | None, typer.Option("--guardian", help="who that is to a child under 14")] = None,
    although: Annotated[str | None, typer.Option("--although", metavar="PERSON", help="a twin's id")] = None,
    agent: AgentOption = None,
    by: ByOption = "command line",
) -> None:
    """Enrol somebody by pictures, after a look at their quality; refused when the face is somebody else's already."""
    from edge.gate.people.api import DAY_MS, Consent, NotGoodEnough
    from edge.gate.people.enrolment import Enrolment
    from edge.gate.people.strangers import read_picture

    with opened(site, agent) as (place, one):
        enrolment = Enrolment(people=one, stack=_stack(place), model=one.model)
        now_ms = one.now_ms()
        said = Consent(
            given_ms=now_ms, expires_ms=now_ms + days * DAY_MS, text=consent, given_by=given_by, guardian=guardian
        )
        read = [read_picture(file) for file in pictures]
        try:
            done = enrolment.enrol(person, read, consent=said, by=by, although=although)
        except NotGoodEnough:
            for file, picture in zip(pictures, read, strict=True):
                flaws = ", ".join(enrolment.check(picture).flaws) or "good"
                typer.echo(f"{file}: {flaws}", err=True)
            raise
    print(f"{person}: {len(done.faces)} templates, until {_when(done.expires_ms)}")


@app.command()
def erase(site: SiteArgument, person: PersonArgument, agent: AgentOption = None, by: ByOption = "command line") -> None:
    """Erase somebody's face at once: here, in the running agent, in the backup, and at the gates that share with it."""
    with opened(site, agent) as (_, one):
        count = one.erase(person, by=by)
    print(f"{person}: {count} templates erased")


@app.command()
def export(
    site: SiteArgument,
    person: PersonArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="a new file, readable by you alone")],
    agent: AgentOption = None,
    by: ByOption = "command line",
) -> None:
    """Write everything that the gates hold about somebody to a file, for them to have."""
    import json
    import os

    from edge.gate.people.portability import export_person

    with opened(site, agent) as (_, one):
        found = export_person(one, person, by=by)
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
            json.dump(found, target, ensure_ascii=False, indent=1)
    except OSError as error:
        fail(f"{to} cannot be written: {error.strerror}")
    print(f"{person}: {len(found['faces'])} templates, {len(found['look_ups'])} look-ups in {to}")


@app.command()
def calibrate(
    site: SiteArgument,
    agent: AgentOption = None,
    *,
    fpir: Annotated[float, typer.Option("--fpir", min=1e-6, max=0.1, help="strangers taken for somebody")] = 0.001,
    strangers: Annotated[
        Path | None, typer.Option("--strangers", metavar="DIR", help="a folder of other people's pictures, one each")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="DIR", help="write figures and a plot")] = None,
    as_json: JsonOption = False,
    by: ByOption = "command line",
) -> None:
    """Set the threshold for a stated rate of false recognition, at the present number of faces; say what to expect.

    Everybody in the gallery is a stranger to the others. Where there are too few, give a folder of strangers' pictures:
    they are measured and forgotten. Where the rate cannot be reached a card or a pass comes first, then the face.
    """
    from edge.gate.people.strangers import stranger_templates
    from models.face.calibrate import Aim

    with opened(site, agent) as (place, one):
        others = None if strangers is None else stranger_templates(strangers, _stack(place))
        found = one.calibrate(Aim(fpir=fpir), by=by, strangers=others)
    record = found.record
    if report is not None:
        _write_report(found, report)
    if as_json:
        print(record.model_dump_json(indent=1))
        return
    print(f"{record.people} people, {record.templates} templates, {record.probes} strangers")
    if record.threshold is None:
        print(f"1:1 only, a card or a pass comes first: {record.why}")
    else:
        print(f"threshold {record.threshold:.4f} ({record.method}), 1:1 {record.verify:.4f}")
    for what, rate in (("strangers taken for somebody", record.fpir), ("people not known again", record.fnir)):
        if rate is not None:
            print(f"{what}: {rate.expected:.3%} expected ({rate.low:.3%} to {rate.high:.3%})")
    if record.threshold is not None and record.fnir is None:
        print("people not known again: not measured; enrol people by several pictures")
    for first, second, score in found.nearest[:5]:
        print(f"most alike: {first} and {second}, {score:.4f}")
    if record.simulated:
        print("of drawn people: no real gate uses it")


@app.command()
def align(
    site: SiteArgument,
    agent: AgentOption = None,
    *,
    gate: Annotated[
        str | None, typer.Option("--gate", metavar="NAME", help="not needed where there is only one")
    ] = None,
    looks: Annotated[int, typer.Option("--looks", min=6, max=500, help="how many to measure by")] = 30,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=600, help="how long to wait for them")] = 60.0,
    write: Annotated[bool, typer.Option("--write", help="write it into the site file; the agent takes it up")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how the thermal camera lies beside the visible one, while somebody stands before the gate.

    Have one person stand there, without glasses, cap or mask, and step slowly from one side to the other, looking at
    the camera. The agent may run meanwhile, unless the thermal camera is on a serial line. Exit status 1: no alignment.
    """
    import asyncio
    import json
    from dataclasses import asdict

    from drivers.api import DriverError
    from edge.config import load_site
    from edge.gate.align import Errand, align_gate
    from edge.gate.eyes.aligning import CannotAlign
    from edge.gate.people.api import PeopleError
    from edge.gate.people.place import find_place
    from edge.gate.site_edit import CannotEdit, align_line
    from models.api import ModelError
    from runtime.config import ConfigError

    def tell(have: int, want: int) -> None:
        typer.echo(f"\r{have} of {want} looks", nl=have == want, err=True)

    try:
        place, config = find_place(site, agent), load_site(site)
        gates = config.settings.agents[place.agent].gates
        name = gate or (
            next(iter(gates)) if len(gates) == 1 else fail(f"say which: --gate {' | '.join(sorted(gates))}")
        )
        errand = Errand(agent=place.agent, gate=name, looks=looks, seconds=seconds)
        found = asyncio.run(align_gate(config, errand, _stack(place), tell))
    except (CannotAlign, ConfigError, DriverError, ModelError, PeopleError) as error:
        fail(str(error))
    if as_json:
        print(json.dumps(asdict(found) | {"fits": found.fits}))
    else:
        _tell_alignment(found)
        print(f"[agents.{place.agent}.gates.{name}.eyes.thermal]\n{align_line(found.align)}")
    if not found.fits:
        fail("the looks do not agree with each other: nothing is written; have one person stand there, and try again")
    if write:
        try:
            _write_align(site, place.agent, name, found)
        except (CannotEdit, OSError) as error:
            fail(str(error))
        typer.echo(f"written to {site}; an agent that runs by it takes it up within seconds", err=True)


def _tell_alignment(found: "Alignment") -> None:
    by = "measured by places" if found.by_places else "by the head's size only: have somebody step from side to side"
    print(f"residual: {found.rms_px:.2f} thermal pixels rms, {found.worst_px:.2f} at most, of {found.looks} looks")
    print(f"left out: {found.left_out}; between the eyes: {found.eyes_px:.1f} thermal pixels")
    print(f"scale {found.scale:.4f}, turned by {found.turn_deg:.1f} degrees: {by}")
    print(f"the alignment in the site file lies off by {found.before_px:.2f} thermal pixels")


def _write_align(site: Path, agent: str, gate: str, found: "Alignment") -> None:
    """Put the alignment into the file at once, or not at all: the agent reads it whenever it changes."""
    from edge.gate.site_edit import with_align
    from runtime.files import write_whole

    edited = with_align(site.read_text(encoding="utf-8"), agent, gate, found.align)
    write_whole(site.resolve(), edited.encode(), mode=site.stat().st_mode & 0o777)


@app.command()
def backup(
    site: SiteArgument,
    agent: AgentOption = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="instead of the site file's")] = None,
) -> None:
    """Seal everything that the gates hold into one file, with the community's key."""
    from edge.gate.people.backup import back_up

    with opened(site, agent) as (place, one):
        file = to or place.backup
        if file is None:
            fail("say where: --to FILE, or `backup_file` in the site file")
        header = back_up(one, file, place.community_keys())
    print(f"{header.people} people, {header.faces} templates in {file}")


@app.command()
def restore(
    site: SiteArgument,
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="the sealed backup")],
    agent: AgentOption = None,
    damaged: Annotated[bool, typer.Option("--damaged", help="move a damaged database aside first")] = False,
) -> None:
    """Bring back what a backup holds, on a new box, or in the place of a damaged database. Stop the agent first."""
    from edge.gate.people.api import PeopleError
    from edge.gate.people.backup import read_header
    from edge.gate.people.backup import restore as restore_backup
    from edge.gate.people.place import find_place
    from edge.gate.people.store import move_aside
    from runtime.config import ConfigError

    try:
        place = find_place(site, agent)
        ring = place.community_keys()
        header = read_header(source)
        print(f"{source}: of {header.gate}, {_when(header.made_ms)}, {header.people} people, {header.faces} templates")
        if damaged:
            moved = move_aside(place.folder)
            print(f"moved aside: {', '.join(str(one) for one in moved) or 'nothing'}")
        one = place.open()
        try:
            done = restore_backup(one, source, ring)
        finally:
            one.close()
    except (PeopleError, ConfigError) as error:
        fail(str(error))
    print(f"{done.people} people, {done.faces} templates, {done.audit} entries of the audit are back")


@app.command()
def audit(
    site: SiteArgument,
    agent: AgentOption = None,
    person: Annotated[str | None, typer.Option("--person", help="about one person only")] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="so many")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who was looked up, when, and what came of it; then whether the record is whole. Exit status 1 if not."""
    import json
    from dataclasses import asdict

    with opened(site, agent) as (_, one), one.vault.snapshot() as db:
        for written in one.audit.read(db, person=person, last=last):
            entry = written.entry()
            if as_json:
                print(json.dumps({"number": written.number} | asdict(entry), ensure_ascii=False))
                continue
            figures = " ".join(f"{name}={value}" for name, value in entry.figures.items())
            said = f"{written.number:>7} {_when(entry.at_ms)} {entry.what:10} {entry.outcome:18} {entry.person:14}"
            print(f"{said} {entry.gate} {entry.by} {figures}".rstrip())
        problems = one.audit.verify(db)
        number, head = one.audit.head(db)
    typer.echo("; ".join(problems) or f"whole, up to entry {number} ({head[:16]})", err=True)
    if problems:
        raise typer.Exit(1)


@app.command()
def verify(site: SiteArgument, agent: AgentOption = None) -> None:
    """Check keys, database, every row, the audit, the calibration, the backup, the models. Exit status 1 if wrong."""
    from edge.gate.people.backup import read_header
    from edge.gate.people.start_test import start_test
    from models.api import ModelError

    good = True
    with opened(site, agent) as (place, one):
        with one.vault.snapshot() as db:
            rows = one.roll.damaged(db)
            problems = {"audit": one.audit.verify(db)}
        problems["rows"] = (f"{rows} people's rows do not open",) if rows else ()
        problems["state"] = one.troubles()
        try:
            problems["models"] = start_test(_stack(place), one)
        except ModelError as error:
            problems["models"] = (str(error),)
        if place.backup is not None:
            header = read_header(place.backup) if place.backup.exists() else None
            problems["backup"] = () if header is not None else (f"there is no {place.backup}: `linli gate backup`",)
        for what, found in problems.items():
            print(f"{what}: {'; '.join(found) or 'good'}")
            good = good and not found
    if not good:
        raise typer.Exit(1)


@app.command()
def snapshots(
    site: SiteArgument,
    agent: AgentOption = None,
    read: Annotated[str | None, typer.Option("--read", metavar="ID", help="bring one out")] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="where to (JPEG)")] = None,
    by: ByOption = "command line",
) -> None:
    """List the pictures that policy keeps of refusals and staff calls, or bring one out; that stands in the audit."""
    from edge.gate.people.evidence import Evidence

    with opened(site, agent) as (_, one):
        evidence = Evidence(one)
        if read is None:
            for each in evidence.list():
                print(
                    f"{each.id} {_when(each.at_ms)} until {_when(each.expires_ms)} {each.gate} {each.why} {each.person}"
                )
            return
        if to is None:
            fail("say where: --to FILE")
        to.write_bytes(evidence.read(read, by=by))


def _stack(place: "Place") -> "FaceStack":
    """Load the models of a place."""
    import os

    from models.api import ModelError
    from models.face.stack import StackOptions, make_stack
    from models.runtime import OnnxNetwork
    from models.store import default_folder, require

    folder = place.models or default_folder(os.environ, Path.home())
    try:
        files = require(place.stack, folder, place.detector)
        return make_stack(place.stack, files, OnnxNetwork, StackOptions(detector=place.detector))
    except ModelError as error:
        fail(str(error))


def _write_report(found: "Report", folder: Path) -> None:
    from edge.gate.people.plot import draw_calibration

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "calibration.json").write_text(found.record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (folder / "calibration.svg").write_text(draw_calibration(found), encoding="utf-8")
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror}")


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")
