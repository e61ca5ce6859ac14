"""Fixtures of the service's tests: they live in tests.support.cloud."""

from tests.support.cloud import database_engine, database_url, engine, town

__all__ = ["database_engine", "database_url", "engine", "town"]
