"""From a register list to a folder: what is asked, shown and written. Whom it asks and tells is an argument."""

import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from drivers.places.modbus import Table, WordOrder
from drivers.profile import load_profile
from drivers.profile_new import writing
from drivers.profile_new.table import NoTable, Sheet, read_sheet
from drivers.profile_new.understand import Choices, Question, Understood, questions, understand

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class CannotStart(Exception):
    """There is nothing to make, or nowhere to make it; the text says why, and what to do."""


class Unanswered(CannotStart):
    """Questions are open and nobody is there to ask; each line names the option that answers one."""

    def __init__(self, asked: tuple[Question, ...]) -> None:
        lines = (f"give {one.option} ({' or '.join(one.answers)}): {one.text}" for one in asked)
        super().__init__("\n".join(lines))


class Person(Protocol):
    """Who is asked and told."""

    def tell(self, line: str) -> None:
        """Show a line."""
        ...

    def choose(self, text: str, answers: tuple[str, ...], default: str) -> str:
        """Have one of the answers chosen."""
        ...

    def say(self, text: str, default: str) -> str:
        """Have a text written."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What was given with the command; None is open."""

    file: Path
    folder: Path | None = None
    name: str | None = None
    kind: str | None = None
    zh: str | None = None
    en: str | None = None
    choices: Choices


def start(wishes: Wishes, person: Person, *, asks: bool) -> Path:
    """Make the folder, whole or not at all, and give it. CannotStart; with nobody to ask, Unanswered."""
    try:
        data = wishes.file.read_bytes()
        sheet = read_sheet(data)
    except (OSError, NoTable) as error:
        raise CannotStart(f"{wishes.file}: {error}") from error
    name = wishes.name or _slug(wishes.file.stem)
    target = wishes.folder or Path(name)
    if not _NAME.fullmatch(name):
        raise CannotStart(f"`{name}` is no name: small letters, digits and `-`, beginning with a letter (--name)")
    if target.exists():
        raise CannotStart(f"{target} is there already, and nothing is overwritten: choose another folder (--to)")
    seen = ", ".join(f"{sheet.header(column)!r} is {column}" for column in sheet.columns)
    person.tell(f"{wishes.file}: {len(sheet.rows)} rows, {sheet.encoding}, separated by {sheet.separator!r}: {seen}")
    understood = understand(sheet, _settle(sheet, wishes.choices, person, asks=asks))
    for line in writing.overview(understood):
        person.tell(line)
    if not understood.found:
        raise CannotStart("no row became a point, so nothing is written")

    def text(given: str | None, question: str, default: str) -> str:
        return given or (person.say(question, default) if asks else "") or default

    about = writing.About(
        name=name,
        kind=text(wishes.kind, "kind, such as pump or fan", "device"),
        zh=text(wishes.zh, "what it is, in Chinese", name),
        en=text(wishes.en, "what it is, in English", name),
        source=wishes.file.name,
        digest=hashlib.sha256(data).hexdigest(),
    )
    if asks and person.choose(f"write {target}?", ("yes", "no"), "yes") == "no":
        raise CannotStart("nothing is written")
    _write(target, about, understood, sheet)
    lost = f", {len(understood.rejected)} rows in quarantine.csv" if understood.rejected else ""
    person.tell(f"{target}: {len(understood.found)} points{lost}; README.md says what is still to do")
    return target


def _settle(sheet: Sheet, choices: Choices, person: Person, *, asks: bool) -> Choices:
    asked = questions(sheet, choices)
    if asked and not asks:
        raise Unanswered(asked)
    for one in asked:
        answer = person.choose(one.text, one.answers, one.default)
        match one.key:
            case "numbering":
                choices = replace(choices, numbering="one" if answer == "one" else "zero")
            case "table":
                choices = replace(choices, table=Table(answer))
            case "word_order":
                choices = replace(choices, word_order=WordOrder(answer))
            case "divide":
                choices = replace(choices, divide=answer == "divide")
    return choices


def _write(target: Path, about: writing.About, understood: Understood, sheet: Sheet) -> None:
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "cases").mkdir(parents=True)
    (draft / "profile.toml").write_text(writing.profile_toml(about, understood), encoding="utf-8")
    (draft / "README.md").write_text(writing.readme(about, understood, sheet), encoding="utf-8")
    (draft / "cases" / "template.toml.example").write_text(writing.case_template(understood), encoding="utf-8")
    if understood.rejected:
        # With a byte order mark, by which spreadsheets know UTF-8.
        rejected = writing.quarantine_csv(understood.rejected, sheet)
        (draft / "quarantine.csv").write_text(rejected, encoding="utf-8-sig", newline="")
    load_profile(draft / "profile.toml")
    draft.rename(target)


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50]
    return slug if slug[:1].isalpha() else f"device-{slug}".rstrip("-")
