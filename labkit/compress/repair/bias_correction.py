"""Bias correction: give each channel of a quantized network its mean back.

Rounding a layer's weights makes an error e = w_hat - w, the same for every image, so
its outputs are off by e x, on average by e E[x]: not by 0, where the inputs come from a
ReLU and are not negative. That average is a constant, and a bias can take it away.

Nagel et al. 2019, arXiv:1906.04721, sec. 4.2. Measured here as in their appendix on
empirical correction, from calibration images. Two forms need no images:

* theirs: behind batch normalization an input channel is Gaussian with the mean beta and
  the deviation gamma, so that E[x] behind a ReLU is the mean of a Gaussian clipped
  at 0. A .tflite file has batch normalization folded and both numbers lost;
* Banner et al. 2018, arXiv:1810.05723: the mean and the norm of each channel's weights
  are restored, not those of its outputs. It helps where E[x] is alike for all inputs.
"""

import numpy as np

from labkit.compress.repair.statistics import (
    assembled,
    biased_layers,
    channel_statistics,
)
from labkit.model.network import Network
from labkit.packed.compressed import Compressed


def correct_biases(
    network: Network, compressed: Compressed, images: np.ndarray
) -> Compressed:
    """Subtract each layer's mean output error from its biases, layer after layer.

    network: the float network that `compressed` was made from. images: calibration
    images, as the network takes them; a hundred are enough for a mean. A layer's error
    is measured with the layers before it corrected already, so it takes in what their
    rounding does to its inputs. The codes and scales stay as they are, and the packed
    file keeps its length. Raises ValueError for a layer without bias, or no images.
    """
    repaired = compressed.network
    for layer in biased_layers(network):
        error = (
            channel_statistics(repaired, images, layer).mean
            - channel_statistics(network, images, layer).mean
        )
        bias = f"{layer}/bias"
        repaired = repaired.with_weights({bias: repaired.weights[bias] - error})
    return assembled(repaired, compressed.quantized)
