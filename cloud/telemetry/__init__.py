"""Time series of every point."""
