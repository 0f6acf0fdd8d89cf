"""The bar on stderr that a preparation moves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def counting_bar(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function that takes how many are done and of how many; it draws on stderr.

    Args:
        name: stands before the bar.
        unit: of what is counted, in the singular.
    """
    with tqdm(desc=name, unit=unit) as bar:

        def move(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield move
