"""How fast the lab answers on this machine, and how fast the machine lets it be.

    python -m bench.bench [--smallest] [PART ...]

The parts are limits, positions, panels, ranks, usual, kernels, browser and training;
without names all eight. Times are medians. Beside a time stand its limit, which is the
time of the bare LiteRT interpreter on the same files, images, batch and threads, in
turns with ours (`bench.limit` says what is bare), and how many times as long as
the limit ours takes: the median of the rounds' ratios. Run it on an idle machine.
--smallest runs each part once, on one network where there is a choice.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from inspect import getdoc
from itertools import product
from statistics import median

import numpy as np

from bench.limit import Bare, bare, beside, cells, milliseconds
from experiments.files import markdown_table
from labkit import zoo
from labkit.compress.quantized import quantize_network
from labkit.measure.correctness import THREADS, accuracy
from labkit.measure.timing import machine
from labkit.model.runtime import Runner
from labkit.quantize.granularity import GRANULARITIES

FIRST = 250
# To reach: the lab's time over that of the bare interpreter, in the same turns.
FIRST_TIMES, EXACT_TIMES = 1.5, 1.15
# To reach on two cores, in milliseconds: first estimate, exact, key press to picture.
TARGETS = {
    "mlp": (None, 60, 120),
    "lenet5": (40, 600, None),
    "resnet8": (100, 1500, 200),
    "resnet20": (200, 4500, None),
}
BATCHES = (10, 25, 50, 125, 250, 500, 1000)
RANK_STEPS = [percent / 100 for percent in range(20, 80)]  # no position comes twice


@dataclass(frozen=True)
class Size:
    """How much of it to run.

    networks: of parts that have a row a network. rounds: of turns, after a warm-up.
    positions: of a panel, the first of which warms up where there are more. live: steps
    of a panel that trains. presses: of keys. trained: the network of training. steps:
    how many of them, the first two of which warm up where there are more. batch: the
    images of a step.
    """

    networks: tuple[str, ...] = zoo.NAMES
    rounds: int = 9
    positions: int = 4
    live: int = 20
    presses: int = 12
    trained: str = "resnet20"
    steps: int = 12
    batch: int = 128


WHOLE = Size()
SMALLEST = Size(
    networks=("mlp",),
    rounds=1,
    positions=1,
    live=1,
    presses=1,
    trained="resnet8",
    steps=1,
    batch=2,
)


def fresh_settings() -> Iterator[tuple[int, str]]:
    """Bits and granularities not used before in this process: no cache can answer."""
    bits = (7, 6, 5, 9, 3, 10, 11, 12, 13, 14)
    return iter(product(bits, tuple(GRANULARITIES)))


def target(name: str, column: int) -> str:
    """The figure to reach, as a cell."""
    value = TARGETS[name][column]
    return "" if value is None else f"{value}"


def limits(size: Size) -> str:
    """Accuracy of a file beside the bare interpreter's: 250 and 10,000 test images.

    The fastest batch is that of the bare interpreter on 10,000 images.
    """
    header = "network|batch|250 images, ms|limit|times|to reach"
    header += "|10,000 images, ms|limit|times|to reach|fastest batch|its limit, ms"
    rows = [_limits_row(name, size.rounds) for name in size.networks]
    return markdown_table(header.split("|"), rows)


def _limits_row(name: str, rounds: int) -> list[str]:
    network, test = zoo.load(name), zoo.dataset(name).test
    content = network.to_bytes()
    own = Runner(content, None, THREADS).batch_size
    first, few = min(FIRST, len(test)), test.take(FIRST)

    def bare_ms(images, labels, batch=own) -> float:
        return milliseconds(partial(bare, content, images, labels, batch, THREADS))

    firsts, exacts, others = [], [], {batch: [] for batch in BATCHES}
    accuracy(network, test, first)  # warms up
    for _ in range(rounds):
        took = milliseconds(lambda: accuracy(network, test, first))
        firsts.append((took, bare_ms(few.images, few.labels)))
        took = milliseconds(lambda: accuracy(network, test))
        exacts.append((took, bare_ms(test.images, test.labels)))
        for batch, times in others.items():
            times.append(bare_ms(test.images, test.labels, batch))
    fastest = min(others, key=lambda batch: median(others[batch]))
    return [
        *(name, f"{own}", *cells(firsts, digits=1), f"{FIRST_TIMES}"),
        *(*cells(exacts), f"{EXACT_TIMES}"),
        *(f"{fastest}", f"{median(others[fastest]):,.0f}"),
    ]


def positions(size: Size) -> str:
    """A slider position per network: first estimate, with its picture, exact."""
    from labkit.panels.quantization.panel import SPEC
    from labkit.panels.quantization.plot import draw
    from labkit.plots.base import figure
    from labkit.plots.plane import Marks

    rows = []
    for name in size.networks:
        network, test = zoo.load(name), zoo.dataset(name).test
        settings = fresh_settings()
        picture = figure(8.6, 3.4)

        def position(n=None, network=network, test=test, settings=settings):
            accuracy(quantize_network(network, *next(settings)).network, test, n)

        def with_picture(name=name, picture=picture, settings=settings):
            bits, granularity = next(settings)
            chosen = {"bits": bits, "granularity": granularity}
            first = next(SPEC.positions(network=name, **chosen))
            draw(picture, first, Marks())
            picture.png()

        first = partial(position, min(FIRST, len(test)))
        first()
        with_picture()
        rounds = [
            [beside(call) for call in (first, with_picture, position)]
            for _ in range(size.rounds)
        ]
        early, drawn, exact = (cells(pairs) for pairs in zip(*rounds, strict=True))
        rows.append(
            [name, *early, target(name, 0), *drawn, *exact, target(name, 1)],
        )
    header = "network|250 images, ms|limit|times|to reach"
    header += "|with its picture, ms|limit|times|10,000 images, ms|limit|times|to reach"
    return markdown_table(header.split("|"), rows)


def panels(size: Size) -> str:
    """A position of each other panel: first estimate with its picture, then the rest.

    Exact is all 10,000 test images; every figure includes deflated bytes and latency.
    """
    from bench.panel_times import PANELS, panel_times, with_steps

    rows = []
    for title, (module, settings) in PANELS.items():
        chosen = [with_steps(s, size.live) for s in settings[: size.positions]]
        times = panel_times(module, chosen)
        columns = zip(*(times[1:] or times), strict=True)
        rows.append(
            [
                title.format(size.live),
                *(cell for pairs in columns for cell in cells(pairs)),
            ]
        )
    header = "panel|first estimate, ms|limit|times|10,000 images, ms|limit|times"
    return markdown_table(f"{header}|every figure, ms|limit|times".split("|"), rows)


def ranks(size: Size) -> str:
    """A rank of mlp once the SVDs are there: the file, 250 and 10,000 test images."""
    from labkit.compress.budget.low_rank import low_rank_network

    test, shares = zoo.dataset("mlp").test, iter(RANK_STEPS)

    def position(n: int | None) -> None:
        network = low_rank_network("mlp", "svd", next(shares)).network
        accuracy(network, test, n) if n != 0 else network.to_bytes()

    kinds = {
        "the file": 0,
        f"and {FIRST} images": min(FIRST, len(test)),
        "and 10,000 images": None,
    }
    for n in kinds.values():
        position(n)
    rounds = [
        [beside(partial(position, n)) for n in kinds.values()]
        for _ in range(size.rounds)
    ]
    columns = [cells(pairs) for pairs in zip(*rounds, strict=True)]
    names = "measured, ms", "limit", "times"
    rows = [[name, *row] for name, *row in zip(names, *columns, strict=True)]
    return markdown_table(["mlp", *kinds], [*rows, ["to reach, ms", "", "20", "60"]])


def usual(size: Size) -> str:
    """The same positions in Keras and pyplot, taking turns with the lab's way."""
    from bench.usual import usual_position

    rows = []
    for name, images, wanted in (("mlp", 10_000, 3), ("resnet8", FIRST, 5)):
        network, test = zoo.load(name), zoo.dataset(name).test
        keras_way, settings = usual_position(name), fresh_settings()
        n = min(images, len(test))

        def lab_way(network=network, test=test, n=n, settings=settings):
            accuracy(quantize_network(network, *next(settings)).network, test, n)

        keras_way(8, n)
        lab_way()
        rounds = [
            (beside(lab_way), milliseconds(partial(keras_way, 6, n)))
            for _ in range(size.rounds)
        ]
        lab, others = zip(*rounds, strict=True)
        faster = median(other / took for (took, _), other in rounds)
        row = [name, f"{n:,}", *cells(lab), f"{median(others):.0f}"]
        rows.append([*row, f"{faster:.1f}", str(wanted)])
    header = "network|images|the lab, ms|limit|times|the usual way, ms|times faster"
    return markdown_table(f"{header}|to reach".split("|"), rows)


def kernels(size: Size) -> str:
    """A fresh Jupyter kernel to its first panel on mlp, and the memory of exploring.

    Seconds from starting the kernel's process. The first picture has the accuracy on
    250 test images; with "everything" it is that of all 10,000, in the lab also the
    deployable file, its accuracy and its latency. The limit is one file, bare, on the
    same images.
    """
    from bench.kernels import LAB, MEMORY, USUAL, exploring, run_in_kernel

    rounds = [
        (run_in_kernel(LAB), run_in_kernel(USUAL), _bare_seconds())
        for _ in range(size.rounds)
    ]
    *ways, bares = zip(*rounds, strict=True)
    parts = ("ready", "picture", "wait", "end")
    seconds = [
        [median(getattr(run, part) for run in runs) for part in parts] for runs in ways
    ]
    faster = [other / lab for lab, other in zip(*seconds, strict=True)]
    first, exact = (f"{median(times):.3f}" for times in zip(*bares, strict=True))
    header = "|kernel ready, s|first picture, s|without the kernel's start, s"
    rows = [
        ["the lab", *(f"{s:.2f}" for s in seconds[0])],
        ["limit", "", "", first, exact],
        ["the usual way", *(f"{s:.2f}" for s in seconds[1])],
        ["times faster", *(f"{ratio:.1f}" for ratio in faster)],
        ["to reach", "", "5", "", ""],
    ]
    lines = [markdown_table([*header.split("|"), "everything, s"], rows), ""]
    others = [name for name in size.networks if name != "mlp"]
    for code in (LAB, exploring(others)) if others else (LAB,):
        networks = "first panel" if code == LAB else "all networks"
        memory = run_in_kernel(code + MEMORY).printed
        lines.append(f"memory of a kernel, {networks}: {memory}")
    return "\n".join(lines)


def _bare_seconds() -> tuple[float, float]:
    """The bare interpreter on mlp: 250 and all test images."""
    return tuple(bare_milliseconds("mlp", n) / 1000 for n in (FIRST, None))


def bare_milliseconds(name: str, n: int | None) -> float:
    """The bare interpreter on the first n test images of a network, or on all."""
    content, test = zoo.load(name).to_bytes(), zoo.dataset(name).test
    batch = Runner(content, None, THREADS).batch_size
    images, labels = test.images[:n], test.labels[:n]
    return milliseconds(lambda: bare(content, images, labels, batch, THREADS))


def browser(size: Size) -> str:
    """From a key press to changed pixels in JupyterLab, which show 250 test images.

    The limit is one file, bare, on 250 images.
    """
    from bench.browser import chromium, key_to_pixels

    if not chromium():
        return "There is no Chromium here, which this part needs: install it."
    rows = []
    for name in size.networks:
        times = key_to_pixels(name, size.presses)
        pairs = [(took, bare_milliseconds(name, FIRST)) for took in times]
        rows.append([name, *cells(pairs), target(name, 2)])
    header = "network|key press to pixels, ms|limit|times|to reach"
    return markdown_table(header.split("|"), rows)


def training(size: Size) -> str:
    """A training step with Keras' batch normalization and with the fused one.

    The limit is three times the bare interpreter, float32, on as many images: one pass
    forward, and two products of the same size for each on the way back.
    """
    from bench.training import step_milliseconds

    content = zoo.load(size.trained).to_bytes()
    images = np.zeros((size.batch, 32, 32, 3), np.float32)
    interpreter = Bare(content, size.batch, THREADS)
    forward = [
        milliseconds(partial(interpreter.run, images)) for _ in range(size.rounds)
    ]
    limit = 3 * median(forward)
    rows = []
    for name, fused in (("Keras'", False), ("fused", True)):
        took = step_milliseconds(size.trained, fused, size.steps, size.batch)
        rows.append([name, *cells([(took, limit)])])
    header = f"{size.trained}, batch normalization"
    header += f"|a step of {size.batch} images, ms|limit|times"
    return markdown_table(header.split("|"), rows)


PARTS = {
    part.__name__: part
    for part in (
        *(limits, positions, panels, ranks),
        *(usual, kernels, browser, training),
    )
}


def main(arguments: list[str] | None = None) -> None:
    """Print the parts' tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.bench")
    parser.add_argument("--smallest", action="store_true", help="run each part once")
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.part) - set(PARTS)):
        parser.error(f"there is no part {unknown}: choose {', '.join(PARTS)}")
    print(" · ".join(f"{key} {value}" for key, value in machine().items()))
    size = SMALLEST if chosen.smallest else WHOLE
    for name in chosen.part or PARTS:
        print(f"\n## {getdoc(PARTS[name])}\n\n{PARTS[name](size)}", flush=True)


if __name__ == "__main__":
    main()
