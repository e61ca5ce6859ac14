"""Skin temperature of a face in a thermal picture. README.md: method, sources, limits."""
