"""Batches of training images: shuffled, moved, mirrored, the same for one seed."""

import keras
import numpy as np

from labkit.common.split import Split
from labkit.model.inputs import as_inputs


def shift(images: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Move each of the images (n, h, w, c) by up to `pixels` in both directions.

    What moves in is black: a random crop of the padded image, He et al. 2015,
    arXiv 1512.03385, Sec. 4.2.
    """
    n, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    top, left = rng.integers(0, 2 * pixels + 1, (2, n, 1))
    rows = (top + np.arange(height))[:, :, None]
    columns = (left + np.arange(width))[:, None, :]
    return padded[np.arange(n)[:, None, None], rows, columns]


def mirror(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each of the images (n, h, w, c) left to right with probability 1/2."""
    chosen = rng.random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


class Batches(keras.utils.PyDataset):
    """One epoch over a split, in an order and with changes fixed by (seed, epoch)."""

    def __init__(self, split: Split, recipe, input_shape, seed: int, epoch: int):
        super().__init__()
        self.split, self.recipe, self.input_shape = split, recipe, input_shape
        self.seed, self.epoch = seed, epoch
        self.order = np.random.default_rng([seed, epoch]).permutation(len(split))

    def __len__(self) -> int:
        return -(-len(self.split) // self.recipe.batch_size)

    def __getitem__(self, k: int):
        rng = np.random.default_rng([self.seed, self.epoch, k])
        picked = self.order[k * self.recipe.batch_size :][: self.recipe.batch_size]
        images = self.split.images[picked]
        if self.recipe.shift or self.recipe.mirror:
            images = images.reshape(*images.shape[:3], -1)
        if self.recipe.shift:
            images = shift(images, self.recipe.shift, rng)
        if self.recipe.mirror:
            images = mirror(images, rng)
        return as_inputs(images, self.input_shape), self.split.labels[picked]
