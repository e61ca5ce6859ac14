"""What a gate sees: one look at a visible and a thermal picture. README.md says how."""
