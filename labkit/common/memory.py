"""Memory that goes back to the system once it is free.

glibc's malloc takes large blocks straight from the system and gives them back when they
are freed. But after the first such block it raises the size from which it does so (up
to 32 MB), and later ones, a decoded sheet for instance, stay with the process.
"""

import ctypes
from functools import cache

LARGE = 1 << 22  # bytes
_MMAP_THRESHOLD = -3  # mallopt's M_MMAP_THRESHOLD; setting it ends the raising


@cache
def return_large_blocks() -> bool:
    """Let blocks of LARGE bytes or more be returned, from now on, in this process.

    Whether the C library can do it: glibc's can, others do not keep such blocks.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE))
