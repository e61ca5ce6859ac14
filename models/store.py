"""The models folder: what is in it, building and fetching into it, checking it.

A model is its file and a receipt beside it (`<file>.json`), written last. What is half-written has no receipt and
counts as absent; every file appears whole under its name or not at all.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import httpx
from pydantic import ValidationError

from models.api import ModelError
from models.manifest import Detector, Manifest, PackageSource, Role, Sha256, Stack, UrlSource, stack_manifests
from runtime.config import Strict

_TIMEOUT_S = 30.0
_CHUNK = 1 << 16

Progress = Callable[[str], None]


class Receipt(Strict):
    """What was put into the folder: which model, and the bytes of its file."""

    identity: str
    sha256: Sha256
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A model in a folder; `problem` is empty when its file is what its receipt says."""

    manifest: Manifest
    path: Path
    problem: str = ""


def default_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Give the models folder: `LINLI_MODELS`, or `linli/models` where the system keeps a user's data."""
    if chosen := environment.get("LINLI_MODELS"):
        return Path(chosen)
    data = environment.get("XDG_DATA_HOME")
    return (Path(data) if data else home / ".local" / "share") / "linli" / "models"


def package_weights(source: PackageSource) -> Path:
    """Find a data file of an installed distribution, without importing it; ModelError when it is not there."""
    try:
        found = distribution(source.package)
    except PackageNotFoundError as error:
        raise ModelError(
            f"{source.package} is not installed: `pip install {source.package}=={source.version}`"
        ) from error
    return Path(str(found.locate_file(source.path)))


def read_source(file: Path, source: PackageSource | UrlSource) -> bytes:
    """Read a file that must have the source's size and hash; ModelError otherwise."""
    try:
        if (size := file.stat().st_size) != source.bytes:
            raise ModelError(f"{file} has {size} bytes, and {source.bytes} are right")
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
    _check(data, source, str(file))
    return data


def build(
    manifests: Iterable[Manifest], folder: Path, *, say: Progress, weights: Path | None = None
) -> tuple[Installed, ...]:
    """Build models from their weights into `folder`, each when it is not there already.

    The weights come from the installed package, or from `weights`, a folder filled by hand.
    """
    from models.dlib.build import build as build_one  # noqa: PLC0415 - a gate that only runs models needs no `onnx`

    done: list[Installed] = []
    for manifest in manifests:
        source = manifest.source
        if not isinstance(source, PackageSource):
            raise ModelError(f"{manifest.name} is fetched, not built: `linli models pull`")
        if not inspect(manifest, folder).problem:
            say(f"{manifest.name}: already there")
        else:
            say(f"{manifest.name}: building")
            file = package_weights(source) if weights is None else weights / Path(source.path).name
            _install(manifest, folder, build_one(manifest, read_source(file, source)))
            say(f"{manifest.name}: built")
        done.append(inspect(manifest, folder))
    return tuple(done)


def pull(
    manifests: Iterable[Manifest], folder: Path, *, say: Progress, local: Path | None = None
) -> tuple[Installed, ...]:
    """Fetch models into `folder`, each when it is not there already; or from `local`, a folder filled by hand."""
    done: list[Installed] = []
    for manifest in manifests:
        source = manifest.source
        if not isinstance(source, UrlSource):
            raise ModelError(f"{manifest.name} is built, not fetched: `linli models build`")
        if not inspect(manifest, folder).problem:
            say(f"{manifest.name}: already there")
        else:
            say(f"{manifest.name}: {'reading' if local else 'fetching'} {source.bytes / 1e6:.1f} MB")
            data = _read_local(local / manifest.file, source) if local else _fetch(source, say)
            _install(manifest, folder, data)
            say(f"{manifest.name}: stored")
        done.append(inspect(manifest, folder))
    return tuple(done)


def inspect(manifest: Manifest, folder: Path) -> Installed:
    """Look at a model in a folder, reading its whole file; what is wrong is in `problem`."""
    path = folder / manifest.file
    return Installed(manifest=manifest, path=path, problem=_problem(manifest, path))


def require(stack: Stack, folder: Path, detector: Detector | None = None) -> dict[Role, Path]:
    """Give the files of a stack, each checked against its receipt; ModelError names what is missing and what to do.

    `detector` finds the faces where it is not the stack's own.
    """
    found = {role: inspect(manifest, folder) for role, manifest in stack_manifests(stack, detector).items()}
    wrong = [one for one in found.values() if one.problem]
    if wrong:
        problems = "; ".join(f"{one.manifest.name}: {one.problem}" for one in wrong)
        raise ModelError(f"{problems}. {_remedy([one.manifest for one in wrong], folder)}")
    return {role: one.path for role, one in found.items()}


def identity(stack: Stack) -> str:
    """Name the models that make a stack's templates, the same on every machine; a template keeps it beside itself.

    Another detector before the same recogniser changes nothing that a template could tell (docs/adr/0016).
    """
    text = "\n".join(f"{role.value} {manifest.identity}" for role, manifest in stack_manifests(stack).items())
    return hashlib.sha256(text.encode()).hexdigest()


def _remedy(wrong: list[Manifest], folder: Path) -> str:
    """Say which commands bring these models."""
    fetched = [one for one in wrong if isinstance(one.source, UrlSource)]
    commands = [f"`linli models build --models {folder}`"] if len(fetched) < len(wrong) else []
    if not fetched:
        return f"Run {commands[0]}"
    names = " ".join(one.name for one in fetched)
    commands.append(f"`linli models pull {names} --models {folder}`")
    files = " and ".join(one.file for one in fetched)
    return f"Run {' and '.join(commands)}; without a network, with {files} in a folder: `--from FOLDER`"


def _problem(manifest: Manifest, path: Path) -> str:
    note = path.with_name(path.name + ".json")
    try:
        receipt = Receipt.model_validate_json(note.read_bytes())
        data = path.read_bytes()
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValidationError:
        return "its receipt is damaged"
    if receipt.identity != manifest.identity:
        return "of another version"
    pinned = isinstance(manifest.source, UrlSource)
    expected = manifest.source.sha256 if pinned else receipt.sha256
    if len(data) != receipt.bytes or hashlib.sha256(data).hexdigest() != expected:
        return "its bytes are not what was stored"
    return ""


def _install(manifest: Manifest, folder: Path, data: bytes) -> None:
    receipt = Receipt(identity=manifest.identity, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    note = folder / f"{manifest.file}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        _write(folder / manifest.file, data)
        _write(note, json.dumps(receipt.model_dump(), indent=1).encode() + b"\n")
    except OSError as error:
        raise ModelError(f"{manifest.name} cannot be written to {folder}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole, also after a power cut."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.chmod(0o644)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _read_local(file: Path, source: UrlSource) -> bytes:
    if not file.exists():
        raise ModelError(f"{file} is not there: fetch {source.url} elsewhere, and put it there")
    return read_source(file, source)


def _fetch(source: UrlSource, say: Progress) -> bytes:
    """Fetch a file, never more than it should have."""
    data = bytearray()
    told = 0
    try:
        with httpx.stream("GET", source.url, follow_redirects=True, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes(_CHUNK):
                data += chunk
                if len(data) > source.bytes:
                    raise ModelError(f"{source.url} is longer than the {source.bytes} bytes that are right")
                if len(data) * 10 // source.bytes > told:
                    told = len(data) * 10 // source.bytes
                    say(f"  {told * 10}%")
    except httpx.HTTPError as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{source.url} cannot be fetched: {why}. Fetch it by hand and use `linli models pull --from FOLDER`"
        ) from error
    _check(bytes(data), source, source.url)
    return bytes(data)


def _check(data: bytes, source: PackageSource | UrlSource, where: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if len(data) != source.bytes or found != source.sha256:
        raise ModelError(f"{where} is not what it should be: sha256 {found} of {len(data)} bytes")
