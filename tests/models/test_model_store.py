"""The models folder: built and fetched models are whole, checked, and never half-written."""

import functools
import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from linli import app
from models.api import ModelError
from models.face.selftest import self_test
from models.face.stack import make_stack
from models.manifest import Manifest, Role, Stack, UrlSource, all_manifests, stack_manifests
from models.runtime import OnnxNetwork, RuntimeOptions
from models.store import build, default_folder, identity, inspect, pull, require
from tests.support.faces import built, dlib_manifest, weights_file

CONTENT = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def folder() -> Path:
    files = [built(role) for role in Role]
    return files[0].parent


@pytest.fixture
def public(tmp_path: Path) -> Iterator[str]:
    """A public project's server, which has one file."""
    place = tmp_path / "public"
    place.mkdir()
    (place / "model.onnx").write_bytes(CONTENT)
    handler = functools.partial(_Quiet, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def fetched(url: str, content: bytes = CONTENT) -> Manifest:
    sface = stack_manifests(Stack.OPENCV_ZOO)[Role.RECOGNISER]
    source = UrlSource(kind="url", url=url, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return sface.model_copy(update={"source": source})


def silent(_: str) -> None:
    """Progress that nobody watches."""


def test_every_manifest_says_where_a_model_comes_from_and_by_what_licence() -> None:
    manifests = all_manifests()
    assert [(one.stack, one.role) for one in manifests] == [
        *((Stack.DLIB, role) for role in Role),
        (Stack.OPENCV_ZOO, Role.DETECTOR),
        (Stack.OPENCV_ZOO, Role.RECOGNISER),
    ]
    assert {one.licence for one in manifests} == {"CC0-1.0", "MIT", "Apache-2.0"}
    assert not any("68_face" in one.source.model_dump_json() for one in manifests)


def test_a_built_stack_passes_its_self_test(folder: Path) -> None:
    stack = make_stack(Stack.DLIB, require(Stack.DLIB, folder), OnnxNetwork)
    assert self_test(stack) == ()


def test_a_threshold_that_lets_strangers_pass_is_refused(folder: Path) -> None:
    stack = make_stack(Stack.DLIB, require(Stack.DLIB, folder), OnnxNetwork)
    assert self_test(stack, threshold=1.0) == ("it takes a drawn stranger for the drawn person",)
    assert self_test(stack, threshold=0.01) == ("it does not know the drawn person again",)


def test_a_recogniser_with_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    files = require(Stack.DLIB, folder)
    changed = bytearray(files[Role.RECOGNISER].read_bytes())
    # Somewhere within the weights: make a value of the network another.
    middle = len(changed) // 2
    changed[middle : middle + 4000] = bytes(np.full(1000, 0.3, np.float32))
    other = tmp_path / "other.onnx"
    other.write_bytes(changed)
    problems = self_test(make_stack(Stack.DLIB, files | {Role.RECOGNISER: other}, OnnxNetwork))
    assert any("from those that are known" in one for one in problems)


@pytest.mark.parametrize("damage", ["cut", "flip", "receipt", "version", "absent"])
def test_a_damaged_model_is_named_with_what_to_do(damage: str, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "models"))
    manifest = dlib_manifest(Role.DETECTOR)
    file, note = copy / manifest.file, copy / f"{manifest.file}.json"
    content = bytearray(file.read_bytes())
    match damage:
        case "cut":
            file.write_bytes(content[:-1])
        case "flip":
            content[5000] ^= 1
            file.write_bytes(content)
        case "receipt":
            note.write_text("{", encoding="utf-8")
        case "version":
            note.write_text(note.read_text("utf-8").replace("/1/", "/0/"), encoding="utf-8")
        case _:
            note.unlink()
    expected = {"receipt": "its receipt is damaged", "version": "of another version", "absent": "not there"}
    problem = expected.get(damage, "its bytes are not what was stored")
    with pytest.raises(ModelError, match=f"dlib-detector: {problem}. Run `linli models build"):
        require(Stack.DLIB, copy)
    (again,) = build([manifest], copy, say=silent)
    assert again.problem == ""
    assert set(require(Stack.DLIB, copy)) == set(Role)


def test_weights_with_another_hash_are_not_read(tmp_path: Path) -> None:
    manifest = dlib_manifest(Role.DETECTOR)
    weights = tmp_path / "weights"
    weights.mkdir()
    content = bytearray(weights_file(Role.DETECTOR).read_bytes())
    content[3000] ^= 4
    (weights / weights_file(Role.DETECTOR).name).write_bytes(content)
    with pytest.raises(ModelError, match="is not what it should be"):
        build([manifest], tmp_path / "models", say=silent, weights=weights)
    assert inspect(manifest, tmp_path / "models").problem == "not there"


def test_weights_come_also_from_a_folder_filled_by_hand(tmp_path: Path) -> None:
    shutil.copy(weights_file(Role.DETECTOR), tmp_path)
    (installed,) = build([dlib_manifest(Role.DETECTOR)], tmp_path / "models", say=silent, weights=tmp_path)
    assert installed.problem == ""


def test_a_model_is_fetched_whole_and_only_once(public: str, tmp_path: Path) -> None:
    said: list[str] = []
    manifest = fetched(f"{public}/model.onnx")
    (installed,) = pull([manifest], tmp_path / "models", say=said.append)
    assert installed.problem == ""
    assert installed.path.read_bytes() == CONTENT
    pull([manifest], tmp_path / "models", say=said.append)
    assert [said[0], said[-2], said[-1]] == ["sface: fetching 0.1 MB", "sface: stored", "sface: already there"]
    assert sorted(one.name for one in (tmp_path / "models").iterdir()) == [manifest.file, f"{manifest.file}.json"]


@pytest.mark.parametrize(
    ("path", "content", "why"),
    [
        ("model.onnx", CONTENT[:-1], "is longer than the 102399 bytes"),
        ("model.onnx", CONTENT + b"x", "is not what it should be"),
        ("model.onnx", b"y" + CONTENT[1:], "is not what it should be"),
        ("elsewhere.onnx", CONTENT, "cannot be fetched: .*404.* by hand"),
    ],
)
def test_what_is_not_the_pinned_file_is_not_stored(
    path: str, content: bytes, why: str, public: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=why):
        pull([fetched(f"{public}/{path}", content)], tmp_path / "models", say=silent)
    assert not (tmp_path / "models").exists()


def test_a_model_comes_also_from_a_folder_filled_by_hand(tmp_path: Path) -> None:
    manifest = fetched("https://example.org/model.onnx")
    (tmp_path / manifest.file).write_bytes(CONTENT)
    (installed,) = pull([manifest], tmp_path / "models", say=silent, local=tmp_path)
    assert installed.problem == ""
    (tmp_path / manifest.file).write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="has 102399 bytes, and 102400 are right"):
        pull([manifest], tmp_path / "others", say=silent, local=tmp_path)


def test_the_identity_of_a_stack_is_that_of_its_weights() -> None:
    assert identity(Stack.DLIB) != identity(Stack.OPENCV_ZOO)
    assert len(identity(Stack.DLIB)) == 64


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LINLI_MODELS": "/srv/models", "XDG_DATA_HOME": "/x"}, "/srv/models"),
        ({"XDG_DATA_HOME": "/x"}, "/x/linli/models"),
        ({}, "/home/wang/.local/share/linli/models"),
    ],
)
def test_the_folder_is_where_the_environment_says(environment: dict[str, str], expected: str) -> None:
    assert default_folder(environment, Path("/home/wang")) == Path(expected)


def test_the_commands_list_and_verify(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["models", "list", "--json", "--models", str(folder)])
    states = {one["name"]: one["problem"] for one in json.loads(listed.stdout)["models"]}
    assert states["dlib-recogniser"] == ""
    assert states["sface"] == "not there"
    verified = runner.invoke(app, ["models", "verify", "--models", str(folder)])
    assert (verified.exit_code, verified.stdout) == (0, "dlib: good\n")
    empty = runner.invoke(app, ["models", "verify", "--models", str(tmp_path)])
    assert (empty.exit_code, "linli models build" in empty.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [["build", "nothing"], ["build", "sface"], ["pull", "dlib-detector"]])
def test_a_wrong_call_says_what_to_do(arguments: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["models", *arguments, "--models", str(tmp_path)])
    assert done.exit_code == 1
    assert "there are" in done.stderr or "linli models" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no network", CONTENT])
def test_what_is_no_network_is_a_declared_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bad.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx is no network that can run"):
        OnnxNetwork(file)
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxNetwork(tmp_path / "absent.onnx")


def test_inputs_that_do_not_fit_are_a_declared_error(folder: Path) -> None:
    network = OnnxNetwork(folder / dlib_manifest(Role.DETECTOR).file, RuntimeOptions(threads=2, arena=True))
    network.warm_up({"height": 64, "width": 64})
    for wrong in ({}, {"tiles": np.zeros((1, 2, 64, 64), np.float32)}, {"tiles": np.zeros((1, 3, 64, 64), np.uint8)}):
        with pytest.raises(ModelError, match="cannot run on"):
            network.run(wrong)


def test_a_network_that_several_threads_ask_gives_each_its_own_answer(folder: Path) -> None:
    network = OnnxNetwork(folder / dlib_manifest(Role.DETECTOR).file)
    tiles = [np.full((1, 3, 64 + 8 * size, 80), size / 10, np.float32) for size in range(6)]
    alone = [network.run({"tiles": one})["scores"] for one in tiles]
    with ThreadPoolExecutor(max_workers=4) as threads:
        together = list(threads.map(lambda one: network.run({"tiles": one})["scores"], tiles * 3))
    for found, expected in zip(together, alone * 3, strict=True):
        assert np.array_equal(found, expected)
