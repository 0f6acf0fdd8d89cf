"""The model card: BUNDLE/README.md, what the bundle is, how close its forms are, how to run it."""

from __future__ import annotations

import json
from typing import Any

from wsss_tf.errors import RunError
from wsss_tf.export.contract import Contract
from wsss_tf.export.parity import parity_table
from wsss_tf.training import RunFolder

_PREDICT = """\
```bash
wsss-tf predict . PHOTOS --out labels           # PHOTOS: files or folders
```

The label map of a photo that EXIF turns lies over its file's own pixels; `Segmenter` gives it as
the photo is displayed.

```python
from wsss_tf.serving import Segmenter

for found in Segmenter(".")(["photo.jpg"]):
    print(found.photo, found.labels.shape)  # uint8 [height, width], class ids
```

Any ONNX Runtime program gets the same label maps; no preprocessing is left to do:

```python
import numpy as np, onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("FILE", providers=["CPUExecutionProvider"])
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")  # as it is displayed
pixels = np.asarray(photo)[None]  # uint8 [1, height, width, 3]
labels, probabilities = session.run(["labels", "probabilities"], {"pixels": pixels})
```
"""

_SAVED_MODEL = """\
`saved_model/` is laid out for TensorFlow Serving, version 1. A SavedModel can run code when it is
loaded: compare its digests in bundle.json first, as `wsss-tf serve` does. Signatures:

| signature | takes | gives |
|---|---|---|
| serving_default | pixels uint8 [B, H, W, 3] | labels, probabilities |
| jpeg | image_bytes string [B], each of its own size | mask_png_bytes string [B] |
"""
_SAVED_CRF = """\
| serving_default_crf | pixels | labels, probabilities |
| serving_default_crf_regions | pixels, regions int32 [B, layers, h, w] | labels, probabilities |
| jpeg_crf | image_bytes | mask_png_bytes |
"""
_JPEG = """
`image_bytes` are JPEG files, or PNG files of 8 bits a channel and RGB; another PNG is refused. A
mask PNG is grey without a palette: its values are class ids. These signatures do not apply EXIF
orientation, so a mask lies over the pixels as they are stored; one photo that is not whole fails
its request. Their CRF is pairwise only.
"""
_SERVE = """
Start TensorFlow Serving, here or by Docker Compose:

```bash
wsss-tf serve .
docker compose -f FOLDER/docker-compose.yml --profile cpu up -d  # or: --profile gpu
```

and ask it:

```bash
printf '{"signature_name": "jpeg", "instances": [{"b64": "%s"}]}' "$(base64 < photo.jpg)" |
  tr -d '\\n' |
  curl -sS --data-binary @- http://127.0.0.1:8501/v1/models/NAME:predict > answer.json
sed -n 's/.*"b64": *"\\([^"]*\\)".*/\\1/p' answer.json | base64 -d > mask.png
```

```python
from wsss_tf.serving import Client

label_map = Client("http://127.0.0.1:8501", model="NAME")("photo.jpg")  # or "grpc://...:8500"
```

`FOLDER/` also has its batching and monitoring parameters. Version 1 has the label `stable`:
`/v1/models/NAME/labels/stable:predict`. Warm-up requests lie in the SavedModel's assets.extra.
"""


def model_card(about: Contract, run: RunFolder) -> str:
    """The text of a bundle's README.md.

    Args:
        about: bundle.json with its parity table; files are not needed.
        run: that is exported.
    """
    parts = [
        _head(about, run),
        "## Run it\n",
        _run_it(about),
        _what_goes_in(about),
        _parity(about),
        _provenance(about, run),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _head(about: Contract, run: RunFolder) -> str:
    names = about["labels"]
    loss = run.recipe.segment.loss
    return (
        "# A segmentation network trained from image tags\n\n"
        f"It labels every pixel of a photo as one of {len(names)} classes. It was trained by "
        f"wsss-tf {about['wsss_tf']} with the loss `{loss}` of Saleh et al., TPAMI 2017, from "
        "photos and the names of what they show, without one pixel label.\n\n"
        "| id | class |\n|---|---|\n"
        + "".join(f"| {index} | {name} |\n" for index, name in enumerate(names))
        + f"\nThe id {about['unknown']} means unknown; the network never says it.\n"
    )


def _run_it(about: Contract) -> str:
    text = ""
    if "fp32" in about["models"]:
        text += _PREDICT.replace("FILE", about["models"]["fp32"])
        text += "".join(_file_note(kind, file) for kind, file in about["models"].items())
    crf = about["crf"]
    if crf:
        regions = " and `regions` int32 [layers, h, w]" if crf["regions"] else ""
        text += (
            f"\n`{crf['file']}` sharpens outlines: `photo` uint8 [h, w, 3], `probabilities` of it"
            f"{regions} give `refined`, for photos of up to {crf['max_side']} pixels a side. It is "
            "of mode dense, whatever the recipe says, and its labels differ by some per cent of "
            "pixels from those of another mode.\n"
        )
    if about["saved_model"]:
        has_crf = any("_crf" in row["form"] for row in about["parity"])
        text += "\n" * bool(text) + _SAVED_MODEL + _SAVED_CRF * has_crf + _JPEG
        served = about["tf_serving"]
        text += _SERVE.replace("FOLDER", served["folder"]).replace("NAME", served["model"])
    return text


def _file_note(kind: str, file: str) -> str:
    notes = {
        "fp32": "float32",
        "fp16": "float16 convolutions, for GPUs; a CPU computes it in float32, slowly",
        "int8": "8-bit convolutions, fastest on CPUs with VNNI or the like; ranges from training "
        "photos",
    }
    return f"\n- `{file}`: {notes[kind]}." + "\n" * (kind == "int8")


def _what_goes_in(about: Contract) -> str:
    views, side = about["views"], about["views"]["side"]
    text = (
        "## What goes in and comes out\n\n"
        "uint8 RGB as a photo is displayed, any batch and size; colour order, means and resizing "
        f"are in the graph. The network looks at photos of up to {side} pixels a side, and at "
        "larger ones reduced to that. `labels` are in the photo's own grid; `probabilities` too, "
        f"up to {views['grid_side']} pixels a side.\n"
    )
    if views["scales"] != [1.0] or views["flip"]:
        scales = ", ".join(f"{scale:g}" for scale in views["scales"])
        mirrored = " and mirrored" if views["flip"] else ""
        text += f"\nThe graph looks at every photo at scales {scales}{mirrored}: time adds up.\n"
    return text


def _parity(about: Contract) -> str:
    warning = ""
    if about["forced"]:
        warning = "**Written with --force: at least one form is below its bar.**\n\n"
    return (
        "## How close the forms are\n\n"
        f"{warning}"
        "Loaded from these files and run on photos of several sizes, on a CPU, against the Keras "
        "model with the same CRF. Agreement is the share of pixels of equal label.\n\n"
        f"{parity_table(about['parity'])}\n"
    )


def _provenance(about: Contract, run: RunFolder) -> str:
    data = run.recipe.data
    lines = [
        "## Where it comes from\n",
        f"- Data: source `{data.source}`, split `{data.train_split}`; seed {run.recipe.seed}.",
        f"- Weights: SHA-256 `{about['weights_sha256']}` of the run's segment/checkpoint.npz.",
        f"- Recipe: SHA-256 `{about['recipe_sha256']}` of its canonical JSON.",
        *_scores(run, about["weights_sha256"]),
        "",
        "bundle.json has the digest of every file. Tags are all that it was taught: outlines and "
        "small objects are its weak side, and what it was not shown it calls by another name.",
    ]
    return "\n".join(lines)


def _scores(run: RunFolder, weights: str) -> list[str]:
    """A line for each of the run's own scores, where `wsss-tf evaluate` has made some of these."""
    lines = []
    for ending in ("", "_crf"):
        path = run.stage("report") / f"evaluate_{run.recipe.data.eval_split}{ending}.json"
        if not path.is_file():
            continue
        found = _json(path)
        if found.get("checkpoint", weights) != weights:
            continue  # Of a network that was trained further since.
        words = "with its CRF" if ending else "without a CRF"
        lines.append(
            f"- mIoU on `{found['split']}`, {found['photos']} photos, {words}: "
            f"{100 * found['miou']:.1f}."
        )
    return lines


def _json(path: Any) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}). Score the run again.") from error
