"""The run folder: one recipe a folder, one process at a time, and a true record."""

import json
import shutil
import subprocess
import sys

import pytest

from wsss_tf.config import load_recipe
from wsss_tf.errors import RunError
from wsss_tf.labels import LabelSpace
from wsss_tf.training.run_folder import RunFolder


@pytest.fixture
def recipe():
    return load_recipe("scenes")


def test_a_new_run_holds_its_resolved_recipe_and_versions(tmp_path, recipe):
    with RunFolder.open(tmp_path / "run", recipe) as run:
        assert RunFolder.existing(run.path).recipe == recipe
        record = run.record()
    assert record["versions"]["keras"]
    assert record["seed"] == 0
    assert len(record["recipe_sha256"]) == 64


def test_another_recipe_names_the_keys_that_differ(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe) as run:
        (run.path / "localize").mkdir()
        (run.path / "localize" / "checkpoint.npz").touch()
    other = load_recipe("scenes", ["segment.batch_size=3", "masks.alpha=0.25"])
    with (
        pytest.raises(RunError, match=r"different: masks.alpha, segment.batch_size"),
        RunFolder.open(tmp_path, other),
    ):
        pass
    assert RunFolder.existing(tmp_path).recipe == recipe


def test_a_run_that_failed_before_its_first_result_may_change_its_recipe(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe):
        pass
    other = load_recipe("scenes", ["seed=5"])
    with RunFolder.open(tmp_path, other) as run:
        assert run.record()["seed"] == 5
        assert RunFolder.existing(tmp_path).recipe == other


def test_a_run_without_its_record_is_one_message(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe) as run:
        run.record_path.unlink()
    with pytest.raises(RunError, match=r"run\.json: cannot be read"):
        _ = RunFolder.existing(tmp_path).labels


def test_a_run_that_never_began_is_one_message(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe) as run, pytest.raises(RunError, match="before it began"):
        _ = run.labels


def test_a_place_that_cannot_hold_a_run_is_one_message(tmp_path, recipe):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match="cannot be written"),
        RunFolder.open(tmp_path / "file" / "run", recipe),
    ):
        pass


def test_foreign_files_and_a_file_are_refused(tmp_path, recipe):
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(RunError, match="not of a run"), RunFolder.open(tmp_path, recipe):
        pass
    with (
        pytest.raises(RunError, match="this is a file"),
        RunFolder.open(tmp_path / "holiday.jpg", recipe),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_second_process_is_refused(tmp_path, recipe):
    program = (
        "import sys; from pathlib import Path; from wsss_tf.config import load_recipe\n"
        "from wsss_tf.errors import RunError; from wsss_tf.training.run_folder import RunFolder\n"
        "try:\n    with RunFolder.open(Path(sys.argv[1]), load_recipe('scenes')): pass\n"
        "except RunError as error: sys.exit(f'refused: {error}')\n"
    )
    with RunFolder.open(tmp_path, recipe):
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
        )
    assert other.returncode == 1
    assert "refused" in other.stderr
    assert "in use" in other.stderr


def test_a_changed_photo_is_noticed(tmp_path, recipe):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"one")
    with RunFolder.open(tmp_path / "run", recipe) as run:
        run.record_files([photo])
        run.record_files([photo])
        photo.write_bytes(b"two")
        with pytest.raises(RunError, match=r"photo.jpg: changed"):
            run.record_files([photo])


def test_other_classes_are_noticed(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe) as run:
        run.record_labels(LabelSpace(("background", "cat")))
        with pytest.raises(RunError, match="background, dog"):
            run.record_labels(LabelSpace(("background", "dog")))
        assert run.labels.names == ("background", "cat")


def test_seconds_of_a_resumed_stage_add_up(tmp_path, recipe):
    with RunFolder.open(tmp_path, recipe) as run:
        run.record_stage("masks", 1.5)
        run.record_stage("masks", 2.0)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["stages"]["masks"]["seconds"] == 3.5


def test_a_record_that_is_no_object_is_named(tiny_run, tmp_path):
    run = RunFolder.existing(shutil.copytree(tiny_run.path, tmp_path / "run"))
    run.record_path.write_text("[]")
    with pytest.raises(RunError, match=r"run\.json: must be a JSON object"):
        run.record()
