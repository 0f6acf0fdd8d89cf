"""A small COCO in the official layout: zip files or folders, with photos made on the spot."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# The official file's categories that the tests use, with the gap between 11 and 13.
CATEGORIES = [
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "outdoor", "id": 11, "name": "fire hydrant"},
    {"supercategory": "outdoor", "id": 13, "name": "stop sign"},
    {"supercategory": "indoor", "id": 89, "name": "hair drier"},
    {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
]


class Edition:
    """What the annotation files and the photo folders hold; a test may change it before `write`.

    Attributes:
        documents: the content of instances_*.json by part, such as "train2014".
        photos: bytes of the photos by part and file name.
    """

    def __init__(self, year: int = 2014) -> None:
        self.year = year
        self.documents: dict[str, dict[str, Any]] = {}
        self.photos: dict[str, dict[str, bytes]] = {}
        for split in ("train", "val"):
            part = f"{split}{year}"
            self.documents[part] = {
                "info": {"year": year},
                "images": [],
                "licenses": [],
                "annotations": [],
                "categories": CATEGORIES,
            }
            self.photos[part] = {}

    def image(self, part: str, number: int, height: int = 24, width: int = 30) -> dict[str, Any]:
        """Adds a photo and its entry."""
        prefix = f"COCO_{part}_" if self.year == 2014 else ""
        name = f"{prefix}{number:012d}.jpg"
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG")
        self.photos[part][name] = buffer.getvalue()
        entry = {"license": 1, "file_name": name, "height": height, "width": width, "id": number}
        self.documents[part]["images"].append(entry)
        return entry

    def annotation(self, part: str, image: int, segmentation: Any, **changes: Any) -> dict:
        """Adds an annotation: a person of 100 pixels, unless changed."""
        annotations = self.documents[part]["annotations"]
        entry = {
            "segmentation": segmentation,
            "area": 100.0,
            "iscrowd": 0,
            "image_id": image,
            "bbox": [0, 0, 1, 1],
            "category_id": 1,
            "id": len(annotations) + 1,
            **changes,
        }
        annotations.append(entry)
        return entry

    def write(self, root: Path, *, zipped: bool = True) -> Path:
        """Writes the archives, or the folders that they unpack to."""
        root.mkdir(parents=True, exist_ok=True)
        groups: dict[str, dict[str, bytes]] = {}
        for part, document in self.documents.items():
            name = f"annotations/instances_{part}.json"
            group = groups.setdefault(f"annotations_trainval{self.year}", {})
            group[name] = json.dumps(document).encode()
            photos = self.photos[part].items()
            groups[part] = {f"{part}/{name}": content for name, content in photos}
        for group, files in groups.items():
            if zipped:
                with zipfile.ZipFile(root / f"{group}.zip", "w") as archive:
                    for name, content in files.items():
                        archive.writestr(name, content)
                continue
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
        return root


@pytest.fixture
def edition() -> type[Edition]:
    """The class: a test makes one of a year."""
    return Edition
