import socket
import stat
from pathlib import Path

import pytest

from simulators.demo.layout import InUse, Layout, ensure_password, free_ports, hold


def test_two_demonstrations_cannot_share_a_folder_and_the_next_one_can_have_it(tmp_path: Path) -> None:
    layout = Layout(data=tmp_path / "demo")
    with hold(layout), pytest.raises(InUse, match="--data"), hold(layout):
        pass
    with hold(layout):
        pass


def test_a_port_that_was_asked_for_is_never_exchanged_for_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(OSError, match=f"port {port} is taken"):
            free_ports(random=False, web=port)


def test_ports_are_all_different() -> None:
    ports = free_ports(random=True)
    assert len({getattr(ports, name) for name in ports.__slots__}) == len(ports.__slots__)


def test_a_password_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    layout = Layout(data=tmp_path)
    first = ensure_password(layout, "demo")
    assert ensure_password(layout, "demo") == first
    assert stat.S_IMODE((layout.secrets / "demo.password").stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
