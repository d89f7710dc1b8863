"""Which model files need no check: this process made or checked them, or the zoo has.

Kept are sha256 digests of contents, so that no changed file passes.
"""

import hashlib
from collections import OrderedDict
from threading import Lock

MOST = 4096
_digests: OrderedDict[bytes, None] = OrderedDict()
_lock = Lock()


def vouch(content: bytes) -> bytes:
    """Remember a file's content as one that needs no check, and return it.

    The MOST newest are kept.

    >>> is_vouched(b"a"), vouch(b"a"), is_vouched(b"a"), is_vouched(b"b")
    (False, b'a', True, False)
    """
    with _lock:
        _digests[_digest(content)] = None
        while len(_digests) > MOST:
            _digests.popitem(last=False)
    return content


def is_vouched(content: bytes) -> bool:
    """Whether `vouch` was called for this content."""
    return _digest(content) in _digests


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
