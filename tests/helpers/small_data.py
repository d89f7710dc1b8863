"""Data sets with few images: whole ones take seconds."""

from labkit.zoo import datasets


class Few:
    """A data set of which some parts have only their first n images."""

    def __init__(self, data, n: int, parts: tuple[str, ...]):
        self._data, self._n, self._parts = data, n, parts

    def __getattr__(self, name):
        value = getattr(self._data, name)
        if name in self._parts:
            value = self.__dict__[name] = value.take(self._n)  # the same each time
        return value


def few_digits(n: int) -> Few:
    """MNIST with the first n images of each split."""
    return Few(datasets.load_images("mnist"), n, ("train", "validation", "test"))
