"""Simulated meters: stations that speak DL/T 645 or CJ/T 188, and the servers of their lines."""
