"""Pruned networks: masks laid on the kernels of a model file, and the packed file."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from labkit.model.network import Network
from labkit.packed.compressed import Compressed, pack
from labkit.packed.storages import sparse
from labkit.prune.brain_surgeon import obs_update


def apply_masks(network: Network, masks: Mapping[str, np.ndarray]) -> Network:
    """The network with the removed weights set to 0.

    masks: layer name -> bool array of its kernel's shape, True = kept; a layer without
    a mask keeps all. Raises ValueError for an unknown layer, another shape, or an array
    that is not bool.
    """
    kernels = network.kernels
    for name, kept in masks.items():
        check_mask(name, kept, kernels)
    return network.with_weights(
        {
            f"{name}/kernel": np.where(kept, kernels[name], 0)  # a product would be -0
            for name, kept in masks.items()
        }
    )


def compensate(
    network: Network,
    masks: Mapping[str, np.ndarray],
    hessians: Mapping[str, np.ndarray],
) -> Network:
    """The masked network, whose remaining weights make up for the removed ones.

    masks: as for `apply`, of dense layers and convolutions. hessians: layer -> as
    `labkit.compress.layer_hessian` returns it, of every masked layer. Each layer by
    itself, as `labkit.prune.obs_update` does it; biases stay. Raises
    ValueError as `apply` does.
    """
    masked, changes = apply_masks(network, masks), {}
    for name, kept in masks.items():
        w = network.kernels[name]
        rows, stay = w.reshape(len(w), -1), np.reshape(kept, (len(w), -1))
        new = obs_update(rows, hessians[name], stay).reshape(w.shape)
        changes[f"{name}/kernel"] = new.astype(np.float32)
    return masked.with_weights(changes)


def prune_network(
    network: Network, masks: Mapping[str, np.ndarray], storage: str = "bitmap"
) -> Compressed:
    """The masked network, and its packed file without the zeros.

    masks: as for `apply`. storage: of the masked kernels, one of
    `labkit.packed.STORAGES`, or "smallest" for the best one of each. Other
    kernels and all biases are float32. `Compressed.quantized` has the `Sparse` kernels.
    Raises ValueError as `apply` does, and for another storage.
    """
    masked = apply_masks(network, masks)
    kernels = {name: sparse(masked.kernels[name], storage) for name in masks}
    return Compressed(masked, pack(masked, kernels), MappingProxyType(kernels))


def pack_zeros(network: Network, storage: str = "smallest") -> Compressed:
    """A network that is pruned already, packed without its kernels' zeros."""
    masks = {layer: kernel != 0 for layer, kernel in network.kernels.items()}
    return prune_network(network, masks, storage)


def check_mask(name: str, kept: np.ndarray, kernels: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless `kept` is a mask of the layer's kernel."""
    if name not in kernels:
        raise ValueError(
            f"there is no layer {name!r} with a kernel: choose from "
            f"{', '.join(kernels)}"
        )
    kept, shape = np.asarray(kept), kernels[name].shape
    if kept.dtype != bool or kept.shape != shape:
        raise ValueError(
            f"the mask of {name} is {kept.dtype} {kept.shape}: give bool {shape}, "
            "True = kept"
        )
