"""`linli profile new` on the command line."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

ListFile = Annotated[Path, typer.Argument(help="the register list: CSV by comma, semicolon or tab; UTF-8 or GBK")]
Folder = Annotated[Path | None, typer.Option("--to", help="the folder to make; by default named for the file")]
Name = Annotated[str | None, typer.Option(help="the profile's name, such as acme-pump-3")]
Kind = Annotated[str | None, typer.Option(help="the family, such as pump or fan")]
LabelZh = Annotated[str | None, typer.Option(help="what it is, in Chinese")]
LabelEn = Annotated[str | None, typer.Option(help="what it is, in English")]
Base = Annotated[Literal["zero", "one"] | None, typer.Option(help="from what the addresses count")]
Tables = Annotated[
    Literal["holding", "input", "coil", "discrete"] | None, typer.Option(help="the table of rows that do not say it")
]
Order = Annotated[
    Literal["ABCD", "CDAB", "BADC", "DCBA"] | None, typer.Option(help="the bytes of values of several registers")
]
Scale = Annotated[Literal["multiply", "divide"] | None, typer.Option(help="what the column of factors means")]
Ask = Annotated[bool | None, typer.Option(help="ask what the list does not say; by default where there is a terminal")]


def new(  # noqa: PLR0917 - one for each option
    file: ListFile,
    to: Folder = None,
    name: Name = None,
    kind: Kind = None,
    label_zh: LabelZh = None,
    label_en: LabelEn = None,
    base: Base = None,
    table: Tables = None,
    word_order: Order = None,
    scale: Scale = None,
    ask: Ask = None,
) -> None:
    """Start a device type from a register list; asks only what the list does not say, and never overwrites."""
    from drivers.places.modbus import Table, WordOrder
    from drivers.profile_new.dialogue import CannotStart, Unanswered, Wishes, start
    from drivers.profile_new.understand import Choices

    choices = Choices(
        numbering=base,
        table=None if table is None else Table(table),
        word_order=None if word_order is None else WordOrder(word_order),
        divide=None if scale is None else scale == "divide",
    )
    wishes = Wishes(file=file, folder=to, name=name, kind=kind, zh=label_zh, en=label_en, choices=choices)
    try:
        start(wishes, _Terminal(), asks=sys.stdin.isatty() if ask is None else ask)
    except CannotStart as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, Unanswered) else 1) from error


class _Terminal:
    def tell(self, line: str) -> None:
        typer.echo(line)

    def choose(self, text: str, answers: tuple[str, ...], default: str) -> str:
        while True:
            answer = str(typer.prompt(f"{text} ({'/'.join(answers)})", default=default)).strip().lower()
            if (found := next((one for one in answers if one.lower() == answer), None)) is not None:
                return found
            typer.echo(f"one of {', '.join(answers)}")

    def say(self, text: str, default: str) -> str:
        return str(typer.prompt(text, default=default)).strip()
