"""The sub-commands of `python -m labkit`: a row each, added to the parser by itself.

A row names a function of a file in this folder, and the arguments that it takes in this
order. The file, and Keras with it, is imported when the command runs.
"""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from math import nan

from labkit import zoo
from labkit.compress.post_training import Setting

RESNETS = ("resnet8", "resnet20")


@dataclass(frozen=True)
class Argument:
    """name: "name", or "--seed" for an option. how: what `add_argument` is given."""

    name: str
    how: dict

    def of(self, given: Namespace):
        """Its value in a parsed command line."""
        return getattr(given, self.name.lstrip("-"))


@dataclass(frozen=True)
class Command:
    """A sub-command.

    line: its help. file, function: what does it. arguments: of the function, in order.
    check: raises ValueError, in one sentence, for arguments that do not go together.
    resumes: whether an interrupted run goes on with the same command.
    """

    name: str
    line: str
    file: str
    function: str
    arguments: tuple[Argument, ...]
    check: Callable[[Namespace], None] = lambda given: None
    resumes: bool = True

    def add_to(self, commands) -> None:
        """Add its parser to what `add_subparsers` returned."""
        parser = commands.add_parser(self.name, help=self.line)
        for argument in self.arguments:
            parser.add_argument(argument.name, **argument.how)
        parser.set_defaults(row=self)

    def run(self, given: Namespace) -> None:
        """Import its file and call the function."""
        # As `from … import file` does it.
        file = getattr(__import__(__package__, fromlist=[self.file]), self.file)
        getattr(file, self.function)(*(a.of(given) for a in self.arguments))


def _argument(name: str, **how) -> Argument:
    return Argument(name, how)


def _fraction(text: str) -> float:
    """A sparsity as the command line has it: 0 or more, below 1."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = nan
    if not 0 <= fraction < 1:
        raise ArgumentTypeError(f"{text!r} is no fraction from 0 to below 1, like 0.92")
    return fraction


def _millions(text: str) -> int:
    """Multiply-accumulates as the command line has them: 26M is 26,000,000."""
    try:
        found = round(float(text.removesuffix("M")) * 1e6) if text[-1:] == "M" else 0
    except ValueError:
        found = 0
    if found < 1:
        raise ArgumentTypeError(f"{text!r} is no number of MACs, like 26M")
    return found


def _seed(text: str) -> int:
    """A seed as the command line has it: a whole number, 0 or more."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is no seed: give a whole number from 0 on")
    return int(text)


def _epochs(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: give a whole number of epochs, 1 or more")
    return int(text)


def _setting(text: str) -> Setting:
    try:
        return Setting.named(text)
    except ValueError as error:
        raise ArgumentTypeError(error) from error


def _check_teacher(given: Namespace) -> None:
    zoo.check_teacher(given.teacher, given.name)


NAME = _argument("name", choices=zoo.NAMES)
RESNET = _argument("name", choices=RESNETS)
SEED = _argument("--seed", type=_seed, default=0)

COMMANDS = (
    Command(
        "train",
        "train a network, or go on where it stopped",
        "training",
        "main",
        (NAME, _argument("--seed", type=_seed, help="default: the seed of its recipe")),
    ),
    Command(
        "qat",
        "train a network further with its weights and activations rounded",
        "training",
        "main_qat",
        (
            NAME,
            _argument(
                "setting",
                type=_setting,
                help="bits of weights and activations: W4A8, W2A4 …",
            ),
            SEED,
        ),
    ),
    Command(
        "prune",
        "train a network further while its least weights are removed",
        "pruning",
        "prune",
        (
            NAME,
            _argument("sparsity", type=_fraction, help="fraction to remove: 0.92 …"),
            SEED,
        ),
    ),
    Command(
        "filters",
        "remove filters of a ResNet's blocks and train the rest further",
        "pruning",
        "remove_filters",
        (
            RESNET,
            _argument("saving", type=_fraction, help="of the MACs: 0.27 …"),
            SEED,
        ),
    ),
    Command(
        "lowrank",
        "factorize a ResNet's layers and train the factors further",
        "low_rank",
        "main",
        (RESNET, _argument("macs", type=_millions, help="at most: 26M, 22.7M …"), SEED),
    ),
    Command(
        "gradients",
        "gradients by a network's weights, on calibration images",
        "pruning",
        "keep_gradients",
        (NAME,),
        resumes=False,
    ),
    Command(
        "distill",
        "train an untrained network on a trained one's soft targets",
        "distillation",
        "main",
        (
            NAME,
            _argument("--teacher", choices=zoo.NAMES, required=True),
            SEED,
            _argument(
                "--alone", action="store_true", help="the same training on labels alone"
            ),
            _argument(
                "--epochs", type=_epochs, help="another number than the recipe's"
            ),
        ),
        check=_check_teacher,
    ),
)
