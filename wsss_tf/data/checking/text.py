"""A check as plain text: the verdict, the findings with three examples each, the figures."""

from __future__ import annotations

from collections.abc import Iterator

from wsss_tf.data.checking.check import Check
from wsss_tf.data.checking.kinds import Severity

EXAMPLES = 3
_PAIRS = 10
_BAR = 40


def printable(text: str) -> str:
    """Text that any terminal and any UTF-8 file takes: odd characters become escapes.

    File names may hold line ends, terminal controls and bytes that are no text.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_text(check: Check) -> str:
    """The whole report; ends in a line end."""
    return "\n".join(printable(line) for line in _lines(check)) + "\n"


def verdict(check: Check) -> str:
    """One sentence: whether training would fail."""
    if not check.would_train:
        return "Training would fail."
    looked = "and every photo decodes" if check.deep else "photos checked by header and end"
    return f"Training would start ({looked})."


def _lines(check: Check) -> Iterator[str]:
    yield f"{check.layout.root}: {check.layout.title}"
    yield from _counts(check)
    for severity in Severity:
        groups = [group for group in check.groups if group.kind.severity is severity]
        if groups:
            yield from ("", severity.value)
        for group in groups:
            yield f"  {group.kind.title}: {len(group.findings):,}. {group.kind.fix}"
            yield from (f"    {finding.text}" for finding in group.findings[:EXAMPLES])
    if not check.groups:
        yield from ("", "No problem found.")
    if check.entries:
        yield from _class_lines(check)
        yield from _pair_lines(check)
        yield from _size_lines(check)
    yield from ("", verdict(check))


def _counts(check: Check) -> Iterator[str]:
    splits = ", ".join(f"{name} {count:,}" for name, count in check.splits.items())
    yield f"{len(check.photos):,} photos{f': {splits}' if splits else ''}"
    if check.masks:
        yield f"{check.masks:,} masks, opened for this check; training opens none"
    if check.labels:
        yield f"{check.labels.num_tags} classes and background"
    if check.entries:
        yield f"trains on the split {check.train_split}, scores {check.eval_split}"


def _class_lines(check: Check) -> Iterator[str]:
    numbers = check.figures
    if not numbers.classes:
        return
    splits = list(numbers.frequencies)
    cells = [
        [name, *(f"{numbers.frequencies[split][row]:,}" for split in splits)]
        for row, name in enumerate(numbers.classes)
    ]
    yield from ("", "Photos by class")
    yield from _table([["", *splits], *cells])


def _pair_lines(check: Check) -> Iterator[str]:
    pairs = check.figures.pairs(_PAIRS)
    if pairs:
        yield from ("", f"Classes most often together (at most {_PAIRS} pairs)")
        yield from _table([[f"{first}, {second}", f"{n:,}"] for first, second, n in pairs])


def _size_lines(check: Check) -> Iterator[str]:
    numbers = check.figures
    if not numbers.sides:
        return
    most = max(count for _, count in numbers.sides)
    yield from ("", "Photos by longer side, in pixels")
    yield from _table(
        [[name, f"{count:,}", "#" * -(-_BAR * count // most)] for name, count in numbers.sides]
    )
    sizes = ", ".join(f"{w} x {h} ({count:,})" for w, h, count in numbers.sizes)
    yield f"  most frequent: {sizes}"


def _table(rows: list[list[str]]) -> Iterator[str]:
    """Columns under each other: names to the left, numbers to the right, bars to the left."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column and not cell.startswith("#") else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()
