"""The tags-only audit of a run on a prepared folder: its masks are known by place and content."""

import csv
import os
import shutil

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.data.prepare.items import About, Item
from wsss_tf.data.prepare.writing import write_prepared
from wsss_tf.files import sha256, write_json
from wsss_tf.images import read_label_map
from wsss_tf.training import open_run_data, run_stages
from wsss_tf.training.audit import audit


@pytest.fixture
def prepared(tagged_root, tmp_path):
    """The photos of the tagged folder, prepared as another preparation would."""
    with open(tagged_root / "tags.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    items = []
    for row in rows:
        path = tagged_root / row["photo"]
        mask = tagged_root / "masks" / f"{path.stem}.png"
        items.append(
            Item(
                path.stem,
                path.suffix,
                path.read_bytes,
                lambda mask=mask: read_label_map(mask),
                tuple(row["tags"].split()),
                (row["split"],),
            )
        )
    about = About("pets", "pets", ("background", "cat", "dog"), ())
    out = tmp_path / "prepared"
    write_prepared(out, items, about, workers=2, progress=lambda done, total: None)
    return out


@pytest.fixture
def run(prepared, tmp_path):
    """A run with its record, before its first stage."""
    changes = (
        "data.source=prepared",
        f"data.root={prepared}",
        "backbone={weights: compact, width: 0.125}",
    )
    return run_stages(load_recipe("tagged_folder", changes), tmp_path / "run", until=None)


def test_an_honest_run_passes_and_lists_what_it_read(run, prepared):
    found = audit(run, open_run_data(run, "val"))
    assert found.passed
    assert found.labels == 6
    listed = {os.path.relpath(path, prepared) for path in run.record()["files"]}
    assert {"data.json", "tags.csv", "lists/train.txt", "lists/val.txt"} <= listed
    assert not any(name.startswith("masks") for name in listed)


@pytest.mark.parametrize("copied", [False, True])
def test_a_mask_is_found_by_its_place_and_by_its_content(run, prepared, tmp_path, copied):
    path = prepared / "masks" / "b.png"
    if copied:
        path = shutil.copy(path, tmp_path / "innocent.png")
    record = run.record()
    files = {**record["files"], str(path): sha256(path)}
    write_json(run.record_path, {**record, "files": files})
    found = audit(run, open_run_data(run, "val"))
    assert not found.passed
    assert len(found.pixel_labels) == 1
    assert ("is a copy of" if copied else "lies in") in found.pixel_labels[0]
