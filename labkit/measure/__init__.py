"""What a model costs and how often it is right.

Accuracy with its interval, two models compared on the same images, two methods on the
same seeds, latency with its spread and its machine, and the ledger that says why
columns of costs disagree.
"""

from labkit.common.door import door

_FILES = {
    "correctness": "BATCH THREADS Accuracy accuracy compare refine",
    "file_contents": "byte_parts",
    "intervals": "newcombe wilson",
    "ledger": "compressed_row deflated_bytes deployed_row explain network_row",
    "over_seeds": "PairedSeeds mean_over_seeds",
    "teacher_gap": "gap_closed",
    "timing": "latency machine",
}
__getattr__, __dir__, __all__ = door(__name__, _FILES)
