"""A check as one HTML file without outside parts: findings, figures, contact sheet."""

from __future__ import annotations

import html
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from wsss_tf import __version__
from wsss_tf.data.checking.check import Check
from wsss_tf.data.checking.kinds import Finding, Group, Severity
from wsss_tf.data.checking.pictures import photo_thumbnail
from wsss_tf.data.checking.tables import class_table, pair_table, size_chart
from wsss_tf.data.checking.text import EXAMPLES, printable, verdict
from wsss_tf.files import write_text

SHEET = 60
"""Photos on the contact sheet: evenly spaced, from every split."""
_LISTED = 500
_MARKS = {
    Severity.TRAINING: "stop",
    Severity.SCORING: "warn",
    Severity.DOUBTFUL: "warn",
    Severity.NOTICE: "note",
}


def write_page(check: Check, path: Path) -> None:
    """Writes the page, atomically. Raises RunError as `files.atomic_write` does."""
    write_text(path, _page(check))


def escaped(text: object) -> str:
    """Text as it may stand in the page."""
    return html.escape(printable(str(text)), quote=True)


def _page(check: Check) -> str:
    style = resources.files("wsss_tf.data.checking").joinpath("page.css").read_text("utf-8")
    name = escaped(check.layout.root.resolve().name)
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}: data check</title>\n<style>\n{style}</style></head>\n<body>",
        f'<header><p class="kind">Data check</p><h1>{name}</h1>',
        f"<p>{escaped(check.layout.title)}</p>{_verdict(check)}{_tiles(check)}</header>",
        "<main>",
        *_findings(check),
        class_table(check, escaped),
        pair_table(check, escaped),
        size_chart(check, escaped),
        *_contact_sheet(check),
        f"</main><footer>wsss-tf {escaped(__version__)}</footer></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _verdict(check: Check) -> str:
    mark = "good" if check.would_train else "stop"
    return f'<p class="verdict {mark}">{escaped(verdict(check))}</p>'


def _tiles(check: Check) -> str:
    tiles = [("photos", len(check.photos)), *check.splits.items(), ("masks", check.masks)]
    if check.labels:
        tiles.append(("classes", check.labels.num_tags))
    items = (
        f"<li><span>{escaped(name)}</span><strong>{count:,}</strong></li>" for name, count in tiles
    )
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _findings(check: Check) -> Iterator[str]:
    yield '<section id="findings"><h2>Findings</h2>'
    if not check.groups:
        yield "<p>No problem found.</p>"
    for severity in Severity:
        groups = [group for group in check.groups if group.kind.severity is severity]
        if groups:
            yield f"<h3>{escaped(severity.value)}</h3>"
        yield from map(_group, groups)
    yield "</section>"


def _group(group: Group) -> str:
    kind, findings = group.kind, group.findings
    shown = "".join(_example(finding) for finding in findings[:EXAMPLES])
    rest = findings[EXAMPLES:_LISTED]
    more = ""
    if rest:
        lines = "".join(f"<li>{escaped(finding.text)}</li>" for finding in rest)
        left = len(findings) - EXAMPLES - len(rest)
        end = f"<li>and {left:,} more; --json has them all</li>" if left else ""
        more = f"<details><summary>{len(findings) - EXAMPLES:,} more</summary><ul>{lines}{end}</ul>"
        more += "</details>"
    return (
        f'<div class="card {_MARKS[kind.severity]}" id="{kind.key}"><h4>{escaped(kind.title)} '
        f"<b>{len(findings):,}</b></h4><p>{escaped(kind.fix)}</p><ul>{shown}</ul>{more}</div>"
    )


def _example(finding: Finding) -> str:
    picture = photo_thumbnail(finding.photo, finding.mask)
    drawn = f'<img src="{picture}" alt="" loading="lazy">' if picture else ""
    return f"<li>{drawn}<span>{escaped(finding.text)}</span></li>"


def _contact_sheet(check: Check) -> Iterator[str]:
    chosen = _spread(check)
    if not chosen:
        return
    yield '<section id="photos"><h2>Photos</h2>'
    drawn = " Masks are drawn over them." if check.mask_paths else ""
    yield f"<p>{len(chosen)} of {len(check.photos):,}, evenly spaced.{drawn}</p>"
    yield '<div class="sheet">'
    for name, path, tags in chosen:
        picture = photo_thumbnail(path, check.mask_paths.get(path))
        if picture:
            yield (
                f'<figure><img src="{picture}" alt="{escaped(path.name)}" loading="lazy">'
                f"<figcaption>{escaped(path.name)}<br><b>{escaped(name)}</b> "
                f"{escaped(', '.join(tags)) or 'no tag'}</figcaption></figure>"
            )
    yield "</div></section>"


def _spread(check: Check) -> list[tuple[str, Path, tuple[str, ...]]]:
    """(split, photo, tags) of photos at even distances in the lists, each photo once.

    Of several lists that have it, one to evaluate or to train on names the split.
    """
    ranks = {check.eval_split: 0, check.train_split: 1}
    entries = sorted(check.entries, key=lambda entry: ranks.get(entry.split, 2), reverse=True)
    named = {entry.path: entry for entry in entries}
    once = [named[path] for path in check.photos]
    step = max(len(once) / SHEET, 1.0)
    chosen = [once[int(i * step)] for i in range(min(SHEET, len(once)))]
    return [(entry.split, entry.path, entry.tags) for entry in chosen]
