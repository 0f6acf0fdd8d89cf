"""The bar on stderr that a preparation moves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def photo_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what `write_prepared` takes as `progress`; draws on stderr.

    Args:
        name: of the data set, which stands before the bar.
    """
    with tqdm(desc=name, unit="photo") as bar:

        def move(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield move
