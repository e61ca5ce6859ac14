"""What holds for every test."""

import signal
import threading

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("linli", deadline=None)
settings.load_profile("linli")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="what the service's tests run on"
    )


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_the_programs_under_test() -> None:
    """A shell that runs tests in the background lets them ignore SIGINT, and every program they start inherits that."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
