"""The words that every endpoint's models share: pages, ids, times, texts.

Numbers are bounded to what both databases store, and texts to what both can: a request beyond that is told so, and
reaches no driver.
"""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field

MAX_PAGE = 500
"""The longest page of any list."""

_LARGEST_ID = 2**63 - 1
_END_OF_TIME_MS = 253_402_300_799_999  # the year 9999

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text has no NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("this is half a character (a lone surrogate)")
    return text


Plain = Annotated[str, AfterValidator(_storable)]
"""A text that can be stored and sent back."""

Id = Annotated[int, Field(ge=0, le=_LARGEST_ID)]
"""The id of a row; ids count from 1, so 0 as a cursor is the beginning."""

TimeMs = Annotated[int, Field(ge=0, le=_END_OF_TIME_MS, description="Unix ms")]
"""A time in a request."""

Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="how many at most")]
"""The length of a page."""


Scalar = (
    bool
    | Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[Plain, Field(max_length=300)]
)
"""A value of a point in a request."""


class LabelView(BaseModel):
    """A text in both languages."""

    zh: str
    en: str


class Page(BaseModel, Generic[Item, Cursor]):
    """A part of a list. Ask again with `cursor` = `next_cursor` for what follows; null: there is no more."""

    items: list[Item]
    next_cursor: Cursor | None = None
