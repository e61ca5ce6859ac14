"""One heap for all threads, where the C library gives each its own."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

GLIBC = platform.libc_ver()[0] == "glibc"
PROGRAM = """
import ctypes, sys, threading
from runtime.heap import share_one_heap
if sys.argv[2] == "one":
    print(share_one_heap(), share_one_heap())
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
ready = threading.Barrier(7)
done = threading.Event()
def take():
    libc.malloc(ctypes.c_size_t(50_000))
    ready.wait()
    done.wait()
threads = [threading.Thread(target=take) for _ in range(6)]
[one.start() for one in threads]
ready.wait()
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
done.set()
"""


@pytest.mark.skipif(not GLIBC, reason="this C library is not glibc, and has no heap for each thread")
@pytest.mark.parametrize(("how", "said", "least", "most"), [("one", "True True\n", 1, 1), ("each", "", 2, 99)])
def test_threads_share_one_heap_when_they_are_told_to(
    how: str, said: str, least: int, most: int, tmp_path: Path
) -> None:
    told = tmp_path / "heaps.xml"
    program = [sys.executable, "-c", PROGRAM, str(told), how]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    assert done.stdout == said
    assert least <= told.read_text().count("<heap nr=") <= most
