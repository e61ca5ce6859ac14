"""The kinds of line that a scene can have: one module for each, and the registry that names them.

A module has the line as a scene file describes it (a `SceneLine`, strict), and `start`, which makes its devices and
serves them on a real transport until the context's stack is closed. What serves is imported inside `start`, so that a
scene with meters only never loads what cameras need.
"""
