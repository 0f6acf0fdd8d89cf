"""`wsss-tf export`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.options import out_option, run_argument
from wsss_tf.cli.start import start_tensorflow


@click.command()
@run_argument
@click.option("--onnx", is_flag=True, help="The ONNX model, float32, and the CRF's own file.")
@click.option("--saved-model", is_flag=True, help="The SavedModel for TensorFlow Serving.")
@click.option("--fp16", is_flag=True, help="The ONNX model with float16 convolutions, too.")
@click.option("--int8", is_flag=True, help="And with 8-bit ones, ranges from training photos.")
@click.option(
    "--crf/--no-crf",
    default=True,
    show_default=True,
    help="Forms with the recipe's inference.crf too, or a CRF of default values.",
)
@out_option("Folder of the bundle; new or empty.")
@click.option("--force", is_flag=True, help="Write it though a form is below its bar.")
@click.option(
    "--photos",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    metavar="N",
    help="Photos that every form is tried on.",
)
def export(
    run: Path,
    onnx: bool,
    saved_model: bool,
    fp16: bool,
    int8: bool,
    crf: bool,
    out: Path,
    force: bool,
    photos: int,
) -> None:
    """Make a bundle of RUN: one folder for TensorFlow Serving and any ONNX Runtime program.

    Every form is loaded from its file and must give the label maps of the Keras model on photos of
    the run; else nothing is written. OUT/README.md says how to go on.

    \b
    Example:
      wsss-tf export run --onnx --saved-model --out bundle
    """
    if not (onnx or saved_model):
        raise click.UsageError("Say what to export: --onnx, --saved-model or both.")
    if (fp16 or int8) and not onnx:
        raise click.UsageError("--fp16 and --int8 are forms of the ONNX model: add --onnx.")
    from wsss_tf.requirements import require

    require("onnx-cpu")
    start_tensorflow()
    from wsss_tf.export.bundle import export_bundle
    from wsss_tf.export.contract import Parts
    from wsss_tf.export.parity import parity_table
    from wsss_tf.training import RunFolder

    about = export_bundle(
        RunFolder.existing(run),
        out,
        Parts(onnx, saved_model, fp16, int8, crf),
        photos=photos,
        force=force,
        say=lambda text: click.echo(text, err=True),
    )
    click.echo(parity_table(about["parity"]))
    if about["forced"]:
        click.echo("Warning: written with --force, below the bar.", err=True)
    click.echo(f"Written: {out}. Next: {out / 'README.md'}")
