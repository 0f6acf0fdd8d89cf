"""The tags-only audit: the pixel labels that it finds among the files read, and its refusals."""

import dataclasses
import json
import os
import shutil

import pytest
from click.testing import CliRunner

from wsss_tf.cli.main import main
from wsss_tf.config import load_recipe
from wsss_tf.errors import RunError
from wsss_tf.files import write_json
from wsss_tf.nets.application_weights import downloaded_files
from wsss_tf.training import RunFolder, open_run_data, run_stages
from wsss_tf.training import run as run_module
from wsss_tf.training.audit import audit, require_tags_only


@pytest.fixture
def recipe(tagged_root):
    changes = (f"data.root={tagged_root}", "backbone={weights: compact, width: 0.125}")
    return load_recipe("tagged_folder", changes)


@pytest.fixture
def run(recipe, tmp_path):
    """A run with its record, before its first stage."""
    return run_stages(recipe, tmp_path / "run", until=None)


@pytest.fixture
def dataset(run):
    return open_run_data(run, "val")


def edit(run, **changes):
    write_json(run.record_path, {**run.record(), **changes})


def by_path(mask, folder):
    return mask


def by_another_spelling(mask, folder):
    return mask.parent / ".." / mask.parent.name / mask.name


def by_symbolic_link(mask, folder):
    (folder / "link.jpg").symlink_to(mask)
    return folder / "link.jpg"


def by_linked_folder(mask, folder):
    (folder / "photos").symlink_to(mask.parent)
    return folder / "photos" / mask.name


def by_hard_link(mask, folder):
    os.link(mask, folder / "hard.jpg")
    return folder / "hard.jpg"


def by_copy(mask, folder):
    return shutil.copy(mask, folder / "copy.jpg")


def below(mask, folder):
    path = mask.parent / "more" / "x.bin"
    path.parent.mkdir()
    path.write_bytes(b"any")
    return path


def test_an_honest_run_passes(run, dataset):
    found = audit(run, dataset)
    assert found.passed
    # tags.csv, 3 training photos, the compact weights; 3 other photos.
    labels = len(list(dataset.mask_folder.iterdir()))
    assert found.summary() == {"files": 8, "labels": labels, "passed": True, "changed": 0}
    assert str(found) == (
        "Audit: 8 files read before evaluation, no pixel label among them, "
        f"by place and by the content of {labels} labels."
    )
    assert require_tags_only(run, dataset) == found


def test_an_audit_without_labels_says_that_it_compared_with_none(run, dataset):
    shutil.rmtree(dataset.mask_folder)
    found = audit(run, dataset)
    assert found.passed
    assert found.labels == 0
    assert str(found).endswith("no label is here whose content could be compared.")


@pytest.mark.parametrize("kind", ["files", "headers"])
@pytest.mark.parametrize(
    ("trick", "words"),
    [
        (by_path, "lies in"),
        (by_another_spelling, "lies in"),
        (by_symbolic_link, "lies in"),
        (by_linked_folder, "lies in"),
        (below, "lies in"),
        (by_hard_link, "is the pixel label .*b.png by another name"),
        (by_copy, "is a copy of the pixel label .*b.png"),
    ],
)
def test_a_pixel_label_is_found_by_any_name(run, dataset, tmp_path, trick, words, kind):
    path = trick(dataset.mask_folder / "b.png", tmp_path)
    run.record_files([path], kind=kind)
    found = audit(run, dataset)
    assert not found.passed
    assert len(found.pixel_labels) == 1
    with pytest.raises(RunError, match=f"{path.name} {words}"):
        require_tags_only(run, dataset)


def test_only_the_first_of_many_are_named(run, dataset):
    run.record_files(sorted(dataset.mask_folder.iterdir()))
    with pytest.raises(RunError, match=r"(?s)/a\.png.*/e\.png.*and 1 more pixel labels\nIt is no"):
        require_tags_only(run, dataset)


def test_a_mask_read_through_a_link_that_is_gone_is_known_by_its_bytes(run, dataset, tmp_path):
    link = by_symbolic_link(dataset.mask_folder / "a.png", tmp_path)
    run.record_files([link])
    link.unlink()
    link.write_bytes(b"a harmless file")
    assert "copy of the pixel label" in audit(run, dataset).pixel_labels[0]


def test_masks_that_are_linked_into_their_folder_are_known_where_they_are(run, dataset, tmp_path):
    mask, store = dataset.mask_folder / "a.png", tmp_path / "store.png"
    mask.rename(store)
    mask.symlink_to(store)
    run.record_files([store])
    store.write_bytes(store.read_bytes() + b"changed since")
    assert "by another name" in audit(run, dataset).pixel_labels[0]


def test_without_masks_their_folder_still_counts(run, dataset):
    run.record_files([dataset.mask_folder / "a.png"])
    shutil.rmtree(dataset.mask_folder)
    assert "lies in" in audit(run, dataset).pixel_labels[0]


def test_other_folders_of_pixel_labels_count(run, dataset, tmp_path):
    other = tmp_path / "SegmentationObject"
    other.mkdir()
    (other / "a.png").write_bytes(b"objects")
    run.record_files([other / "a.png"])
    assert audit(run, dataset).passed
    found = audit(run, dataclasses.replace(dataset, other_truth=(other,)))
    assert "SegmentationObject" in found.pixel_labels[0]


def test_a_stage_that_opens_a_mask_fails_the_audit(recipe, tmp_path, monkeypatch):
    honest = run_module.files_read

    def poisoned(recipe, dataset):
        yield from honest(recipe, dataset)
        yield dataset.truth("train")["a"]

    monkeypatch.setattr(run_module, "files_read", poisoned)
    run = run_stages(recipe, tmp_path / "run", until=None)
    result = CliRunner().invoke(main, ["evaluate", str(run.path), "--audit"])
    assert result.exit_code == 2, result.output
    assert "a.png lies in" in result.stderr
    assert not (run.path / "report").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {}},
        {"files": None},
        {"files": ["tags.csv"]},
        {"files": {"tags.csv": None}},
        {"headers": {"photo.jpg": "no digest"}},
        {"kept": {"regions.npz": "a digest"}},
    ],
)
def test_a_record_without_a_sound_list_is_refused(run, dataset, changes):
    edit(run, **changes)
    assert not audit(run, dataset).passed
    with pytest.raises(RunError, match=r"unfinished or edited"):
        require_tags_only(run, dataset)


@pytest.mark.parametrize("kind", ["files", "headers"])
def test_a_record_of_an_earlier_version_is_refused_until_train_is_called_again(run, dataset, kind):
    record = run.record()
    del record[kind]
    write_json(run.record_path, {"files": {}, **record})
    with pytest.raises(RunError, match="Call `wsss-tf train` on it again"):
        require_tags_only(run, dataset)
    run_stages(run.recipe, run.path, until=None)
    assert require_tags_only(run, dataset).files == 8


@pytest.mark.parametrize(("kind", "name"), [("files", "b.jpg"), ("headers", "d.jpg")])
def test_a_file_taken_off_the_list_is_missed(run, dataset, kind, name):
    listed = run.record()[kind]
    edit(run, **{kind: {path: digest for path, digest in listed.items() if name not in path}})
    with pytest.raises(RunError, match=rf"run\.json lacks .*{name}"):
        require_tags_only(run, dataset)


def test_a_run_and_data_that_moved_are_known_by_their_content(run, tagged_root, tmp_path):
    run.record_files([shutil.copy(tagged_root / "masks" / "c.png", tmp_path / "copy.png")])
    moved = tmp_path / "moved"
    tagged_root.rename(moved)
    text = (run.path / "recipe.yaml").read_text()
    (run.path / "recipe.yaml").write_text(text.replace(str(tagged_root), str(moved)))
    run = RunFolder.existing(run.path)
    found = audit(run, open_run_data(run, "val"))
    assert not found.gaps
    assert not found.changed
    assert [line.partition(" ")[0] for line in found.pixel_labels] == [str(tmp_path / "copy.png")]


def test_files_that_changed_are_told_and_are_no_failure(run, dataset, caplog):
    photo = dataset.split("train")[0].path
    photo.write_bytes(photo.read_bytes() + b"\0")
    assert require_tags_only(run, dataset).changed == (photo,)
    assert f"1 files have changed since the run read them, {photo} the first" in caplog.text


def test_evaluate_audits_when_asked(tiny_run, tmp_path):
    out = tmp_path / "scores.json"
    for options, expected in (
        (["--audit"], {"files": 18, "labels": 15, "passed": True, "changed": 0}),
        ([], None),
    ):
        arguments = ["evaluate", str(tiny_run.path), "--no-crf", "--out", str(out), *options]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        line = "Audit: 18 files read before evaluation, no pixel label among them, by place and "
        assert (line in result.stdout) == bool(options)
        assert json.loads(out.read_text()).get("audit") == expected


def test_weights_that_keras_downloaded_are_found_where_it_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert downloaded_files() == ()
    (tmp_path / "models").mkdir()
    names = [f"vgg16_weights_tf_dim_ordering_tf_kernels{top}.h5" for top in ("", "_notop")]
    for name in (*names, "vgg19_weights_tf_dim_ordering_tf_kernels.h5"):
        (tmp_path / "models" / name).touch()
    assert [path.name for path in downloaded_files()] == names
