"""`wsss-tf predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from wsss_tf.cli.options import out_option, predictor_options, run_argument
from wsss_tf.cli.start import start_tensorflow


@click.command()
@run_argument
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("Folder for the label maps, one palette PNG a photo.")
@click.option("--overlay", "with_overlay", is_flag=True, help="Also write <photo>_overlay.jpg.")
@predictor_options
def predict(
    run: Path, photos: tuple[Path, ...], out: Path, with_overlay: bool, predictor: dict[str, Any]
) -> None:
    """Label every pixel of PHOTOS (files or folders) with the network of RUN; no tags needed.

    A photo that cannot be read is reported and the others are done; the exit status is then 3.

    \b
    Example:
      wsss-tf predict run photos/ --out labels --overlay
    """
    start_tensorflow()
    from tqdm import tqdm

    from wsss_tf.training import Predictor, RunFolder, list_photos, predict_files

    paths = list_photos(photos)
    failed = 0
    network = Predictor(RunFolder.existing(run), **predictor)
    done = predict_files(network, paths, out, with_overlay=with_overlay)
    for _, error in tqdm(done, total=len(paths), desc="predict", unit="photo"):
        if error:
            failed += 1
            tqdm.write(f"Error: {error}", file=sys.stderr)
    click.echo(f"{len(paths) - failed} label maps in {out}; {failed} photos failed.")
    if failed:
        raise SystemExit(3)
