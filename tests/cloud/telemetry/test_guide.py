"""What the service's guide says of the stores is what the product does."""

import re
from pathlib import Path

import pytest

from cloud.config import EmbeddedStore, InfluxStore, load_config
from runtime.config import Strict

GUIDE = (Path(__file__).resolve().parents[3] / "docs/guides/service.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```\n(\[telemetry\]\n.*?)```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize(("example", "kind"), list(zip(EXAMPLES, (EmbeddedStore, InfluxStore), strict=True)))
def test_the_examples_are_good_with_and_without_what_is_commented_out(tmp_path: Path, example: str, kind: type) -> None:
    file = tmp_path / "cloud.toml"
    for lines in (example, re.sub(r"(?m)^# ", "", example)):
        file.write_text(f'schema = 1\n[broker]\npassword_file = "x"\n{lines}', encoding="utf-8")
        assert isinstance(load_config(file).telemetry, kind)


def test_the_examples_name_every_setting() -> None:
    kinds: tuple[type[Strict], ...] = (EmbeddedStore, InfluxStore)
    for example, kind in zip(EXAMPLES, kinds, strict=True):
        named = set(re.findall(r"(?m)^(?:# )?(\w+) =", example))
        assert set(kind.model_fields) - named <= {"measurement"}
