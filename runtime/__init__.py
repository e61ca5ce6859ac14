"""What every Linli process is made of: configuration, logs, health, metrics, task ownership, messages."""
