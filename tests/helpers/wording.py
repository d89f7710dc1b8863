"""Words that the lab does not use, each with the field's own: `make lint`.

    python tests/helpers/wording.py              every source and page of the project
    python tests/helpers/wording.py FILE ...     some of them

Identifiers are looked for in the syntax tree, so that prose, which may use any word in
its everyday sense, is left alone; phrases are looked for in the text.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("labkit", "experiments", "bench", "binder", "notebooks", "tests")
OWN = {"wording.py", "test_wording.py", "words.py"}

# An identifier -> what the field calls it.
IDENTIFIERS = {
    "Bundle": "ChannelGroup",
    "bundle_scores": "group_scores",
    "bundles": "channel_groups",
    "check_soften": "check_softmax",
    "Channels": "DependencyGraph",
    "Claim": "CancelToken",
    "Coded": "CodebookTensor",
    "Groups": "Granularity",
    "Observed": "ObservedMoments",
    "Part": "FactorLayer",
    "Sides": "ConvGeometry",
    "Stored": "StoredArray",
    "at_ranks": "factorize_network",
    "ending_before": "truncate_before",
    "go_on": "resume",
    "linked_units": "coupled_units",
    "log_soften": "log_softmax",
    "mould": "template",
    "multiplied_back": "reconstruct_kernel",
    "paced": "throttled",
    "quantize_to": "quantize_to_levels",
    "shared_strides": "assign_strides",
    "soften": "softmax",
    "taken_apart": "factorized_model",
}
# Everyday words as names of functions and methods; a variable may have them.
FUNCTIONS = {
    "compensated": "obs_update",
    "surgeon": "obs_scores",
    "told": "information_beyond_label",
}


@dataclass(frozen=True)
class Phrase:
    """A phrase that is not used, and what to write.

    pattern: a regular expression, in which a space stands for any white space. found:
    a sentence in which it is found. passes: one that looks alike and is fine.
    """

    pattern: str
    instead: str
    found: str
    passes: str

    def places(self, text: str) -> Iterator[int]:
        """The numbers of the lines, from 1 on, on which it begins."""
        pattern = self.pattern.replace(" ", r"\s+(?:#\s+)?")
        for match in re.finditer(pattern, text, re.IGNORECASE):
            yield text.count("\n", 0, match.start()) + 1


PHRASES = (
    Phrase(
        r"\blayers? in sight",
        "the layer shown",
        "The histogram is of the layer in sight.",
        "The lighthouse came in sight.",
    ),
    Phrase(
        r"\b(layers?|networks?|convolutions|kernels?) ((are|were|was|is) )?taken apart",
        "factorized",
        "A ResNet's convolutions taken apart.",
        "The clock was taken apart.",
    ),
    Phrase(
        r"\bmend (it|them) first",
        "remove them first",
        "x has values that are not finite: mend them first",
        "x contains NaN or infinity: remove them first",
    ),
    Phrase(
        r"\bvalues that are not finite\b",
        "contains NaN or infinity",
        "x has values that are not finite",
        "The sum of the series is not finite.",
    ),
    Phrase(
        r"\bsign is turned",
        "the sign is flipped",
        "The sign is turned: a divergence is never below 0",
        "The sign is flipped: a divergence is never below 0",
    ),
    Phrase(
        r"\bturn(ed)? (it )?round",
        "inverted, flipped, swapped or transposed",
        "Is the mask turned round?",
        "An order that turns round from one round to the next.",
    ),
    Phrase(
        r"\bat place n\b",
        "at index n",
        "The threshold at place n is read.",
        "The threshold at index n is read.",
    ),
    Phrase(
        r"\bas the dearest\b",
        "as the most expensive",
        "It counts as much as the dearest one.",
        "The dearest friend of the professor.",
    ),
    Phrase(
        r"\bone and the same, and must\b",
        "coupled",
        "Channels that are one and the same, and must be removed together.",
        "Two names of one and the same file.",
    ),
    Phrase(
        r"\bwhat is said of\b",
        "a noun: the comparison, the verdict",
        "What is said of two methods.",
        "What is printed of two methods.",
    ),
    Phrase(
        r"\bby what no student changes",
        "plus a constant that no student changes",
        "The loss is larger by what no student changes.",
        "The loss plus a constant that no student changes.",
    ),
    Phrase(
        r"\balpha no sense\b",
        "is out of range",
        "The temperature or alpha no sense.",
        "The temperature or alpha is out of range.",
    ),
    Phrase(
        r"\bnames the mend\b",
        "says how to fix it",
        "The text names the mend.",
        "The message says how to fix it.",
    ),
    Phrase(
        r"\blet go of it\b",
        "unpin it",
        "If it is the pinned one, let go of it.",
        "If it is pinned, unpin it.",
    ),
    Phrase(
        r"\bmeets the same error\b",
        "raises the same error",
        "`compute` meets the same error.",
        "`compute` raises the same error.",
    ),
    Phrase(
        r"\ba turn of one job\b",
        "a cancellation token",
        "A turn of one job.",
        "A job in its turn.",
    ),
    Phrase(
        r"\bwhat all layers have in common\b",
        "settings shared by all layers",
        "What all layers have in common.",
        "What all pictures have in common.",
    ),
    Phrase(
        r"\bothers may lie under\b",
        "others may lie underneath",
        "Drawn last, where others may lie under.",
        "Drawn last: others may lie underneath.",
    ),
    Phrase(
        r"\bno clear step away\b",
        "not clearly apart",
        "Each one's median is no clear step away.",
        "Their medians are not clearly apart.",
    ),
    Phrase(
        r"\bkeyed by what\b",
        "keyed by content",
        "A cache keyed by what a thing is made of.",
        "A cache keyed by content.",
    ),
    Phrase(
        r"\bimages? at hand\b",
        "available images",
        "Every training image at hand.",
        "Every available training image.",
    ),
)


def identifiers(source: str) -> Iterator[tuple[int, str, str]]:
    """(line, name, what to call it) of each identifier that is not used.

    >>> list(identifiers("def soften(z): return z"))
    [(1, 'soften', 'softmax')]
    """
    for node in ast.walk(ast.parse(source)):
        for name in names(node):
            if name in IDENTIFIERS:
                yield node.lineno, name, IDENTIFIERS[name]
        match node:
            case ast.FunctionDef(name=name) | ast.Attribute(attr=name):
                if name in FUNCTIONS:
                    yield node.lineno, name, FUNCTIONS[name]


def names(node: ast.AST) -> list[str]:
    """The identifiers that one node of the syntax tree defines or uses."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Name():
            return [node.id]
        case ast.Attribute():
            return [node.attr]
        case ast.arg():
            return [node.arg]
        case ast.alias():
            return [part for part in (node.name, node.asname) if part]
    return []


def complaints(path: Path) -> list[str]:
    """One line for each word of a file that is not used, with what to write."""
    text = path.read_text("utf-8")
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    found = [
        (line, phrase.pattern.replace(r"\b", ""), phrase.instead)
        for phrase in PHRASES
        for line in phrase.places(text)
    ]
    if path.suffix == ".py":
        found += identifiers(text)
    return [f"{name}:{line}: {word!r}: write {new!r}" for line, word, new in found]


def files() -> list[Path]:
    """Every source and page of the project, but those about words."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("data/**/*.md")]
    for folder in SOURCES:
        found += (ROOT / folder).rglob("*.py")
    return sorted(path for path in found if path.name not in OWN)


def main(arguments: list[str]) -> int:
    paths = [Path(name).resolve() for name in arguments] or files()
    found = [line for path in paths for line in complaints(path)]
    print("\n".join(found) if found else f"{len(paths)} files use the lab's words")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
