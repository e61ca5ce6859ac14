"""Telling people: rendering and delivery of notifications from the outbox."""
