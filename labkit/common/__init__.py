"""What every room may use: files and caches, nothing of any method.

Files are written whole or not at all, caches are bounded, memory goes back to the
system, and a budget is shared out by the same knapsack whether it pays for bits, ranks
or masks. A `Split` is images with their labels.
"""

from labkit.common.door import door

_FILES = {
    "arguments": "finite fraction positive shaped whole",
    "cache": "CACHE cached",
    "children": "ending environment last_line one_line",
    "exits": "in_one_sentence",
    "file_errors": "FileError",
    "files": "json_bytes write_all write_bytes write_json write_text write_whole",
    "keys": "file_digest key_of sha256",
    "knapsack": "Frontier exact greedy",
    "memory": "return_large_blocks",
    "reading": "read_arrays read_file read_json",
    "registries": "Row chosen markdown registry",
    "split": "Split",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
