"""HTML as values: elements nest, and every text is escaped unless it is an element already. Pure."""

import html

VOID = frozenset({"input", "br", "hr", "img", "meta", "link"})


class Html(str):
    """Text that is HTML already. Only `h`, `join` and constants of the code make it."""

    __slots__ = ()


Child = str | int | float | Html | None
Attribute = str | int | float | bool | None


def escape(text: Child) -> Html:
    """Give a text as HTML; an element stays as it is, None becomes nothing."""
    if text is None:
        return Html("")
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def join(*children: Child) -> Html:
    """Put elements and texts one after another."""
    return Html("".join(escape(child) for child in children))


def h(tag: str, *children: Child, **attributes: Attribute) -> Html:
    """Write one element. `class_` and `data_x` become `class` and `data-x`; None and False leave an attribute out."""
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(*children)}</{tag}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
