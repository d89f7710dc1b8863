"""Behind the notebooks of the neural-network compression lab: a room a task.

    quantize  real numbers to small integers and back
    prune     which weights and units to remove
    lowrank   a layer as several smaller ones
    distill   what a teacher's outputs say, and losses that pass it on
    model     the .tflite file as an object: Network, its edits, how it runs
    packed    our own files, for what no runtime has a format for
    integer   integer-only inference, code for code as in LiteRT
    measure   accuracy, comparisons, latency, the ledger of costs
    compress  a method on a whole network; budgets and repairs
    zoo       images and trained networks
    common    files and caches
    train     the only user of Keras
    plots     the only user of Matplotlib beside the panels' own pictures
    panels    the only user of ipywidgets: one folder a panel
    checks    checks of the lessons' exercises

Each room's `__init__` is its door: what lives there, and its public names.
"""

ROOMS = (
    "quantize",
    "prune",
    "lowrank",
    "distill",
    "model",
    "packed",
    "integer",
    "measure",
    "compress",
    "zoo",
    "common",
    "train",
    "plots",
    "panels",
    "checks",
)
