"""A check as plain data."""

from __future__ import annotations

from typing import Any

from wsss_tf.data.checking.check import Check
from wsss_tf.data.checking.facts import relative
from wsss_tf.data.checking.text import printable


def summary(check: Check) -> dict[str, Any]:
    """A check as plain data for JSON: every finding, and the figures in full."""
    root = check.layout.root
    numbers = check.figures
    return {
        "format": 1,
        "folder": printable(str(root)),
        "layout": check.layout.name,
        "would_train": check.would_train,
        "train_split": check.train_split,
        "eval_split": check.eval_split,
        "labels": [printable(name) for name in check.labels.names] if check.labels else None,
        "photos": len(check.photos),
        "masks": check.masks,
        "decoded": check.deep,
        "splits": check.splits,
        "findings": [
            {
                "kind": group.kind.key,
                "severity": group.kind.severity.name.lower(),
                "title": group.kind.title,
                "count": len(group.findings),
                "items": [
                    {
                        "text": printable(finding.text),
                        "photo": printable(relative(finding.photo, root))
                        if finding.photo
                        else None,
                    }
                    for finding in group.findings
                ],
            }
            for group in check.groups
        ],
        "frequencies": {
            split: dict(zip(map(printable, numbers.classes), counts.tolist(), strict=True))
            for split, counts in numbers.frequencies.items()
        },
        "together": numbers.together.tolist(),
        "longer_side": dict(numbers.sides),
        "sizes": [list(size) for size in numbers.sizes],
    }
