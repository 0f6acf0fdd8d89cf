"""Opening a bundle: a sound one, and every way to be damaged, foreign or too new."""

from __future__ import annotations

import os
import shutil

import pytest

from wsss_tf.errors import BundleError
from wsss_tf.serving import Segmenter, is_bundle, open_bundle


def test_a_sound_bundle_opens(bundle):
    found = open_bundle(bundle)
    assert found.labels.names == ("background", "cat", "dog")
    assert found.contract.input.max_side == 1024
    assert is_bundle(bundle)
    assert not is_bundle(bundle / "onnx")


def test_what_a_later_version_adds_within_a_format_is_no_error(tiny, bundle):
    tiny.edit(bundle, lambda about: about.update(new={"a": 1}))
    assert open_bundle(bundle).contract.format == 1


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "missing": (lambda path: path.unlink(), "onnx/model.onnx: is missing"),
    "changed": (flipped, "onnx/model.onnx: is changed (SHA-256)"),
    "truncated": (lambda path: os.truncate(path, 100), "onnx/model.onnx: has 100 bytes instead"),
    "empty": (lambda path: os.truncate(path, 0), "onnx/model.onnx: has 0 bytes instead"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "onnx/model.onnx: is missing"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "onnx/model.onnx: is missing"),
    "foreign": (
        lambda path: shutil.copy(path, path.with_name("other.onnx")),
        "onnx/other.onnx: is foreign",
    ),
    "weights beside it": (
        lambda path: path.with_name("model.onnx.data").write_bytes(b"0"),
        "onnx/model.onnx.data: is foreign",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named(bundle, damage, message):
    damage(bundle / "onnx" / "model.onnx")
    with pytest.raises(BundleError) as caught:
        Segmenter(bundle)
    assert message in str(caught.value)
    assert "Get the bundle again, or export it anew." in str(caught.value)


def test_all_damage_is_told_at_once(bundle):
    (bundle / "README.md").unlink()
    flipped(bundle / "onnx" / "model.onnx")
    with pytest.raises(BundleError, match=r"(?s)model.onnx: is changed.*README.md: is missing"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", ["../outside.onnx", "{tmp}/outside.onnx", "onnx/link.onnx"])
def test_no_path_leads_outside(tiny, bundle, tmp_path, name):
    outside = tmp_path / "outside.onnx"
    shutil.copy(bundle / "onnx" / "model.onnx", outside)
    (bundle / "onnx" / "link.onnx").symlink_to(outside)
    name = name.format(tmp=tmp_path)
    tiny.edit(bundle, lambda about: about["files"].update({name: tiny.entry(b"")}))
    tiny.edit(bundle, lambda about: about["models"].update(fp32=name))
    with pytest.raises(BundleError, match="must stay inside"):
        open_bundle(bundle)


def test_a_newer_format_is_refused_by_its_number(tiny, bundle):
    tiny.edit(bundle, lambda about: (about.clear(), about.update(format=2, wsss_tf="9.1.0")))
    with pytest.raises(BundleError, match=r"format 2, written by wsss-tf 9\.1\.0\. Upgrade"):
        open_bundle(bundle)


CONTRACTS = {
    "format": (lambda about: about.update(format="1"), "format"),
    "no format": (lambda about: about.pop("format"), "format"),
    "no labels": (lambda about: about.pop("labels"), "labels"),
    "labels without background": (lambda about: about.update(labels=["cat"]), "background"),
    "a digest of no form": (
        lambda about: about["files"]["README.md"].update(sha256="0"),
        "files.README.md.sha256",
    ),
    "an unlisted model": (
        lambda about: about["models"].update(fp16="onnx/fp16.onnx"),
        "must list every model. Received: no onnx/fp16.onnx",
    ),
    "floats in": (lambda about: about["input"].update(dtype="float32"), "input.dtype"),
    "no probabilities": (lambda about: about["outputs"].pop("probabilities"), "probabilities"),
}


@pytest.mark.parametrize(("change", "message"), CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_that_does_not_hold_is_refused(tiny, bundle, change, message):
    tiny.edit(bundle, change)
    with pytest.raises(BundleError, match="bundle.json") as caught:
        open_bundle(bundle)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", "[" * 100_000], ids=range(5))
def test_an_unreadable_contract_is_refused(bundle, text):
    (bundle / "bundle.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"bundle.json: cannot be read"):
        open_bundle(bundle)


def test_a_model_without_its_bundle_is_refused_with_a_hint(bundle, tmp_path):
    with pytest.raises(BundleError, match="give the bundle folder"):
        Segmenter(bundle / "onnx" / "model.onnx")
    with pytest.raises(BundleError, match=f"Did you mean {bundle}"):
        Segmenter(bundle / "onnx")
    with pytest.raises(BundleError, match="no bundle here .* Make one with wsss-tf export"):
        Segmenter(tmp_path / "nowhere")


def rewritten(tiny, bundle, content, name="onnx/model.onnx"):
    """Puts other content into a file, its digest put right."""
    (bundle / name).write_bytes(content)
    tiny.edit(bundle, lambda about: about["files"].update({name: tiny.entry(content)}))


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"\x08\x08"], ids=repr)
def test_a_file_that_is_no_model_is_refused(tiny, bundle, content):
    rewritten(tiny, bundle, content)
    with pytest.raises(BundleError, match=r"model\.onnx: "):
        Segmenter(bundle)


def test_external_data_is_refused_wherever_it_lies(tiny, bundle, tmp_path):
    from onnx import external_data_helper, load_model_from_string

    model = load_model_from_string(tiny.model())
    (tmp_path / "outside.bin").write_bytes(bytes(1000))
    for location in ("../../outside.bin", "weights.bin"):
        for tensor in model.graph.initializer:
            external_data_helper.set_external_data(tensor, location, 0, len(tensor.raw_data))
        rewritten(tiny, bundle, model.SerializeToString())
        with pytest.raises(BundleError, match="must hold its weights itself") as caught:
            Segmenter(bundle)
        assert location in str(caught.value)


def test_a_model_of_another_bundle_is_refused(tiny, bundle):
    rewritten(tiny, bundle, tiny.model())
    assert Segmenter(bundle).bundle.labels.num_classes == 3
    tiny.edit(bundle, lambda about: about.update(weights_sha256="c" * 64))
    with pytest.raises(BundleError, match="is the model of another bundle"):
        Segmenter(bundle)


def test_a_model_with_other_inputs_is_refused(tiny, bundle):
    rewritten(tiny, bundle, tiny.crf_model(False))
    with pytest.raises(BundleError, match="must take 'pixels', uint8"):
        Segmenter(bundle)


def test_a_model_of_other_labels_is_refused_at_its_first_photo(tiny, bundle):
    tiny.edit(bundle, lambda about: about.update(labels=["background", "cat"]))
    tiny.edit(bundle, lambda about: about["input"].update(max_side=8))
    with pytest.raises(BundleError, match="must give"):
        list(Segmenter(bundle)([tiny.noise(20, 20)]))


def test_a_file_that_is_exchanged_after_opening_is_not_used(bundle):
    found = open_bundle(bundle)
    flipped(bundle / "onnx" / "model.onnx")
    with pytest.raises(BundleError, match="is not the file that bundle.json lists"):
        Segmenter(found)


def test_a_precision_that_is_not_there_names_those_that_are(bundle):
    with pytest.raises(ValueError, match=r"\(fp32\)\. Received: precision='int8'"):
        Segmenter(bundle, precision="int8")
