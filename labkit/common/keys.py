"""What stands for a value in a cache's key: equal where the contents are equal."""

import hashlib
from collections.abc import Hashable, Mapping

import numpy as np


def key_of(value) -> Hashable:
    """A small hashable stand-in for a value, which keeps no array and no file alive.

    Anything with a `digest`, the sha256 of its content: that. Bytes and arrays: their
    sha256. Mappings, lists and tuples: of their items, in order. All else stands for
    itself. Raises TypeError for what only its identity tells from another one.

    >>> key_of((1, [2.5, None])), key_of({"fc1": "svd"})
    ((1, (2.5, None)), (('fc1', 'svd'),))
    >>> key_of(np.zeros(2)) == key_of(np.zeros(2)), key_of(b"a") == key_of(b"b")
    (True, False)
    """
    if hasattr(value, "digest"):
        return type(value).__name__, value.digest
    if isinstance(value, bytes):
        return sha256(value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, sha256(np.ascontiguousarray(value))
    if isinstance(value, Mapping):
        return tuple((name, key_of(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(key_of, value))
    if value is not None and type(value).__hash__ in (object.__hash__, None):
        raise TypeError(
            f"{type(value).__name__} cannot be part of a cache's key: give it a "
            "`digest` of its content, or equality by value"
        )
    return value


def sha256(content) -> str:
    """The sha256 of bytes, or of a contiguous array's, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_digest(file) -> str:
    """The sha256 of a model file: anything with `to_bytes()`."""
    return getattr(file, "digest", None) or sha256(file.to_bytes())
