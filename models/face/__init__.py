"""Faces: finding them, aligning them, describing them as templates, and searching templates."""
