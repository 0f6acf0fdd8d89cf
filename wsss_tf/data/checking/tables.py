"""The figures of a check as parts of its page: classes, pairs of classes, sizes."""

from __future__ import annotations

from collections.abc import Callable

from wsss_tf.data.checking.check import Check
from wsss_tf.labels import palette

_MATRIX = 100
_PAIRS = 20
Escape = Callable[[object], str]


def class_table(check: Check, escaped: Escape) -> str:
    """How many photos of each split have each tag; "" without classes."""
    numbers = check.figures
    if not numbers.classes or check.labels is None:
        return ""
    most = max([1, *(int(counts.max()) for counts in numbers.frequencies.values())])
    colours = palette()
    rows = []
    for row, name in enumerate(numbers.classes):
        colour = "#{:02x}{:02x}{:02x}".format(*colours[row + 1])
        cells = "".join(
            f'<td class="bar" style="--share:{100 * counts[row] / most:.1f}%">{counts[row]:,}</td>'
            for counts in numbers.frequencies.values()
        )
        swatch = f'<i class="swatch" style="background:{colour}"></i>'
        rows.append(f"<tr><th>{swatch}{escaped(name)}</th>{cells}</tr>")
    heads = "".join(f"<th>{escaped(split)}</th>" for split in numbers.frequencies)
    return (
        '<section id="classes"><h2>Photos by class</h2><div class="scroll"><table>'
        f"<thead><tr><th></th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        "</section>"
    )


def pair_table(check: Check, escaped: Escape) -> str:
    """Which classes are in photos together: a matrix, or the first pairs of too many classes."""
    numbers = check.figures
    pairs = numbers.pairs(_PAIRS)
    if not pairs:
        return ""
    if len(numbers.classes) > _MATRIX:
        rows = [
            f"<tr><th>{escaped(first)}, {escaped(second)}</th><td>{n:,}</td></tr>"
            for first, second, n in pairs
        ]
        body = f"<p>The first {len(pairs)} pairs; --json has all.</p><table>{''.join(rows)}</table>"
    else:
        body = _matrix(check, escaped, most=pairs[0][2])
    return f'<section id="together"><h2>Classes together</h2>{body}</section>'


def _matrix(check: Check, escaped: Escape, *, most: int) -> str:
    numbers = check.figures
    rows = []
    for i, name in enumerate(numbers.classes):
        cells = []
        for j, other in enumerate(numbers.classes):
            count = int(numbers.together[i, j])
            if i == j or not count:
                shade = ' class="self"' if i == j else ""
                cells.append(f"<td{shade}>{count or ''}</td>")
                continue
            share = 15 + 70 * count // most
            title = escaped(f"{name}, {other}: {count}")
            cells.append(f'<td class="cell" style="--share:{share}%" title="{title}">{count}</td>')
        rows.append(f"<tr><th>{escaped(name)}</th>{''.join(cells)}</tr>")
    heads = "".join(f"<th><span>{escaped(name)}</span></th>" for name in numbers.classes)
    return (
        "<p>Photos that have both tags; on the diagonal, that have the tag. A photo in several "
        'lists counts once.</p><div class="scroll"><table class="matrix"><thead><tr><th></th>'
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def size_chart(check: Check, escaped: Escape) -> str:
    """Photos by their longer side, and the most frequent sizes."""
    numbers = check.figures
    if not numbers.sides:
        return ""
    most = max(count for _, count in numbers.sides)
    rows = "".join(
        f'<tr><th>{escaped(name)}</th><td class="bar" style="--share:{100 * count / most:.1f}%">'
        f"{count:,}</td></tr>"
        for name, count in numbers.sides
    )
    sizes = ", ".join(f"{w} x {h} ({count:,})" for w, h, count in numbers.sizes)
    return (
        '<section id="sizes"><h2>Photos by longer side, in pixels</h2><table class="sides"><tbody>'
        f"{rows}</tbody></table><p>Most frequent: {escaped(sizes)}.</p></section>"
    )
