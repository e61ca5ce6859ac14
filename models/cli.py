"""`linli models`: what is there, building, fetching and checking it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from models.manifest import Manifest, Role, Stack

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
    """Fetch the models of opencv-zoo, each of pinned size and hash."""
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
    """Check the hash of every file, then test each stack on drawn faces. Exit status 1 when anything is wrong."""
    from models.api import ModelError
    from models.face.selftest import self_test
    from models.face.stack import make_stack
    from models.manifest import Stack
    from models.runtime import OnnxNetwork
    from models.store import require

    folder, good = _folder(models), True
    if stack is not None and stack not in [one.value for one in Stack]:
        _fail(f"--stack {stack}: use one of {', '.join(one.value for one in Stack)}")
    chosen = [one for one in Stack if stack == one.value or (stack is None and _present(one, folder))]
    if not chosen:
        _fail(f"no model in {folder}: `linli models build`")
    for one in chosen:
        try:
            files: dict[Role, Path] = require(one, folder)
            problems = self_test(make_stack(one, files, OnnxNetwork))
        except ModelError as error:
            problems = (str(error),)
        good = good and not problems
        print(f"{one.value}: {'; '.join(problems) or 'good'}")
    if not good:
        raise typer.Exit(1)


def _present(stack: "Stack", folder: Path) -> bool:
    from models.manifest import stack_manifests

    return any((folder / one.file).exists() for one in stack_manifests(stack).values())


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
