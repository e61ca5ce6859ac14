"""Fixtures of the gates' tests: they live in tests.support.gate_town."""

from tests.support.gate_town import gate_town

__all__ = ["gate_town"]
