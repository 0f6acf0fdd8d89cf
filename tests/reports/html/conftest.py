"""Evaluations as `wsss-tf evaluate` writes them, and the eyes of a browser."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a page holds: tags with attributes, visible text, and whether its elements nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open, self.unbalanced = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def parse():
    return Page


@pytest.fixture
def evaluation():
    """evaluation(names, **changes) -> the content of an evaluate_SPLIT.json."""

    def make(names, **changes):
        classes = len(names)
        counts = np.eye(classes, dtype=int) * 90 + 10
        hits = np.diagonal(counts)
        iou = hits / (counts.sum(axis=0) + counts.sum(axis=1) - hits)
        widths = list(range(1, 41))
        content = {
            "kind": "predictions",
            "split": "val",
            "photos": 3,
            "crf": None,
            "scales": [1.0],
            "flip": False,
            "classes": list(names),
            "miou": float(iou.mean()),
            "iou": dict(zip(names, iou.tolist(), strict=True)),
            "pixel_accuracy": float(hits.sum() / counts.sum()),
            "mean_class_accuracy": float((hits / counts.sum(axis=1)).mean()),
            "miou_interval": {"level": 0.95, "resamples": 9, "seed": 0, "low": 0.4, "high": 0.6},
            "foreground_miou": 0.7,
            "confusion": counts.tolist(),
            "trimap": {"width": widths, "pixel_accuracy": [0.5] * 40, "miou": [None] + [0.4] * 39},
            "seconds": {"predict": 1.0, "score": 0.1},
        }
        return {**content, **changes}

    return make


@pytest.fixture
def write_evaluation(evaluation):
    """write_evaluation(folder, name, names, ids, **changes): the .json and its .jsonl."""

    def write(folder, name, names, ids, **changes):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(evaluation(names, **changes)))
        rows = [
            {"id": photo, "miou": 0.9 - 0.1 * i, "pixel_accuracy": 0.8}
            for i, photo in enumerate(ids)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write
