"""`linli models`: what is there, building, fetching and checking it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from models.manifest import Detector, Manifest, Role, Stack

app = typer.Typer(no_args_is_help=True, help="The models that the gate runs: list, build, pull, verify.")

_Folder = Annotated[
    Path | None,
    typer.Option("--models", help="The models folder (LINLI_MODELS, or linli/models among a user's data)."),
]
_Names = Annotated[list[str] | None, typer.Argument(help="Models by name; without it, all that can be.")]


@app.command("list")
def list_models(models: _Folder = None, *, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show every model that is known: where it comes from, its licence, whether it is there."""
    import json

    from models.manifest import all_manifests
    from models.store import inspect

    folder = _folder(models)
    rows = [(one, inspect(one, folder)) for one in all_manifests()]
    if as_json:
        found = [
            one.model_dump(mode="json") | {"path": str(state.path), "problem": state.problem} for one, state in rows
        ]
        print(json.dumps({"folder": str(folder), "models": found}, indent=1))
        return
    print(f"folder: {folder}")
    for one, state in rows:
        source = f"{one.source.package} {one.source.version}" if one.source.kind == "package" else one.source.url
        print(f"{one.name:16} {one.stack.value:10} {one.role.value:10} {one.licence:10} {state.problem or 'ready'}")
        print(f"{'':16} from {source}, {one.source.bytes / 1e6:.1f} MB")
        print(f"{'':16} threshold: {one.threshold_note}")


@app.command()
def build(
    names: _Names = None,
    models: _Folder = None,
    weights: Annotated[
        Path | None, typer.Option("--from", help="Read dlib's weights from this folder, not from the package.")
    ] = None,
) -> None:
    """Build dlib's models from the weights in the package face_recognition_models."""
    from models.api import ModelError
    from models.store import build as build_models

    try:
        build_models(_chosen(names, "package"), _folder(models), say=_say, weights=weights)
    except ModelError as error:
        _fail(str(error))


@app.command()
def pull(
    names: _Names = None,
    models: _Folder = None,
    local: Annotated[Path | None, typer.Option("--from", help="Take the files from this folder.")] = None,
) -> None:
    """Fetch the models of opencv-zoo, each of pinned size and hash; dlib's recogniser needs `yunet` at most."""
    from models.api import ModelError
    from models.store import pull as pull_models

    try:
        pull_models(_chosen(names, "url"), _folder(models), say=_say, local=local)
    except ModelError as error:
        _fail(str(error))


@app.command()
def verify(
    models: _Folder = None,
    stack: Annotated[str | None, typer.Option("--stack", help="dlib or opencv-zoo; without it, what is there.")] = None,
) -> None:
    """Check the hash of every file, then test each stack on drawn faces, dlib's also with YuNet where that is there.

    Exit status 1 when anything is wrong.
    """
    from models.api import ModelError
    from models.face.selftest import self_test
    from models.face.stack import StackOptions, make_stack
    from models.manifest import Stack
    from models.runtime import OnnxNetwork
    from models.store import require

    folder, good = _folder(models), True
    if stack is not None and stack not in [one.value for one in Stack]:
        _fail(f"--stack {stack}: use one of {', '.join(one.value for one in Stack)}")
    chosen = _present(folder) if stack is None else [(Stack(stack), None)]
    if not chosen:
        _fail(f"no model in {folder}: `linli models build`")
    for one, detector in chosen:
        try:
            files: dict[Role, Path] = require(one, folder, detector)
            problems = self_test(make_stack(one, files, OnnxNetwork, StackOptions(detector=detector)))
        except ModelError as error:
            problems = (str(error),)
        good = good and not problems
        name = one.value if detector is None else f"{one.value} with {detector.value}"
        print(f"{name}: {'; '.join(problems) or 'good'}")
    if not good:
        raise typer.Exit(1)


def _present(folder: Path) -> "list[tuple[Stack, Detector | None]]":
    """Give what is to be tested: stacks whose recogniser is there, and dlib's with YuNet when both are.

    Where no recogniser is there, the stacks of which anything is, so that what is missing is said.
    """
    from models.manifest import Detector, Role, Stack, stack_manifests

    files = {stack: {role: folder / one.file for role, one in stack_manifests(stack).items()} for stack in Stack}
    whole = [stack for stack, of in files.items() if of[Role.RECOGNISER].exists()]
    part = [stack for stack, of in files.items() if any(file.exists() for file in of.values())]
    found: list[tuple[Stack, Detector | None]] = [(one, None) for one in whole or part]
    if Stack.DLIB in whole and files[Stack.OPENCV_ZOO][Role.DETECTOR].exists():
        found.append((Stack.DLIB, Detector.YUNET))
    return found


def _chosen(names: list[str] | None, kind: str) -> "list[Manifest]":
    from models.manifest import all_manifests

    known = {one.name: one for one in all_manifests()}
    if unknown := [name for name in names or [] if name not in known]:
        _fail(f"no model {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else [one for one in known.values() if one.source.kind == kind]


def _folder(models: Path | None) -> Path:
    from models.store import default_folder

    return models if models is not None else default_folder(os.environ, Path.home())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(1)
