"""How the C library gives memory to a process's threads."""

import ctypes
from contextlib import suppress
from functools import cache

_M_ARENA_MAX = -8
"""glibc's name for it in malloc.h."""


@cache
def share_one_heap() -> bool:
    """Have all threads of this process take memory from one heap, where the C library is glibc; says whether it is.

    By default each thread that asks for memory gets a heap of its own, and keeps there what was freed: every thread in
    which dlib's detector ran once holds some 50 MB for good. Heaps that threads have by then stay, so a process
    that will run networks does this at its start.
    """
    with suppress(OSError, AttributeError):  # another C library, which has no such heaps
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    return False
