"""What the agent itself observes, as a device among the others."""
