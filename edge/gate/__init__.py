"""The gate: eight checks, one decision, one door. README.md says how the parts stand together."""
