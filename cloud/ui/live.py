"""A part of a page that follows the data: its children are HTML, and only those that changed are sent.

The page's own elements would keep an object on the server for every cell of every row that anybody looks at.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from cloud.ui.markup import Html


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """What somebody did: the name of the deed, the thing's id, and what stood in the fields of the form."""

    name: str
    id: str
    fields: Mapping[str, str]


ActHandler = Callable[[Act], Awaitable[None]]


class Live(Element, component="live.js"):
    """Shows keyed children in order. Each item is one HTML element; `on_act` is told of every deed inside.

    Until `following` is set, the page has not reached the browser, and what is shown travels with the page itself.
    Afterwards every change is a message, which the library repeats after a short loss of the connection.
    """

    def __init__(self, items: Sequence[tuple[str, Html]] = (), *, on_act: ActHandler | None = None) -> None:
        super().__init__()
        self._shown: dict[str, str] = dict(items)
        self._version = 0
        self._props["items"] = tuple(items)  # not a list, which would be watched item by item
        self._props["version"] = 0
        self._on_act = on_act
        self.following = False
        self.on("act", self._handle)

    def show(self, items: Sequence[tuple[str, Html]]) -> None:
        """Show these children; what the browser has already is not sent again."""
        wanted: dict[str, str] = dict(items)
        if list(wanted.items()) == list(self._shown.items()):
            return
        changed = {key: text for key, text in wanted.items() if self._shown.get(key) != text}
        order = list(wanted) if list(wanted) != list(self._shown) else None
        self._shown = wanted
        self._version += 1
        with self._props.suspend_updates():
            self._props["items"] = tuple(items)
            self._props["version"] = self._version
        if self.following:
            self.run_method("patch", self._version, changed, order)

    def settled(self) -> None:
        """Tell the browser that what it asked for is done, so that its button works again."""
        self.run_method("settled")

    async def _handle(self, event: GenericEventArguments) -> None:
        data = event.args if isinstance(event.args, dict) else {}
        fields = data.get("fields")
        if self._on_act is None or not isinstance(data.get("act"), str):
            return
        known = fields if isinstance(fields, dict) else {}
        await self._on_act(
            Act(
                name=str(data["act"]),
                id=str(data.get("id", ""))[:200],
                fields={str(name): str(value)[:2000] for name, value in known.items()},
            )
        )
