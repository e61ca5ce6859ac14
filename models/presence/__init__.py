"""Whether a living face stands before the cameras: thermal and visible together. README.md: method, sources, limits."""
