"""The bundle of a run: what it holds, that it is what it says, and when nothing is written."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

import wsss_tf
from wsss_tf.config import CrfSettings, RegionSettings, recipe_digest
from wsss_tf.export.bundle import export_bundle
from wsss_tf.export.card import model_card
from wsss_tf.export.contract import Parts
from wsss_tf.files import sha256, write_json
from wsss_tf.training import RunFolder

pytestmark = pytest.mark.slow  # Making the bundle takes a minute.

FORMS = [
    "onnx fp32",
    "onnx fp16",
    "onnx int8",
    "saved_model serving_default",
    "saved_model jpeg",
    "saved_model serving_default_crf",
    "saved_model jpeg_crf",
    "saved_model serving_default_crf_regions",
    "onnx crf",
]


@pytest.fixture(scope="module")
def about(bundle):
    return json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))


def test_says_what_it_is(about, lively_run):
    names = lively_run.labels.names
    checkpoint = lively_run.stage("segment") / "checkpoint.npz"
    assert about["format"] == 1
    assert about["wsss_tf"] == wsss_tf.__version__
    assert tuple(about["labels"]) == names
    assert about["palette"][:2] == [[0, 0, 0], [128, 0, 0]]
    assert len(about["palette"]) == len(names)
    assert about["unknown"] == 255
    assert about["recipe_sha256"] == recipe_digest(lively_run.recipe)
    assert about["weights_sha256"] == sha256(checkpoint)
    assert about["views"] == {"scales": [1.0], "flip": False, "side": 64, "grid_side": 2048}
    assert about["input"]["max_side"] == 1024
    assert about["saved_model"] == "saved_model/1"
    assert about["tf_serving"] == {"model": "wsss_tf", "folder": "tf_serving"}
    assert about["models"] == {
        "fp32": "onnx/model.onnx",
        "fp16": "onnx/model.fp16.onnx",
        "int8": "onnx/model.int8.onnx",
    }
    crf = about["crf"]
    assert (crf["file"], crf["regions"], crf["max_side"]) == ("onnx/crf.onnx", False, 1024)
    assert crf["settings"]["bilateral_sigma"] == 20.0


def test_lists_every_file_with_its_digest(about, bundle):
    there = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert set(about["files"]) == there - {"bundle.json"}
    for name, entry in about["files"].items():
        assert entry == {"sha256": sha256(bundle / name), "bytes": (bundle / name).stat().st_size}
    expected = {"README.md", "onnx/crf.onnx", "saved_model/1/saved_model.pb"}
    assert expected | set(about["models"].values()) <= there
    assert not [name for name in there if "lock" in name or "tmp" in name]


def test_onnx_files_say_it_too(about, bundle):
    for name in (*about["models"].values(), about["crf"]["file"]):
        model = onnx.load(bundle / name)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(metadata["wsss_tf.labels"]) == about["labels"], name
        assert json.loads(metadata["wsss_tf.palette"]) == about["palette"]
        assert json.loads(metadata["wsss_tf.input"]) == about["input"]
        assert metadata["wsss_tf.weights_sha256"] == about["weights_sha256"]
        assert metadata["wsss_tf.recipe_sha256"] == about["recipe_sha256"]
        assert metadata["wsss_tf.format"] == "1"


def test_every_form_is_in_the_parity_table(about):
    rows = {row["form"]: row for row in about["parity"]}
    assert list(rows) == FORMS
    assert all(row["photos"] == 3 for row in rows.values())
    assert all(row["miou"] is not None for row in rows.values())
    # A classifier drawn at random has no margins, so fewer bits may miss their bars.
    exact = set(FORMS) - {"onnx fp16", "onnx int8"}
    assert [name for name in exact if not rows[name]["passed"]] == []
    assert rows["onnx fp16"]["agreement"] > 0.995
    assert rows["onnx int8"]["agreement"] > 0.8
    assert about["forced"] is any(not row["passed"] for row in rows.values())
    assert rows["onnx fp32"]["max_difference"] < 1e-4
    assert rows["saved_model jpeg"]["max_difference"] is None


def test_the_card_tells_classes_parity_and_next_commands(about, bundle):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in card for name in about["labels"])
    assert all(form in card for form in FORMS)
    for words in ("wsss-tf predict . PHOTOS", "onnx/model.int8.onnx", "jpeg_crf", "onnx/crf.onnx"):
        assert words in card
    assert about["weights_sha256"] in card
    assert ("--force" in card) is about["forced"]


def test_the_card_tells_how_to_serve_as_the_server_itself_does(bundle):
    from wsss_tf.serving.server import request_to_paste
    from wsss_tf.serving.server_command import ServerCommand
    from wsss_tf.serving.server_process import Server

    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "wsss-tf serve .\n" in card
    assert "docker compose -f tf_serving/docker-compose.yml --profile cpu up -d" in card
    server = Server(ServerCommand(), "http://127.0.0.1:8501", "wsss_tf")
    lines = [line.strip() for line in request_to_paste(server).splitlines()]
    request = [line for line in lines if line and not line.startswith("From ")]
    assert len(request) == 6
    assert [line for line in request if line not in card] == []


def test_the_command_shows_the_table_and_its_steps(exported):
    result, out = exported
    assert all(form in result.stdout for form in FORMS)
    assert f"Written: {out}" in result.stdout
    assert "onnx/model.int8.onnx: taking ranges from 12 training photos" in result.stderr


def test_serving_opens_it(bundle, predictor, lively_run):
    """The other half of the contract: what reads bundles finds this one sound."""
    from wsss_tf.images import read_photo
    from wsss_tf.serving import Segmenter

    photo = sorted((lively_run.data_root / "images").glob("val_*"))[0]
    (found,) = Segmenter(bundle)([photo])
    np.testing.assert_array_equal(found.labels, predictor(read_photo(photo)))


def test_views_and_regions_of_the_recipe_are_in_the_onnx_files(lively_run, tmp_path):
    regions = RegionSettings(method="felzenszwalb", counts=(10, 40))
    crf = CrfSettings(mode="lattice", bilateral_sigma=20.0, iterations=3, regions=regions)
    update = {"scales": (0.75, 1.0), "flip": True, "crf": crf}
    inference = lively_run.recipe.inference.model_copy(update=update)
    recipe = lively_run.recipe.model_copy(update={"inference": inference})
    run = RunFolder(lively_run.path, recipe)
    about = export_bundle(run, tmp_path / "bundle", Parts(onnx=True), photos=2)
    assert [row["form"] for row in about["parity"]] == [
        "onnx fp32",
        "onnx crf",
        "onnx crf with regions",
    ]
    assert not about["forced"]
    assert about["crf"]["regions"] is True
    assert about["crf"]["region_settings"]["counts"] == [10, 40]
    assert about["crf"]["settings"]["mode"] == "lattice"
    assert (about["views"]["scales"], about["views"]["flip"]) == ([0.75, 1.0], True)
    assert about["saved_model"] is None
    assert about["tf_serving"] is None
    assert not (tmp_path / "bundle" / "tf_serving").exists()
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "at scales 0.75, 1 and mirrored" in card
    assert "regions` int32" in card
    assert "serving_default" not in card


@pytest.mark.parametrize("of_now", [True, False])
def test_the_card_has_scores_of_this_network_alone(about, lively_run, tmp_path, of_now):
    run = RunFolder(tmp_path, lively_run.recipe)
    checkpoint = about["weights_sha256"] if of_now else "0" * 64
    scores = {"split": "val", "photos": 3, "miou": 0.5, "checkpoint": checkpoint}
    write_json(run.stage("report") / "evaluate_val.json", scores)
    assert ("3 photos, without a CRF: 50.0" in model_card(about, run)) == of_now
