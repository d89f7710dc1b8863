"""Our own files: whatever no runtime has a format for, as bytes and back.

Codes of any width without gaps, codebooks, six storages of tensors with zeros, and one
self-contained file for a whole network. A size is the length of something that decodes
to the same weights, header included.
"""

from labkit.common.door import door

_FILES = {
    "bit_packing": "CodecError",
    "codec": "MAGIC payload_bytes",
    "compressed": "Compressed opened pack read_packed unpack",
    "storage_sizes": "break_even",
    "storages": "STORAGES encode_sparse sparse",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
