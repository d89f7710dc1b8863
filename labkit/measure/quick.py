"""Which networks are measured on all test images before a reader waits."""

from labkit.model.network import Network

# Up to this many multiply-accumulates an image, all test images take no longer than a
# reader waits: there is nothing between the first estimate and the exact figure.
QUICK_MACS = 3_000_000


def is_quick(network: Network) -> bool:
    """Whether all test images take no longer than a reader waits."""
    return network.macs <= QUICK_MACS
