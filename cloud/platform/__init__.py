"""What every feature stands on: the database, the outbox, clock, errors, security."""
