"""Predictions: what the reader expected, kept beside what was measured."""

from math import isclose


class Predictions:
    """Guesses by question, each settled once its figure is known.

    A guess of None is an unanswered question: it is listed, and not scored.

    >>> book = Predictions()
    >>> book.guess("ratio", 4)
    >>> book.settle("ratio", 3.9, within=0.1)
    'ratio: you said 4, it is 3.9: close'
    >>> book.score()
    '1 of 1 predictions close, 0 left open'
    """

    def __init__(self):
        self._guesses: dict[str, object] = {}
        self._settled: dict[str, tuple[object, str]] = {}

    def __getitem__(self, question: str):
        return self._guesses[question]

    def guess(self, question: str, value=None) -> None:
        """Keep the guess `value` (a number or a word; None: no guess)."""
        self._guesses[question] = value
        self._settled.pop(question, None)

    def settle(self, question: str, measured, within: float = 0.0) -> str:
        """Compare the guess with `measured` and return the line that says so.

        A number is close when it differs by at most `within`, in the question's own
        unit. A word is close when it is the same word. Raises KeyError for a question
        that was never asked.
        """
        guess = self._guesses[question]
        word = _judge(guess, measured, within)
        self._settled[question] = (measured, word)
        return self._line(question)

    def score(self) -> str:
        """How many settled guesses were close."""
        words = [word for _, word in self._settled.values()]
        made = [word for word in words if word != "no guess"]
        left = len(self._guesses) - len(made)
        return (
            f"{made.count('close')} of {len(made)} predictions close, {left} left open"
        )

    def table(self) -> str:
        """One line a question, then the score."""
        lines = [self._line(question) for question in self._guesses]
        return "\n".join([*lines, self.score()])

    def _line(self, question: str) -> str:
        if question not in self._settled:
            return f"{question}: not measured yet"
        measured, word = self._settled[question]
        if word == "no guess":
            return f"{question}: no guess, it is {_show(measured)}"
        guess = _show(self._guesses[question])
        return f"{question}: you said {guess}, it is {_show(measured)}: {word}"


def _judge(guess, measured, within: float) -> str:
    if guess is None:
        return "no guess"
    if isinstance(measured, str) or isinstance(guess, str):
        same = str(guess).strip().lower() == str(measured).strip().lower()
        return "close" if same else "off"
    distance = abs(float(guess) - float(measured))
    return "close" if distance <= within or isclose(distance, within) else "off"


def _show(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
