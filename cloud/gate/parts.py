"""What the pages of gates share: their tabs, the community that is looked at, fields of forms."""

from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.access.domain import Actor, Permission
from cloud.assets.organisation import list_communities
from cloud.gate.domain import Decided
from cloud.ui.markup import Html, h
from cloud.ui.parts import choices
from cloud.ui.screen import Screen
from cloud.ui.texts import Texts

_TABS = (
    ("/gates", "gates", Permission.VIEW),
    ("/gates/passes", "passes", Permission.ISSUE_PASSES),
    ("/gates/people", "people", Permission.MANAGE_GATES),
    ("/gates/rules", "rules", Permission.VIEW),
)
_COMMAS = str.maketrans({"\N{FULLWIDTH COMMA}": ",", "\N{IDEOGRAPHIC COMMA}": ","})


def tabs(t: Texts, actor: Actor, here: str) -> Html:
    """Link the pages of gates that somebody may see."""
    links = (
        h("a", t.of("gate_tab", name), href=path, class_="button", aria_current="page" if path == here else None)
        for path, name, need in _TABS
        if actor.may_anywhere(need)
    )
    return h("nav", *links, class_="tabs", aria_label=t("gate.pages"))


class Chosen:
    """The community that a page looks at: the first of those where somebody has a permission, until they choose."""

    def __init__(self, screen: Screen, permission: Permission) -> None:
        self._screen = screen
        self._permission = permission
        self._rows: list[RowMapping] = []
        self.id = 0

    async def look(self, conn: AsyncConnection) -> None:
        """Read which communities there are."""
        visible = self._screen.actor.visible(self._permission)
        self._rows = [row for row in await list_communities(conn, visible) if row["id"] in visible.communities]
        if self.id not in {row["id"] for row in self._rows}:
            self.id = self._rows[0]["id"] if self._rows else 0

    def choose(self, text: str) -> None:
        """Take another one; ValueError when it is no number."""
        self.id = int(text)

    @property
    def zone(self) -> str:
        """The community's time zone."""
        return self._screen.zone(self.id)

    def item(self) -> list[tuple[str, Html]]:
        """Give the choice, where there is one."""
        if len(self._rows) < 2:  # noqa: PLR2004 - a choice of one is none
            return []
        t = self._screen.t
        options = [(str(row["id"]), t.pick(row["name_zh"], row["name_en"])) for row in self._rows]
        return [("community", choices("community", options, str(self.id), t("gate.community")))]


def field(label: str, name: str, value: str = "", **attributes: str | int | bool | None) -> Html:
    """Give an input with its label."""
    wide = attributes.pop("wide", False)
    given = {"type": "text", **attributes}
    return h("label", label, h("input", name=name, value=value, **given), class_="wide" if wide else None)


def read_areas(text: str) -> tuple[str, ...]:
    """Read areas as people write them, with commas of either script between; each once."""
    parts = (part.strip()[:64] for part in text.translate(_COMMAS).split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def tick(label: str, name: str, *, checked: bool) -> Html:
    """Give a box to tick, with its label."""
    return h("label", h("input", type="checkbox", name=name, value="yes", checked=checked), label, class_="tick")


def select(label: str, name: str, options: Sequence[tuple[str, str]], chosen: str) -> Html:
    """Give a choice of one, with its label."""
    return h(
        "label",
        label,
        h("select", *(h("option", text, value=value, selected=value == chosen) for value, text in options), name=name),
    )


def decision(t: Texts, one: Decided, names: Mapping[str, str]) -> Html:
    """Say what was decided. Who it was is shown to those who manage gates; of health nothing but that."""
    who = names.get(one.who, one.who)
    reasons = [t.of("gate_reason", reason) for reason in dict.fromkeys(one.reasons) if reason]
    after = [t.of("gate_way", one.way), who, *reasons]
    if one.opened not in {"", "confirmed"}:
        after.append(t.of("gate_opened", one.opened))
    if one.by:
        after.append(one.by)
    told = " · ".join(part for part in after if part)
    looks = None if one.answer == "open" else "strong"
    return h("span", h("b", t.of("gate_answer", one.answer), class_=looks), " ", h("span", told, class_="dim"))


def act(text: str, name: str, of: object = "", **attributes: str | bool | None) -> Html:
    """Give a button."""
    return h("button", text, type="button", data_act=name, data_id=str(of), **attributes)


def ask(t: Texts, question: str, *, yes: str, name: str, of: object) -> Html:
    """Ask once more before something that cannot be taken back."""
    return h(
        "span",
        h("b", question),
        act(yes, name, of, class_="primary", data_focus=True),
        act(t("command.abort"), "cancel"),
        class_="ask",
        role="alertdialog",
        aria_label=question,
    )
