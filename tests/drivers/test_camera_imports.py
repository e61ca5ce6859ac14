"""What cameras need is loaded by an agent that has one, and by no other."""

import subprocess
import sys

import pytest

HEAVY = "[name for name in ('cv2', 'numpy') if name in sys.modules]"


@pytest.mark.parametrize(
    "modules", ["drivers.registry", "drivers.profile", "drivers.cases", "edge.app", "edge.config", "simulators.scene"]
)
def test_nobody_else_loads_opencv_or_numpy(modules: str) -> None:
    program = f"import sys, {modules}; print({HEAVY})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("protocol", "loaded"), [("camera", "['cv2', 'numpy']"), ("radiometric", "['numpy']")])
def test_opening_such_a_bus_loads_what_it_needs(protocol: str, loaded: str) -> None:
    settings = f"{{'protocol': '{protocol}', 'url': 'http://127.0.0.1:9/x'}}"
    program = (
        "import sys\n"
        "from pydantic import TypeAdapter\n"
        "from drivers.registry import BusSettings, open_bus\n"
        f"open_bus(TypeAdapter(BusSettings).validate_python({settings}))\n"
        f"print({HEAVY})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == loaded
