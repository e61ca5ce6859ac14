"""The page of who may pass: people, their cards and PINs, and the blocked ones."""

from fastapi import Request, Response
from nicegui import ui

from cloud.access.domain import Permission
from cloud.gate import service
from cloud.gate.domain import NotAccepted, PersonDraft, read_hours, read_texts
from cloud.gate.ids import new_key, new_pin
from cloud.gate.parts import Chosen, act, ask, field, read_areas, select, tabs, tick
from cloud.gate.service import Listed
from cloud.gate.times import format_hours, format_local, parse_hours, parse_local
from cloud.platform.errors import Invalid
from cloud.ui.layout import Frame
from cloud.ui.live import Act
from cloud.ui.markup import Html, h
from cloud.ui.parts import choices, empty
from cloud.ui.screen import Screen, Services, open_page
from cloud.ui.texts import Texts
from wire.roll import CredentialKind, PersonKind

_LIMIT = 200
_NEW = "new"


def register(services: Services) -> None:
    """Add the page."""

    @ui.page("/gates/people")
    async def people(request: Request) -> Response | None:
        return await open_page(services, request, lambda screen: _show(screen, request))


async def _show(screen: Screen, request: Request) -> None:
    frame = Frame(screen, request, screen.t("gate.people"))
    page = _PeoplePage(screen, frame)
    page.build()
    await screen.every_second(page.refresh)


class _PeoplePage:
    """The page, with whoever is being edited, and the PIN that is shown once."""

    def __init__(self, screen: Screen, frame: Frame) -> None:
        self._screen = screen
        self._frame = frame
        self._chosen = Chosen(screen, Permission.MANAGE_GATES)
        self._text = ""
        self._blocked = ""
        self._editing: str | None = None
        self._form = 0  # a form that was sent or left is another one afterwards, with nothing typed in it
        self._removing = False
        self._pin: str | None = None

    def build(self) -> None:
        """Lay the page out."""
        screen, t = self._screen, self._screen.t
        with self._frame.main():
            self._top = screen.live("head")
            self._edit = screen.live("panels", label=t("gate.edit"))
            self._list = screen.live("panel list gate-people", label=t("gate.people"))
        for name, handler in (
            ("filter", self._filter),
            ("edit", self._start),
            ("cancel", self._cancel),
            ("save", self._save),
            ("remove", self._ask_remove),
            ("removed", self._remove),
            ("card", self._add_card),
            ("pin", self._add_pin),
            ("drop", self._drop),
            ("noted", self._noted),
        ):
            screen.on(name, handler)

    async def _filter(self, did: Act) -> None:
        name, _, value = did.id.partition("=")
        if name == "q":
            self._text = did.fields.get("filter", "")[:80]
        elif name == "blocked":
            self._blocked = value
        elif name == "community":
            self._chosen.choose(value)
            self._leave()

    async def _start(self, did: Act) -> None:
        self._leave()
        self._editing = did.id

    async def _cancel(self, _: Act) -> None:
        if self._removing:
            self._removing = False
        else:
            self._leave()

    async def _noted(self, _: Act) -> None:
        self._pin = None

    def _leave(self) -> None:
        self._editing = self._pin = None
        self._removing = False
        self._form += 1

    async def _save(self, did: Act) -> None:
        screen = self._screen
        draft = _draft(did, self._chosen.zone)
        keys = screen.services.gate_keys.get()
        async with screen.transaction() as conn:
            if did.id == _NEW:
                made = await service.add_person(
                    conn,
                    screen.actor,
                    draft,
                    community_id=self._chosen.id,
                    key=new_key(),
                    keys=keys,
                    now_ms=screen.now_ms(),
                )
            else:
                await service.change_person(conn, screen.actor, draft, key=did.id, keys=keys, now_ms=screen.now_ms())
        self._leave()
        if did.id == _NEW:
            self._editing = made  # a card or a PIN comes next

    async def _ask_remove(self, _: Act) -> None:
        self._removing = True

    async def _remove(self, did: Act) -> None:
        async with self._screen.transaction() as conn:
            await service.remove_person(conn, self._screen.actor, key=did.id, now_ms=self._screen.now_ms())
        self._leave()

    async def _add_card(self, did: Act) -> None:
        await self._add(did.id, CredentialKind.CARD, did.fields.get("number", ""))
        self._form += 1

    async def _add_pin(self, did: Act) -> None:
        pin = new_pin()
        await self._add(did.id, CredentialKind.PIN, pin)
        self._pin = pin

    async def _add(self, key: str, kind: CredentialKind, value: str) -> None:
        screen = self._screen
        keys = screen.services.gate_keys.get()
        async with screen.transaction() as conn:
            await service.add_credential(
                conn,
                screen.actor,
                key=key,
                kind=kind,
                value=value,
                valid_until_ms=None,
                keys=keys,
                now_ms=screen.now_ms(),
            )

    async def _drop(self, did: Act) -> None:
        key, _, number = did.id.partition("/")
        async with self._screen.transaction() as conn:
            await service.remove_credential(
                conn, self._screen.actor, key=key, credential_id=int(number), now_ms=self._screen.now_ms()
            )

    async def refresh(self) -> None:
        """Show the list as it is now."""
        screen, t = self._screen, self._screen.t
        if not screen.actor.may_anywhere(Permission.MANAGE_GATES):
            async with screen.reading() as conn:
                await self._frame.refresh(conn)
            self._top.show([("title", h("h1", t("gate.people"))), ("tabs", tabs(t, screen.actor, "/gates/people"))])
            self._list.show([("none", empty(t("error.forbidden")))])
            return
        async with screen.reading() as conn:
            await self._frame.refresh(conn)
            await self._chosen.look(conn)
            found = await service.list_people(
                conn,
                screen.actor,
                community_id=self._chosen.id,
                text=self._text or None,
                blocked=True if self._blocked else None,
                limit=_LIMIT,
            )
            edited = None
            if self._editing is not None and self._editing != _NEW:
                edited = await service.get_person(conn, screen.actor, self._editing)
        self._top.show(self._head())
        self._edit.show(self._panel(edited) if self._editing is not None else [])
        rows = [self._row(one) for one in sorted(found, key=lambda one: (one.row["unit"], one.row["name"]))]
        if len(found) == _LIMIT:
            rows.append(("more", empty(t("filter.first", count=_LIMIT))))
        self._list.show(rows or [("none", empty(t("gate.nobody")))])

    def _head(self) -> list[tuple[str, Html]]:
        t = self._screen.t
        label = t("gate.find")
        box = h(
            "input", type="search", name="filter", value=self._text, placeholder=label, aria_label=label,
            data_act="filter", data_id="q=",
        )  # fmt: skip
        states = [("", t.of("show", "all")), ("yes", t("gate.blocked"))]
        return [
            ("title", h("h1", t("gate.people"))),
            ("tabs", tabs(t, self._screen.actor, "/gates/people")),
            *self._chosen.item(),
            ("q", box),
            ("blocked", choices("blocked", states, self._blocked, t("gate.state"))),
            ("add", act(t("gate.add"), "edit", _NEW, class_="primary")),
        ]

    def _row(self, one: Listed) -> tuple[str, Html]:
        t, row = self._screen.t, one.row
        shown = [_credential(t, held["kind"], held["hint"]) for held in one.credentials]
        if row["face"]:
            shown.append(t("gate.face_wish"))
        where = ", ".join(read_texts(row["areas"])) or t("gate.everywhere")
        when = format_hours(read_hours(row["hours"])) or t("gate.always")
        until = row["valid_until_ms"]
        state = h("b", t("gate.blocked")) if row["blocked"] else None
        if state is None and until is not None:
            state = h("span", t("gate.until", at=self._screen.at(until, row["community_id"])), class_="dim")
        cells = (
            h("div", h("b", row["name"]), h("span", row["unit"], class_="sub"), class_="cell grow"),
            h("div", t.of("gate_kind", row["kind"]), class_="cell"),
            h("div", where, h("span", when, class_="sub"), class_="cell full"),
            h("div", " · ".join(shown) or h("span", t("gate.no_way"), class_="dim"), class_="cell full"),
            h(
                "div",
                state,
                h("span", row["block_reason"], class_="sub") if row["block_reason"] else None,
                class_="cell",
            ),
            h("div", act(t("gate.change"), "edit", row["key"]), class_="cell end"),
        )
        key = f"person-{row['key']}"
        return key, h("div", *cells, class_="row", data_row=True, data_key=key, tabindex=-1)

    def _panel(self, one: Listed | None) -> list[tuple[str, Html]]:
        t = self._screen.t
        key = _NEW if one is None else one.row["key"]
        title = h("h2", t("gate.new_person") if one is None else one.row["name"])
        parts: list[Html | None] = [title, _form(t, one, self._chosen.zone)]
        if one is not None:
            parts += [h("h2", t("gate.ways")), self._ways(one), h("p", t("gate.numbers_hidden"), class_="dim")]
            if self._removing:
                sure = t("gate.remove_sure", name=one.row["name"])
                parts.append(ask(t, sure, yes=t("gate.remove"), name="removed", of=key))
            else:
                parts.append(h("div", act(t("gate.remove_person"), "remove", key), class_="actions"))
        return [(f"edit-{key}-{self._form}", h("section", *parts, class_="panel"))]

    def _ways(self, one: Listed) -> Html:
        t, key = self._screen.t, one.row["key"]
        held = [
            h(
                "li",
                h("span", _credential(t, row["kind"], row["hint"])),
                h("span", act(t("gate.take_away"), "drop", f"{key}/{row['id']}")),
                data_key=f"held-{row['id']}",
            )
            for row in one.credentials
        ]
        pin = None
        if self._pin is not None:
            pin = h(
                "div",
                h("p", t("gate.pin_once")),
                h("p", self._pin, class_="secret"),
                act(t("gate.noted"), "noted"),
                class_="ask",
                role="alertdialog",
                aria_label=t("gate.pin_once"),
            )
        label = t("gate.card_number")
        card = h(
            "form",
            h("input", name="number", required=True, minlength=4, maxlength=64, placeholder=label, aria_label=label),
            h("button", t("gate.add_card"), type="submit"),
            data_act="card",
            data_id=key,
            class_="gate-open",
        )
        return h(
            "div",
            h("ol", *held, class_="history") if held else h("p", t("gate.no_way"), class_="dim"),
            pin,
            card,
            h("p", act(t("gate.make_pin"), "pin", key)),
            class_="ways",
        )


def _credential(t: Texts, kind: str, hint: str) -> str:
    word = t.of("gate_credential", kind)
    return f"{word} …{hint}" if hint else word


def _form(t: Texts, one: Listed | None, zone: str) -> Html:
    row = None if one is None else one.row
    kinds = [(kind.value, t.of("gate_kind", kind.value)) for kind in PersonKind]

    def text(name: str) -> str:
        return "" if row is None else str(row[name] or "")

    has_health = row is not None and row["health_sealed"] is not None
    fields = (
        field(t("gate.name"), "name", text("name"), required=True, maxlength=80, data_focus=row is None),
        field(t("gate.unit"), "unit", text("unit"), maxlength=80, placeholder="3-1201"),
        select(t("gate.kind"), "kind", kinds, text("kind") or PersonKind.RESIDENT.value),
        field(
            t("gate.areas"),
            "areas",
            "" if row is None else ", ".join(read_texts(row["areas"])),
            placeholder=t("gate.everywhere"),
        ),
        field(
            t("gate.hours"),
            "hours",
            "" if row is None else format_hours(read_hours(row["hours"])),
            placeholder="1-5 06:00-23:00; 6,7 08:00-20:00",
        ),
        field(
            t("gate.from"),
            "from",
            format_local(None if row is None else row["valid_from_ms"], zone),
            type="datetime-local",
        ),
        field(
            t("gate.to"),
            "until",
            format_local(None if row is None else row["valid_until_ms"], zone),
            type="datetime-local",
        ),
        field(
            t("gate.health_id"),
            "health",
            maxlength=64,
            autocomplete="off",
            placeholder=t("gate.health_kept") if has_health else t("gate.health_none"),
        ),
        h(
            "fieldset",
            tick(t("gate.face"), "face", checked=row is not None and bool(row["face"])),
            tick(t("gate.minor"), "minor", checked=row is not None and bool(row["minor"])),
            tick(t("gate.is_blocked"), "blocked", checked=row is not None and bool(row["blocked"])),
        ),
        field(t("gate.block_reason"), "reason", text("block_reason"), maxlength=200, wide=True),
        h(
            "span",
            h("button", t("gate.save"), type="submit", class_="primary"),
            act(t("command.abort"), "cancel"),
            class_="actions wide",
        ),
    )
    return h("form", *fields, data_act="save", data_id=_NEW if row is None else row["key"], class_="gate-form")


def _draft(did: Act, zone: str) -> PersonDraft:
    """Read the form; Invalid says what does not fit."""
    said = did.fields
    try:
        return PersonDraft(
            kind=PersonKind(said.get("kind", "")),
            name=said.get("name", "").strip()[:80],
            unit=said.get("unit", "").strip()[:80],
            areas=read_areas(said.get("areas", "")),
            hours=parse_hours(said.get("hours", "")),
            valid_from_ms=parse_local(said.get("from", ""), zone),
            valid_until_ms=parse_local(said.get("until", ""), zone),
            blocked="blocked" in said,
            block_reason=said.get("reason", "").strip()[:200],
            health_id=said.get("health", "").strip()[:64] or None,
            face="face" in said,
            minor="minor" in said,
        )
    except NotAccepted as error:
        raise Invalid(str(error), code="gate_form") from error
