"""`linli simulate`: devices that are not there, and their faults."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from simulators.scene import LoadedScene

app = typer.Typer(no_args_is_help=True, help="Run simulated devices on real protocols, and give them faults.")

_DEFAULT = Path(".linli/demo/simulators")
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="LINLI_SIMULATORS",
        help="The folder of sockets, links and logs of what the devices said.",
    ),
]
Device = Annotated[str, typer.Argument(help="A device's name, such as pump-1.")]


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(1)


def _load(name: str) -> "LoadedScene":
    from runtime.config import ConfigError
    from simulators.scene import find_scene, load_scene

    try:
        return load_scene(find_scene(name))
    except ConfigError as error:
        _fail(str(error))


@app.command("list")
def list_() -> None:
    """List the scenes, the machines with their faults, and what can go wrong between them and their master."""
    from drivers.catalog import catalog_profile, profile_names
    from simulators.disturbances import EXPLAINED
    from simulators.listing import common, own_faults, table
    from simulators.machines.registry import make_machine
    from simulators.scene import scenes

    print("scenes")
    print(table((name, _load(name).scene.description) for name in scenes()))
    print("\nmachines, and the faults of their own")
    machines = {name: make_machine(catalog_profile(name)).faults() for name in profile_names()}
    print(table((name, ", ".join(own_faults(faults)) or "-") for name, faults in machines.items()))
    print("\nfaults that many have")
    print(table(common()))
    print("\nfaults of the line and of the protocol, for every device (add @5% to strike that share of the requests)")
    print(table(EXPLAINED.items()))


@app.command("run")
def run(
    scene: Annotated[str, typer.Argument(help="A scene's name (see `list`), or the path of a scene file.")],
    data: Data = _DEFAULT,
) -> None:
    """Run a scene until Ctrl-C: one process for each line, or for several."""
    from runtime.children import ChildFailed
    from runtime.lifecycle import run_process
    from runtime.logs import configure_logs
    from simulators.runner import NotReady, run_scene

    loaded = _load(scene)
    configure_logs(process="simulate")
    failures: list[str] = []
    try:
        run_process(lambda stop: run_scene(loaded, data=data, stop=stop), name="simulate")
    except* (ChildFailed, NotReady) as group:
        failures = [str(error) for error in group.exceptions]
    if failures:
        _fail("\n".join(failures))


@app.command("process", hidden=True)
def process(scene: str, name: str, data: Data = _DEFAULT) -> None:
    """Run one process of a scene: what `run` starts for each line, or for several that share one."""
    from runtime.config import ConfigError
    from runtime.lifecycle import run_process
    from runtime.logs import configure_logs
    from simulators.line import run_lines
    from simulators.pseudo_terminal import LineUnavailable

    loaded = _load(scene)
    configure_logs(process=f"simulator-{name}")
    try:
        run_process(lambda _stop: run_lines(loaded, name, data=data), name=f"simulator-{name}")
    except (ConfigError, LineUnavailable) as error:
        _fail(str(error))


@app.command("fault")
def fault(
    device: Device,
    fault: Annotated[str, typer.Argument(help="A fault of the device or of its line (see `list`).")],
    data: Data = _DEFAULT,
) -> None:
    """Bring a fault about."""
    _tell(data, device, "fault", fault)


@app.command("clear")
def clear(
    device: Device,
    fault: Annotated[str | None, typer.Argument(help="The fault to end; without it, all.")] = None,
    data: Data = _DEFAULT,
) -> None:
    """End one fault of a device, or all."""
    _tell(data, device, "clear", fault)


@app.command("stage")
def stage(
    stage: Annotated[str, typer.Argument(help="The stage that cameras of the scene look at, such as north.")],
    act: Annotated[
        list[str],
        typer.Argument(
            help="Who comes: `nobody`, `resident 7`, `visitor 2`, `stranger 3`; behind it `fever`, `mask`, `at-once`, "
            "`for 5s`; before it `print`, `screen`, `warm-print`, `eye-holes`, `warm-hand` (of that person) or `two`."
        ),
    ],
    data: Data = _DEFAULT,
) -> None:
    """Have somebody come before the cameras of a stage."""
    from simulators import control

    try:
        told = control.stage(data, stage, " ".join(act))
    except control.ControlError as error:
        _fail(str(error))
    print(f"{stage}: {told['act']}")


@app.command("status")
def status(
    device: Annotated[str | None, typer.Argument(help="A device, to see its values; without it, all devices.")] = None,
    data: Data = _DEFAULT,
) -> None:
    """Show which devices run, their faults, and one device's values."""
    from simulators.control import ControlError, running, tell

    try:
        if device is not None:
            reply = tell(data, device, "values")
            print(f"{device}: {', '.join(reply['active']) or 'no fault'}")
            for point, value in sorted(reply["values"].items()):
                print(f"  {point:24} {value:.6g}" if isinstance(value, float) else f"  {point:24} {value}")
            return
    except ControlError as error:
        _fail(str(error))
    states = running(data)
    if not states:
        _fail(f"no simulator runs in {data}; start one with `linli simulate run` or `linli demo`")
    for state in states:
        print(f"{state['line']}  {state['endpoint']}")
        for name, about in state["devices"].items():
            print(
                f"  {name:12} unit {about['unit']:<4} {about['profile']:24} {', '.join(about['active']) or 'no fault'}"
            )


def _tell(data: Path, device: str, do: str, fault: str | None) -> None:
    from simulators.control import ControlError, tell

    try:
        reply = tell(data, device, do, fault)
    except ControlError as error:
        _fail(str(error))
    print(f"{device}: {', '.join(reply['active']) or 'no fault'}")
