"""Looking into an agent from the command line."""
