"""The pruning panel: criterion, sparsity, scope and layers of a network.

Every position is two files of the same weights. The packed file leaves the zeros out
and is decoded to run. The other one has the zeros in it like any number: it is the
file that a runtime takes as it is, and its latency is measured.

    layer kind          mask, any scope                  packed file
    FULLY_CONNECTED     any criterion                    any storage
    CONV_2D             any criterion                    any storage
    DEPTHWISE_CONV_2D   all but the surgeon              any storage
    biases, pooling, …  keep all                         float32

The surgeon compensates as well: the weights that are left move to make up for the
removed ones, and both files have these. A network with a depthwise layer does not
offer it. Its scores take time once for each layer (`labkit.compress.criteria`), and are
kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labkit import zoo
from labkit.common.cache import cached
from labkit.common.split import Split
from labkit.compress import pruned
from labkit.compress.criteria import (
    IMAGES,
    SURGEON,
    criteria,
    criterion_scores,
    hessian_of,
    observed_images,
    surgeon_steps,
)
from labkit.compress.repair.batch_norm import reestimate_channels
from labkit.measure.correctness import Accuracy
from labkit.measure.timing import Latency
from labkit.model.network import Network
from labkit.packed.compressed import Compressed
from labkit.packed.storages import STORAGES
from labkit.panels import measuring
from labkit.panels.base import constructor
from labkit.panels.controls import Control, Settings
from labkit.panels.explained import MEASURED
from labkit.panels.positions import (
    NetworkPosition,
    largest_layer,
    layer_names,
    test_images,
    to_the_end,
)
from labkit.panels.pruning import picture, plot, report
from labkit.panels.pruning.plot import Cut, MaskMap
from labkit.panels.spec import PanelSpec, told_by
from labkit.panels.words import CHANNELS, RE_ESTIMATED, fraction_text
from labkit.panels.worker import Cancelled, never
from labkit.plots.plane import Point
from labkit.plots.showing import LOCK
from labkit.prune.masking import SCOPES, masks
from labkit.prune.scores import CRITERIA

# In per cent: close together where networks break and where pruning records stand.
PER_CENT = (
    *range(0, 60, 10),
    *range(60, 90, 4),
    *range(90, 99),
    98.5,
    99,
    99.5,
)
SPARSITIES = tuple(round(p / 100, 4) for p in PER_CENT)


@dataclass(frozen=True, eq=False)
class Position(NetworkPosition):
    """One setting, as far as it is measured.

    masks: layer name -> bool, of the layers that are pruned. compressed: the pruned
    network and its packed file. cut, mask_map: of the layer shown. base_accuracy,
    accuracy: of the float32 and the pruned network. deflated, latency: file name ->
    bytes after zlib, and Latency. What is not measured yet is None.
    """

    masks: dict[str, np.ndarray]
    compressed: Compressed
    cut: Cut
    mask_map: MaskMap
    base_accuracy: Accuracy | None = None
    accuracy: Accuracy | None = None
    deflated: dict[str, int] | None = None
    latency: dict[str, Latency] | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """What is on the plane: float32, packed, and the file with zeros in it."""
        name, now = report.name(self.settings), self.compressed
        return (
            self.point("float", name, self.base_accuracy, len(self.network)),
            self.point("packed", name, self.accuracy, now.size_bytes),
            self.point("zeros", name, self.accuracy, len(now.network)),
        )


def compute(settings: Settings, cancelled: Cancelled = never) -> Iterator[Position]:
    """Better and better measurements of one setting; the last has every figure.

    Of the settings: criterion is one of `labkit.prune.CRITERIA`. sparsity: of the
    layers that are pruned, 0 to 1. scope: as for `labkit.prune.masks`. layers: those to
    prune, None for all. shown: the layer shown. storage: of the packed file, as for
    `pruned.prune_network`. channels: whether each channel gets its mean and deviation
    back. seed: of the random criterion.
    """
    name = settings["network"]
    base, split = zoo.load(name), zoo.dataset(name).test
    if settings["criterion"] == SURGEON:
        for _ in surgeon_steps(name, settings["layers"]):
            if cancelled():
                return
    with LOCK:
        position = _position(settings, base, len(split))
    yield from to_the_end(
        position, position.compressed.network, _slow_figures, cancelled
    )


def _position(settings: Settings, base: Network, total: int) -> Position:
    kept = _masks(settings)
    layer = settings["shown"]
    of_layer = kept.get(layer, np.ones(base.kernels[layer].shape, bool))
    by_size = settings["criterion"] == "magnitude" and settings["scope"] != "output"
    return Position(
        settings,
        base,
        total,
        kept,
        _file(
            base,
            kept,
            settings["storage"],
            _compensating(settings),
            _repairing(settings),
        ),
        picture.cut(base, layer, of_layer, by_size or layer not in kept),
        picture.mask_map(base, layer, of_layer),
    )


def _masks(settings: Settings) -> dict[str, np.ndarray]:
    names = ("network", "criterion", "seed", "layers")
    scores = criterion_scores(*(settings[name] for name in names))
    return masks(scores, settings["sparsity"], settings["scope"])


def _repairing(settings: Settings) -> Split | None:
    """The images that channels are re-estimated on, if they are."""
    if settings["channels"] != RE_ESTIMATED:
        return None
    return zoo.dataset(settings["network"]).calibration.take(IMAGES)


def _compensating(settings: Settings) -> Split | None:
    """The images of the Hessians by which the surgeon moves the weights that stay."""
    if settings["criterion"] != SURGEON:
        return None
    return observed_images(settings["network"])


@cached
def _file(
    base: Network,
    kept: dict[str, np.ndarray],
    storage: str,
    compensating: Split | None,
    repairing: Split | None,
) -> Compressed:
    masked = pruned.apply_masks(base, kept)
    if compensating is not None:
        hessians = {layer: hessian_of(base, layer, compensating) for layer in kept}
        masked = pruned.compensate(base, kept, hessians)
    if repairing is not None:
        masked = reestimate_channels(base, masked, repairing.images)
    return pruned.prune_network(masked, kept, storage)


def _slow_figures(position: Position) -> dict:
    """Deflated bytes and latency, which come last."""
    with_zeros = position.compressed.network
    files = {
        "float32": position.network.to_bytes(),
        "zeros": with_zeros.to_bytes(),
        "packed": position.compressed.packed,
    }
    timed = {"float32": position.network, "zeros": with_zeros}
    return measuring.slow_figures(files, timed)


SPEC = PanelSpec(
    title="pruning",
    controls=(
        Control("network", "Network", zoo.NAMES),
        Control("criterion", "Rank by", criteria, texts=CRITERIA),
        Control(
            "sparsity",
            "Remove",
            SPARSITIES,
            default=0.8,
            texts={s: fraction_text(s) for s in SPARSITIES},
        ),
        Control("scope", "Ranked", SCOPES, texts=SCOPES),
        Control("layers", "Layers to prune", layer_names, several=True, advanced=True),
        Control(
            "shown",
            "Layer shown",
            layer_names,
            advanced=True,
            default=largest_layer,
        ),
        Control(
            "storage",
            "Packed file",
            (*list(STORAGES)[1:], "smallest", "dense"),
            texts=STORAGES,
            advanced=True,
        ),
        Control("channels", "Channels' mean and deviation", CHANNELS, advanced=True),
        Control("seed", "Seed of random", range(10), advanced=True),
    ),
    terms=(
        "sparsity",
        "mask",
        "score",
        "criterion",
        "optimal brain surgeon",
        "break-even point",
        *MEASURED,
    ),
    compute=compute,
    draw=plot.draw,
    points=lambda position: position.points,
    **told_by(report),
    prepare=test_images,
    size=(8.6, 4.8),
)

pruning_panel = constructor(SPEC)
