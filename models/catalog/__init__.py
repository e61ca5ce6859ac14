"""The models that are known: one folder each, with its manifest."""
