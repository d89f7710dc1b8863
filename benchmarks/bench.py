"""How fast the lab answers on this machine: medians and ratios of one run.

    python -m benchmarks.bench [PART ...]

The parts are positions, panels, ranks, usual, kernels, browser and training; without
names all seven. Run it on an idle machine. Nothing here is a test.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from inspect import getdoc
from itertools import product
from statistics import median

from benchmarks.files import markdown_table
from labkit import zoo
from labkit.compress import quantize_network
from labkit.latency import machine
from labkit.measure import accuracy

FIRST = 250
ROUNDS = 7
# To reach on two cores, in milliseconds: first estimate, exact, key press to picture.
TARGETS = {
    "mlp": (None, 60, 120),
    "lenet5": (40, 600, None),
    "resnet8": (100, 1500, 200),
    "resnet20": (200, 4500, None),
}
SPARSITIES, FRACTIONS = (0.3, 0.4, 0.5, 0.56), (0.1, 0.2, 0.3, 0.4)
RANK_SHARES = (0.25, 0.35, 0.45, 0.55)
RANK_STEPS = [percent / 100 for percent in range(20, 80)]  # no position comes twice
# Row -> a panel's module and positions that no cache knows; the first warms up.
PANELS = {
    "clipping, mlp": ("clipping", [{"clip": clip} for clip in (90, 80, 70, 60)]),
    "activations, resnet8, W8A8": (
        "activations",
        [{"images": images} for images in (10, 20, 50, 100)],
    ),
    "budget, resnet8": ("budget", [{"budget": share} for share in (13, 14, 15, 16)]),
    "training, resnet8, no step": (
        "training",
        [{"activations": bits} for bits in (8, 7, 6, 5)],
    ),
    "training, resnet8, 20 steps": (
        "training",
        [{"steps": 20, "seed": seed} for seed in range(4)],
    ),
    "pruning, resnet8, by magnitude": (
        "pruning",
        [{"network": "resnet8", "sparsity": s} for s in SPARSITIES],
    ),
    "pruning, resnet8, by Fisher": (
        "pruning",
        [
            {"network": "resnet8", "criterion": "fisher", "sparsity": s}
            for s in SPARSITIES
        ],
    ),
    "units, resnet8, by norm": (
        "units",
        [{"network": "resnet8", "fraction": f} for f in FRACTIONS],
    ),
    "units, resnet8, by Taylor": (
        "units",
        [
            {"network": "resnet8", "criterion": "taylor", "fraction": f}
            for f in FRACTIONS
        ],
    ),
    "rank, mlp, by SVD": ("lowrank", [{"share": share} for share in RANK_SHARES]),
    "rank, mlp, by PCA of responses": (
        "lowrank",
        [{"method": "responses", "share": share} for share in RANK_SHARES],
    ),
    "rank, resnet8, by SVD": (
        "lowrank",
        [{"network": "resnet8", "share": share} for share in RANK_SHARES],
    ),
    "rank, resnet8, by k x 1 and 1 x k": (
        "lowrank",
        [
            {"network": "resnet8", "method": "spatial", "share": share}
            for share in RANK_SHARES
        ],
    ),
    "temperature, lenet5": (
        "temperature",
        [{"temperature": temperature} for temperature in (1, 4, 8, 20)],
    ),
    "distillation, 30 units, 500 images": (
        "distillation",
        [{"images": 500, "seed": seed} for seed in range(4)],
    ),
}


def milliseconds(call: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def fresh_settings() -> Iterator[tuple[int, str]]:
    """Bits and granularities not used before in this process: no cache can answer."""
    return iter(product((7, 6, 5, 9, 3, 10, 11), ("channel", "tensor", "block")))


def target(name: str, column: int) -> str:
    """The figure to reach, as a cell."""
    value = TARGETS[name][column]
    return "" if value is None else f"{value}"


def positions() -> str:
    """A slider position per network: first estimate, with its picture, exact."""
    from labkit.panels.quantization import compute
    from labkit.plots.base import figure
    from labkit.plots.plane import Marks
    from labkit.plots.quantization import draw

    rows = []
    for name in zoo.NAMES:
        network, test = zoo.load(name), zoo.dataset(name).test
        settings = fresh_settings()
        picture = figure(8.6, 3.4)

        def position(n=None, network=network, test=test, settings=settings):
            bits, granularity = next(settings)
            accuracy(quantize_network(network, bits, granularity).network, test, n)

        def with_picture(name=name, picture=picture, settings=settings):
            bits, granularity = next(settings)
            first = next(compute(network=name, bits=bits, granularity=granularity))
            draw(picture, first, Marks())
            picture.png()

        position(FIRST)
        with_picture()
        times = [
            [
                milliseconds(lambda p=position: p(FIRST)),
                milliseconds(with_picture),
                milliseconds(position),
            ]
            for _ in range(5)
        ]
        first, drawn, exact = (median(column) for column in zip(*times, strict=True))
        rows.append(
            [name, f"{first:.0f}", target(name, 0), f"{drawn:.0f}", f"{exact:.0f}"]
            + [target(name, 1)]
        )
    header = "network|250 images, ms|to reach|with its picture, ms|10,000 images, ms"
    return markdown_table([*header.split("|"), "to reach"], rows)


def panels() -> str:
    """A position of each other panel: first estimate with its picture, then the rest.

    Exact is all 10,000 test images; every figure includes deflated bytes and latency.
    """
    from labkit.plots.base import figure

    rows = []
    for title, (module, settings) in PANELS.items():
        lesson = import_module(f"labkit.panels.{module}").LESSON
        picture = figure(*lesson.size)
        times = [
            panel_milliseconds(lesson, position, picture) for position in settings
        ][1:]
        medians = (median(column) for column in zip(*times, strict=True))
        rows.append([title, *(f"{ms:,.0f}" for ms in medians)])
    header = "panel|first estimate, ms|10,000 images, ms|every figure, ms"
    return markdown_table(header.split("|"), rows)


def panel_milliseconds(lesson, settings: dict, picture) -> tuple[float, float, float]:
    """From a setting to the first picture, the exact accuracy and the last figure."""
    from labkit.plots.plane import Marks

    first, exact = None, None
    start = time.perf_counter()
    for result in lesson.compute(**settings):
        if first is None:
            lesson.draw(picture, result, Marks())
            picture.png()
            first = time.perf_counter()
        if exact is None and lesson.state(result).startswith("exact"):
            exact = time.perf_counter()
    ends = (first, exact, time.perf_counter())
    return tuple(1000 * (end - start) for end in ends)


def ranks() -> str:
    """A rank of mlp once the SVDs are there: the file, 250 and 10,000 test images."""
    from labkit.panels.lowrank_choice import low

    test, shares = zoo.dataset("mlp").test, iter(RANK_STEPS)

    def position(n: int | None) -> None:
        network = low("mlp", "svd", next(shares)).network
        accuracy(network, test, n) if n != 0 else network.to_bytes()

    kinds = {"the file": 0, "and 250 images": FIRST, "and 10,000 images": None}
    for n in kinds.values():
        position(n)
    times = [
        [milliseconds(partial(position, n)) for n in kinds.values()]
        for _ in range(ROUNDS)
    ]
    medians = [f"{median(column):.0f}" for column in zip(*times, strict=True)]
    return markdown_table(
        ["mlp, ms", *kinds], [["measured", *medians], ["to reach", "", "20", "60"]]
    )


def usual() -> str:
    """The same positions in Keras and pyplot, taking turns with the lab's way."""
    from benchmarks.usual import usual_position

    rows = []
    for name, images, wanted in (("mlp", 10_000, 3), ("resnet8", FIRST, 5)):
        network, test = zoo.load(name), zoo.dataset(name).test
        keras_way, settings = usual_position(name), fresh_settings()

        def lab_way(network=network, test=test, images=images, settings=settings):
            accuracy(quantize_network(network, *next(settings)).network, test, images)

        keras_way(8, images)
        lab_way()
        times = [
            (milliseconds(lab_way), milliseconds(partial(keras_way, 6, images)))
            for _ in range(ROUNDS)
        ]
        lab, other = (median(column) for column in zip(*times, strict=True))
        cells = [name, f"{images:,}", f"{lab:.0f}", f"{other:.0f}"]
        rows.append([*cells, f"{other / lab:.1f}", str(wanted)])
    header = "network|images|the lab, ms|the usual way, ms|times faster|to reach"
    return markdown_table(header.split("|"), rows)


def kernels() -> str:
    """A fresh Jupyter kernel to its first panel on mlp, and the memory of exploring.

    Seconds from starting the kernel's process. The first picture has the accuracy on
    250 test images; with "everything" it is that of all 10,000, in the lab also the
    deployable file, its accuracy and its latency.
    """
    from benchmarks.kernels import EXPLORE, LAB, MEMORY, USUAL, run_in_kernel

    rounds = [(run_in_kernel(LAB), run_in_kernel(USUAL)) for _ in range(ROUNDS)]
    parts = ("ready", "picture", "wait", "end")
    seconds = [
        [median(getattr(run, part) for run in runs) for part in parts]
        for runs in zip(*rounds, strict=True)
    ]
    faster = [other / lab for lab, other in zip(*seconds, strict=True)]
    header = "|kernel ready, s|first picture, s|without the kernel's start, s"
    rows = [
        ["the lab", *(f"{s:.2f}" for s in seconds[0])],
        ["the usual way", *(f"{s:.2f}" for s in seconds[1])],
        ["times faster", *(f"{ratio:.1f}" for ratio in faster)],
        ["to reach", "", "5", "", ""],
    ]
    lines = [markdown_table([*header.split("|"), "everything, s"], rows), ""]
    for name, code in (("first panel", LAB), ("all four networks", EXPLORE)):
        memory = run_in_kernel(code + MEMORY).printed
        lines.append(f"memory of a kernel, {name}: {memory}")
    return "\n".join(lines)


def browser() -> str:
    """From a key press to changed pixels in JupyterLab."""
    from benchmarks.browser import key_to_pixels

    rows = [
        [name, f"{median(key_to_pixels(name)):.0f}", target(name, 2)]
        for name in zoo.NAMES
    ]
    return markdown_table(["network", "key press to pixels, ms", "to reach"], rows)


def training() -> str:
    """A training step of resnet20 with Keras' batch normalization and with ours."""
    from benchmarks.training import step_milliseconds

    keras_way, fused = step_milliseconds(fused=False), step_milliseconds(fused=True)
    return (
        f"resnet20, a step of 128 images in mixed bfloat16: {keras_way:.0f} ms with "
        f"Keras' batch normalization, {fused:.0f} ms with the fused one"
    )


PARTS = {
    part.__name__: part
    for part in (positions, panels, ranks, usual, kernels, browser, training)
}


def main(names: list[str]) -> None:
    unknown = set(names) - set(PARTS)
    if unknown:
        sys.exit(f"there is no part {sorted(unknown)}: choose {', '.join(PARTS)}")
    print(" · ".join(f"{key} {value}" for key, value in machine().items()))
    for name in names or PARTS:
        print(f"\n## {getdoc(PARTS[name])}\n\n{PARTS[name]()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
