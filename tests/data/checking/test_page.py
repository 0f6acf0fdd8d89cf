"""The page and the command around it: one file, escaped names, whole or absent."""

from __future__ import annotations

import base64
import io
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from wsss_tf.config import DataSettings
from wsss_tf.data import open_dataset


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]


def test_the_page_holds_findings_figures_and_a_contact_sheet(clean, command, tmp_path, sources_of):
    clean.photo("x.jpg", "train", "cat dog")
    clean.mask("x", 1)
    page = tmp_path / "page.html"
    result = command("data", "check", clean.finish(), "--html", page)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources_of(text))
    for part in ("findings", "classes", "together", "sizes", "photos", "tags_without_pixels"):
        assert f'id="{part}"' in text
    assert "images/x.jpg: dog" in text
    # One of the finding, five of the sheet.
    drawn = pictures(text)
    assert len(drawn) == 6
    assert all(picture.size == (16, 12) for picture in drawn)


def test_masks_are_drawn_over_the_photos(clean, command, tmp_path):
    clean.write("images/d.jpg", _flat())
    clean.rows.append("images/y.jpg,train,cat")
    clean.write("images/y.jpg", _flat(20))
    page = tmp_path / "page.html"
    command("data", "check", clean.finish(), "--html", page)
    drawn = [np.asarray(picture).astype(int) for picture in pictures(page.read_text("utf-8"))]
    # d is all cat, whose colour is (128, 0, 0), over grey; y has no mask.
    with_mask, without = drawn[-2], drawn[-1]
    assert abs(with_mask.mean((0, 1)) - (128, 64, 64)).max() < 6
    assert abs(without.mean((0, 1)) - 20).max() < 6


def _flat(value=128):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (value,) * 3).save(buffer, "JPEG")
    return buffer.getvalue()


ODD = 'a<img src=x onerror="alert(1)">&\n\x1b[31m é\u202e'


def test_odd_names_are_escaped_everywhere(clean, run, command, tmp_path):
    clean.write(f"images/{ODD}.jpg", _flat())
    # As CSV has it: quotes doubled, in quotes.
    doubled = ODD.replace('"', '""')
    clean.rows.append(f'"images/{doubled}.jpg",train,"""<b>cat</b>"" dog"')
    clean.write(f"masks/{ODD}.png", b"no mask")
    root = clean.finish()
    page = tmp_path / "page.html"
    result = command("data", "check", root, "--html", page)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert "<b>cat</b>" not in text
    assert "&lt;b&gt;cat&lt;/b&gt;" in text
    assert 'onerror="' not in text
    assert "a&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;\\n\\x1b[31m é\\u202e.jpg" in text
    for output in (text, result.stdout):
        assert "\x1b" not in output
        assert "\u202e" not in output
    assert run(root).counts["mask_unreadable"] == 1


def test_a_name_that_is_no_text_is_shown(clean, run, command, tmp_path):
    name = os.fsdecode(b"images/\xff.jpg")
    clean.write(name, _flat())
    page = tmp_path / "page.html"
    root = clean.finish()
    assert command("data", "check", root, "--html", page).exit_code == 0
    assert "images/\\udcff.jpg" in page.read_text(encoding="utf-8")
    assert run(root).items["unlisted"][0]["text"] == "images/\\udcff.jpg"


def test_a_page_of_no_photo_is_a_page(tmp_path, command):
    (tmp_path / "empty").mkdir()
    result = command("data", "check", tmp_path / "empty", "--html", tmp_path / "page.html")
    assert result.exit_code == 1
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "It is empty." in text
    assert pictures(text) == []


def test_the_sheet_is_a_sample_of_many(folder, command, tmp_path):
    for number in range(130):
        folder.photo(f"{number}.jpg", "val" if number > 119 else "train", "cat")
    page = tmp_path / "page.html"
    command("data", "check", folder.finish(), "--html", page)
    text = page.read_text(encoding="utf-8")
    assert len(pictures(text)) == 60
    assert "60 of 130, evenly spaced" in text
    assert text.count("<b>val</b>") == 4


@pytest.mark.parametrize(
    ("option", "name"), [("--html", "tags.csv"), ("--json", "a.jpg"), ("--json", "old.json")]
)
def test_no_file_of_the_data_is_overwritten(clean, command, option, name):
    root = clean.finish()
    (root / "old.json").write_text("{}")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    result = command("data", "check", root, option, root / name)
    assert result.exit_code == 2
    assert "whose content would be lost" in result.output
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_file_that_cannot_be_written_is_an_error(clean, command, tmp_path, option):
    target = tmp_path / "file"
    target.write_text("not a folder")
    result = command("data", "check", clean.finish(), option, target / f"out.{option[2:]}")
    assert result.exit_code == 2
    assert "cannot be written" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("no_such_folder",), "does not exist"),
        ((), "Missing argument 'DIR'"),
        ((".", "--label-space", "vok"), "vok"),
        ((".", "--train-split", "a b"), "--train-split"),
    ],
)
def test_a_wrong_call_ends_with_2(command, arguments, part):
    result = command("data", "check", *arguments)
    assert result.exit_code == 2
    assert part in result.output
    assert "Traceback" not in result.output


def test_an_unknown_class_to_keep_would_fail_training(clean, run):
    found = run(clean.finish(), "--keep", "kat")
    assert found.result.exit_code == 1
    assert "Did you mean 'cat'" in found.items["lists"][0]["text"]


def test_a_check_changes_nothing_and_loads_nothing_heavy(clean):
    root = clean.finish()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    source = (
        "import sys\n"
        "from wsss_tf.data.checking import CheckOptions, check_folder, check_text\n"
        "from pathlib import Path\n"
        "check_text(check_folder(Path(sys.argv[1]), CheckOptions()))\n"
        "heavy = {'tensorflow', 'keras', 'scipy', 'skimage', 'jinja2', 'matplotlib'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", source, root], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


# Looking at a photo takes half a second, and the first look is told by a file.
SLOW = """
import sys, time
from pathlib import Path
from wsss_tf.cli.main import main
from wsss_tf.data.checking import scanning

def slow(path, **options):
    Path(sys.argv[-1]).touch()
    time.sleep(0.5)
    return quick(path, **options)

quick, scanning.check_photo = scanning.check_photo, slow
main(sys.argv[1:-1])
"""


def test_ctrl_c_ends_at_once_and_leaves_no_file(folder, tmp_path):
    for number in range(60):
        folder.photo(f"{number}.jpg", "train", "cat")
    page, started = tmp_path / "page.html", tmp_path / "started"
    arguments = ["data", "check", folder.finish(), "--html", page, started]
    command = [sys.executable, "-c", SLOW, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(600):
        if started.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.rstrip().endswith("Stopped.")
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == [folder.root, started]


@pytest.mark.real
def test_the_real_animals_lack_two_classes_and_have_no_problem(real, run):
    root = real / "voc_animals"
    found = run(root, "--label-space", "voc")
    assert found.result.exit_code == 0
    assert found.counts == {"no_photos": 2}
    assert [one["text"] for one in found.items["no_photos"]] == ["aeroplane", "train"]
    assert found.data["masks"] == 1145
    settings = DataSettings(source="tagged_folder", root=root, label_space="voc")
    matrix = open_dataset(settings, root=root).tag_matrix("train")
    frequencies = list(found.data["frequencies"]["train"].values())
    assert frequencies == matrix.sum(0).astype(int).tolist()
