"""Machines of the simulators, played for a while."""

from random import Random

from simulators.machines.api import Machine

SEEDS = range(12)


def chance(seed: int) -> Random:
    """Give noise that repeats."""
    return Random(seed)  # noqa: S311 - noise that repeats


def run(machine: Machine, seconds: float, random: Random) -> None:
    """Let a machine live, in steps of a tenth of a second."""
    for _ in range(round(seconds * 10)):
        machine.step(0.1, random)
