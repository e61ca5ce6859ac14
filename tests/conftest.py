"""What holds for every test."""

import logging
import signal
import threading
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from structlog.stdlib import ProcessorFormatter

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


@pytest.fixture(autouse=True)
def logs_go_where_they_went() -> Iterator[None]:
    """A command that a test calls in this process sends all logs to its own standard error; the next test sees none."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root = logging.getLogger()
        root.handlers[:] = [one for one in root.handlers if not isinstance(one.formatter, ProcessorFormatter)]
        root.setLevel(logging.WARNING)
