"""`linli bus`: find what hangs on a bus, and watch what goes over it. It never writes to a device."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from drivers.inspection.dialogue import Event
    from drivers.inspection.links import Link
    from drivers.inspection.scan import Found
    from drivers.profile import Profile

app = typer.Typer(no_args_is_help=True, help="Find the units on a bus, and watch what goes over it; never writes.")

_INTERRUPTED = 130
_MODBUS = "modbus"
_SPEEDS = {_MODBUS: "9600,19200", "dlt645": "2400,9600", "cjt188": "2400,9600"}
_PARITIES = {_MODBUS: "N,E", "dlt645": "E", "cjt188": "E"}
_PROTOCOL_HELP = "What is spoken: modbus, or by meters dlt645 or cjt188."
_MONITOR_HELP = "What is spoken: modbus, by meters dlt645 or cjt188, by door readers osdp."
_OSDP = "osdp"
_OSDP_SPEED = 9600
_TCP = re.compile(r"tcp://(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d{1,5}))?/?")
_SERIAL_URLS = ("socket://", "rfc2217://")
"""Serial lines behind device servers, as pyserial writes them: raw RTU frames in a TCP connection, or RFC 2217."""
_FASTEST, _SLOWEST = 4_000_000, 300


@app.command()
def scan(
    target: Annotated[
        str, typer.Argument(help="tcp://HOST:PORT, or a line: /dev/ttyS1, socket://HOST:PORT (RTU in TCP).")
    ],
    *,
    protocol: Annotated[str, typer.Option("--protocol", help=_PROTOCOL_HELP)] = _MODBUS,
    units: Annotated[str, typer.Option("--units", help="Which unit ids to ask, such as 1-247 or 1,3,10-20.")] = "1-247",
    baud: Annotated[
        str | None, typer.Option("--baud", help="Speeds to try on a serial line (9600,19200; for meters 2400,9600).")
    ] = None,
    parity: Annotated[
        str | None, typer.Option("--parity", help="Parities to try: N, E, O (N,E; for meters E).")
    ] = None,
    stopbits: Annotated[int, typer.Option("--stopbits", min=1, max=2, help="Stop bits of a serial line.")] = 1,
    timeout: Annotated[str, typer.Option("--timeout", help="How long a unit may take to answer.")] = "300ms",
    profiles: Annotated[
        list[Path] | None, typer.Option("--profile", help="A profile file to try beside the catalogue's.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all-settings", help="Try all serial settings, also when units were found.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find the units that answer, and guess what they are. It only reads; Ctrl-C shows what was found so far.

    The bus must be ours meanwhile: stop the agent that polls it.
    """
    from drivers.inspection.links import LinkError

    numbers, known, show = _units(units), _profiles(profiles or [], _spoken(protocol)), _progress()
    report = _Report(show, as_json=as_json)
    complete, lost = True, ""
    try:
        ways = _scans(
            target,
            protocol=protocol,
            baud=baud or _SPEEDS[protocol],
            parity=parity or _PARITIES[protocol],
            stopbits=stopbits,
            timeout_s=_seconds(timeout),
            units=numbers,
            profiles=known,
        )
        for one in ways:
            report.scan(one)
            if report.found and not everything:
                break
    except KeyboardInterrupt:
        complete = False
    except LinkError as error:
        lost = str(error)
    show("")
    report.finish(f", units {units}" if protocol == _MODBUS else "", complete=complete and not lost)
    if lost:
        _fail(lost)
    if not report.found or not complete:
        raise typer.Exit(1 if complete else _INTERRUPTED)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scan:
    """One way to scan: how to open the line, and how to find who is on it."""

    open: "Callable[[], Any]"
    find: "Callable[[Any, Callable[[str], None]], Iterator[Found]]"


def _scans(
    target: str,
    *,
    protocol: str,
    baud: str,
    parity: str,
    stopbits: int,
    timeout_s: float,
    units: Sequence[int],
    profiles: "Sequence[Profile]",
) -> Iterator[_Scan]:
    from drivers.inspection.meter_scan import MeterLink, scan_meters
    from drivers.inspection.scan import scan as scan_units

    if protocol == _MODBUS:
        for open_link in _links(target, baud, parity, stopbits, timeout_s):
            yield _Scan(open=open_link, find=lambda link, show: scan_units(link, units, profiles, progress=show))
        return
    for speed, kind in _settings(baud, parity):
        yield _Scan(
            open=partial(
                MeterLink, target, protocol, baudrate=speed, parity=kind, stopbits=stopbits, timeout_s=timeout_s
            ),
            find=lambda link, show: scan_meters(link, profiles, progress=show),
        )


def _spoken(protocol: str, *more: str) -> str:
    if protocol not in _SPEEDS:
        _fail(f"--protocol {protocol}: use one of {', '.join([*_SPEEDS, *more])}")
    return protocol


class _Report:
    """What a scan has found, told as it comes."""

    def __init__(self, show: Callable[[str], None], *, as_json: bool) -> None:
        self.found: list[Found] = []
        self._tried: list[str] = []
        self._garbled = 0
        self._show = show
        self._as_json = as_json

    def scan(self, way: "_Scan") -> None:
        with contextlib.closing(way.open()) as link:
            self._tried.append(link.place)
            try:
                for one in way.find(link, self._show):
                    self.found.append(one)
                    self._show("")
                    if not self._as_json:
                        print("\n".join(_rows(one)), flush=True)
            finally:
                self._garbled += link.garbled

    def finish(self, units: str, *, complete: bool) -> None:
        if self._as_json:
            document = {"tried": self._tried, "complete": complete, "garbled_bytes": self._garbled}
            print(json.dumps(document | {"units": [asdict(one) for one in self.found]}, indent=2))
            return
        if complete and not self.found:
            print(f"nobody answers: {', '.join(self._tried)}{units}", file=sys.stderr)
        if self._garbled:
            why = "two units with one address, wrong settings, or noise"
            print(f"{self._garbled} bytes came that make no answer: {why}", file=sys.stderr)


@app.command()
def monitor(
    port: Annotated[str | None, typer.Argument(help="A serial device that listens on the line.")] = None,
    *,
    listen: Annotated[
        str | None, typer.Option("--listen", help="HOST:PORT at which masters are taken, for TCP.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="HOST:PORT of the device or gateway behind.")] = None,
    protocol: Annotated[str, typer.Option("--protocol", help=_MONITOR_HELP)] = _MODBUS,
    baud: Annotated[
        int | None,
        typer.Option("--baud", min=_SLOWEST, max=_FASTEST, help="The line's speed (9600; for meters 2400)."),
    ] = None,
    parity: Annotated[
        str | None, typer.Option("--parity", help="The line's parity: N, E or O (N; for meters E).")
    ] = None,
    stopbits: Annotated[int, typer.Option("--stopbits", min=1, max=2, help="The line's stop bits.")] = 1,
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", help="Name points by this device type (a name, or a file), for the --unit given with it."
        ),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option("--unit", help="Whose points --profile names: a unit, or a meter's address; without it, all."),
    ] = None,
) -> None:
    """Show the frames on a bus, decoded, until Ctrl-C.

    For TCP as a proxy: let the master connect to --listen. For a line by an adapter of its own that only listens.
    """
    from drivers.inspection.ears import connection_ear, line_ear
    from drivers.inspection.links import LinkError
    from drivers.inspection.monitor import watch_serial, watch_tcp
    from drivers.inspection.rendering import line

    if protocol == _OSDP and (profiles or units):
        _fail("what readers say is told without a device type: drop --profile and --unit")
    names = {} if protocol == _OSDP else _names(profiles or [], units or [], _spoken(protocol, _OSDP))
    colour = sys.stdout.isatty()
    zone = datetime.now().astimezone().tzinfo or UTC

    def emit(event: "Event") -> None:
        print(line(event, colour=colour, zone=zone), flush=True)

    try:
        if port is not None and listen is None and to is None:
            asked = parity or _PARITIES.get(protocol, "N")[0]
            (kind,) = _listed(asked.upper(), lambda text: text in {"N", "E", "O"}, "--parity N")
            speed = baud or int(_SPEEDS.get(protocol, str(_OSDP_SPEED)).partition(",")[0])
            print(f"listening on {port}", file=sys.stderr)
            heard_by = line_ear(protocol, names)
            watch_serial(
                port, baudrate=speed, parity=kind, stopbits=stopbits, ear=heard_by, emit=emit, stop=lambda: False
            )
        elif port is None and listen is not None and to is not None:
            place, target = _place(listen, "--listen"), _place(to, "--to")

            def ready(at: tuple[str, int]) -> None:
                print(f"listening on {at[0]}:{at[1]}, passing on to {to}", file=sys.stderr, flush=True)

            ear = partial(connection_ear, protocol, names)
            asyncio.run(watch_tcp(place, target, ear=ear, emit=emit, ready=ready))
        else:
            _fail("give a serial device, or --listen HOST:PORT and --to HOST:PORT")
    except KeyboardInterrupt:
        return
    except LinkError as error:
        _fail(str(error))


def _names(profiles: Sequence[str], units: Sequence[str], protocol: str) -> "dict[int | str | None, Profile]":
    from drivers.catalog import catalog_profile
    from drivers.profile import load_profile
    from runtime.config import ConfigError

    if units and len(units) != len(profiles):
        _fail("give one --unit for each --profile, or no --unit and one --profile for all")
    if not units and len(profiles) > 1:
        _fail("give --unit with each of several --profile")
    names: dict[int | str | None, Profile] = {}
    whose: list[int | str | None] = [_unit(unit, protocol) for unit in units] or [None]
    for unit, name in zip(whose, profiles, strict=False):
        try:
            profile = load_profile(Path(name)) if name.endswith(".toml") else catalog_profile(name)
        except ConfigError as error:
            _fail(str(error))
        if profile.protocol != protocol:
            _fail(f"{name} speaks {profile.protocol}: give `--protocol {profile.protocol}`, if the line does too")
        names[unit] = profile
    return names


def _unit(text: str, protocol: str) -> int | str:
    if protocol != _MODBUS:
        return text
    if not text.isdigit() or int(text) > 255:  # noqa: PLR2004 - one byte
        _fail(f"--unit {text}: a Modbus unit is a number from 0 to 255")
    return int(text)


def _place(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - TCP
        _fail(f"{option} {text}: write HOST:PORT, such as 127.0.0.1:1502")
    return host.strip("[]"), int(port)


def _rows(one: "Found") -> Iterator[str]:
    identity = ", ".join(f"{name} {text}" for name, text in one.identity.items())
    what = "unit" if isinstance(one.unit, int) else "meter"
    yield f"{what} {one.unit:<4} {one.place}{'  ' + identity if identity else ''}"
    for guess in one.guesses:
        yield f"  {guess.confidence:4.0%}  {guess.profile:28} {guess.why}"
    if not one.guesses:
        yield "        no device type of the catalogue explains it"


def _links(target: str, baud: str, parity: str, stopbits: int, timeout_s: float) -> "Iterator[Callable[[], Link]]":
    from drivers.inspection.links import SerialLink, TcpLink

    if "://" in target and not target.startswith(_SERIAL_URLS):
        host, port = _address(target)
        yield lambda: TcpLink(host, port, timeout_s=timeout_s)
        return
    for speed, kind in _settings(baud, parity):
        yield partial(SerialLink, target, baudrate=speed, parity=kind, stopbits=stopbits, timeout_s=timeout_s)


def _settings(baud: str, parity: str) -> Iterator[tuple[int, str]]:
    for speed in _listed(baud, lambda text: text.isdigit() and _SLOWEST <= int(text) <= _FASTEST, "--baud 9600,19200"):
        for kind in _listed(parity.upper(), lambda text: text in {"N", "E", "O"}, "--parity N,E,O"):
            yield int(speed), kind


def _address(target: str) -> tuple[str, int]:
    match = _TCP.fullmatch(target)
    port = int(match["port"] or 502) if match is not None else 0
    if match is None or not 1 <= port <= 65535:  # noqa: PLR2004 - TCP
        _fail(f"{target!r}: write tcp://HOST:PORT, socket://HOST:PORT, or a serial device's path")
    return match["host"].strip("[]"), port


def _units(text: str) -> list[int]:
    spans = [re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip()) for part in text.split(",")]
    numbers = [n for span in spans if span is not None for n in range(int(span[1]), int(span[2] or span[1]) + 1)]
    if None in spans or not numbers or max(numbers) > 255:  # noqa: PLR2004 - one byte
        _fail(f"{text!r}: write units as 1-247 or 1,3,10-20")
    return list(dict.fromkeys(numbers))


def _listed(text: str, fits: Callable[[str], bool], example: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(fits(part) for part in parts):
        _fail(f"{text!r} does not fit: write it as `{example}`")
    return parts


def _seconds(text: str) -> float:
    from runtime.durations import parse_duration

    try:
        duration = parse_duration(text)
    except ValueError as error:
        _fail(f"--timeout {text}: {error}")
    if not timedelta(0) < duration <= timedelta(minutes=1):
        _fail(f"--timeout {text}: more than nothing, and at most a minute")
    return duration.total_seconds()


def _profiles(files: Sequence[Path], protocol: str) -> "list[Profile]":
    from drivers.catalog import catalog_profile, profile_names
    from drivers.profile import load_profile
    from runtime.config import ConfigError

    try:
        known = [*map(load_profile, files), *map(catalog_profile, profile_names())]
    except ConfigError as error:
        _fail(str(error))
    return [profile for profile in known if profile.protocol == protocol]


def _progress() -> Callable[[str], None]:
    """Give what shows a passing line on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None

    def show(text: str) -> None:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    return show


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(1)
