"""Whether mouth and nose are covered by a mask. README.md: method, error, limits."""
