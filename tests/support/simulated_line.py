"""A simulated line inside the test's own process: real servers and witnesses, and machines that the test moves."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from drivers.catalog import catalog_profile
from simulators.machines.registry import make_machine
from simulators.modbus.station import Station, Stations
from simulators.witness import Witness

PUMP = "grundfos-hydro-mpc"
ELEVATOR = "nice3000-elevator"


@contextmanager
def stations_of(folder: Path, **devices: tuple[str, int]) -> Iterator[Stations]:
    """Give the stations for `name=(profile of the catalogue, unit)`; an underscore in a name stands for a hyphen."""
    with ExitStack() as stack:
        made = []
        for key, (profile_name, unit) in devices.items():
            name = key.replace("_", "-")
            profile = catalog_profile(profile_name)
            made.append(
                Station(
                    name=name,
                    unit=unit,
                    profile=profile,
                    machine=make_machine(profile, time_scale=60),
                    witness=stack.enter_context(Witness(folder, name, clock=time.time)),
                    random=Random(unit),  # noqa: S311 - noise that repeats
                )
            )
        yield Stations(made)
