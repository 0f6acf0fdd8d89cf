"""What the CRF's region term does to masks: no regions, felzenszwalb, SLIC and crisp ones.

    python tests/benchmarks/region_masks.py [--real DIR] [--photos 150]
        [--methods none felzenszwalb slic crisp] [--weight 1] [--tolerance 1] [--start 0]
        [--run RUN] [--scenes RUN ...] [--kernels] [--kind foreground] [--cache DIR] [--json FILE]

The CRF is otherwise the same, in mode fast, on one thread; the layers have 25, 100 and 400 regions.
"pooled" rows give each of the 100 regions its mean probabilities, without a CRF: what the regions
do alone. IoU is of one confusion matrix, "foreground" the mean over the classes but background, and
"changed" the share of pixels whose label differs from that of the CRF without regions.

--real or WSSS_TF_REAL: foreground masks of training photos of voc_animals, by VGG-16 alone.
--run: multi-class masks of a trained run's photos under their tags, as spread; with a recipe of
    voc_animals they are the same photos. Pixels of classes that it does not keep are not scored.
--scenes: training scenes of runs with generated scenes, crisp regions alone, over a small grid of
    weights, tolerances and starts. Nobody labelled their truth, so this is how the defaults of the
    region term were chosen: weight 1, tolerance 1 and start 0 had the best mean of two runs, in a
    grid with weight 10, tolerance 0.1 and start 0.5 besides. The gain of one setting differs
    between runs, in its sign too: name several, and look at each.

--kernels: with --scenes, a grid of bilateral kernels instead, without regions. Their pixels are
    those of a photo of 500 on its longer side, and are brought to the scene's size.
--kind: masks of this kind, whatever the recipes of --run and --scenes have.

The pixel labels of photos, of the first two tables, score; they are there to choose nothing.
Without --real and WSSS_TF_REAL only --run and --scenes are done. --cache keeps regions, which may
take 10 s a photo, for the next call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from crf import set_up
from reporting import Row, table

METHODS = ("none", "felzenszwalb", "slic", "crisp")
REGION_OPTIONS = ("weight", "tolerance", "start")


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="Instead of WSSS_TF_REAL.")
    parser.add_argument("--photos", type=int, default=150, help="Or scenes, spread over the list.")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    for name in REGION_OPTIONS:
        parser.add_argument(f"--{name}", type=float, help="Of the region term; else its default.")
    parser.add_argument("--run", type=Path, help="A trained run of multi-class masks.")
    parser.add_argument("--scenes", type=Path, nargs="+", default=[], help="Runs on scenes.")
    parser.add_argument("--kernels", action="store_true", help="For --scenes: kernels instead.")
    parser.add_argument("--kind", choices=("foreground", "multi_class"), help="Of the masks.")
    parser.add_argument("--cache", type=Path, help="Folder for regions.")
    parser.add_argument("--json", type=Path, help="Also write all figures here.")
    return parser.parse_args(arguments)


def sections(real: Path | None, options: argparse.Namespace) -> Iterator[tuple[str, list[Row]]]:
    from region_masks_cases import foreground_cases, run_cases
    from region_masks_methods import by_kernel, by_method, by_setting, means, rows_of

    values = {name: getattr(options, name) for name in REGION_OPTIONS}
    if real:
        cases = foreground_cases(real, options.photos)
        methods = by_method(cases.crf, options.methods, values)
        title = f"Foreground masks, {cases.count} photos of voc_animals train"
        yield title, rows_of(cases, methods, options.cache)
    if options.run:
        cases = run_cases(options.run, options.photos, kind=options.kind)
        methods = by_method(cases.crf, options.methods, values)
        title = f"Masks of {cases.num_classes} classes, {cases.count} photos of {options.run}"
        yield title, rows_of(cases, methods, options.cache)
    runs = []
    varied = by_kernel if options.kernels else by_setting
    for path in options.scenes:
        cases = run_cases(path, options.photos, kind=options.kind)
        runs.append(rows_of(cases, varied(cases.crf), options.cache))
        yield f"Masks of {cases.count} scenes of {path}", runs[-1]
    if len(runs) > 1:
        yield f"Mean of the {len(runs)} runs on scenes", means(runs)


def main() -> None:
    options = options_of()
    named = options.real or os.environ.get("WSSS_TF_REAL")
    if not (named or options.run or options.scenes):
        sys.exit("--real or WSSS_TF_REAL must name the folder of real photos; see CONTRIBUTING.md.")
    set_up(threads=1, gpu=False)
    everything = {}
    for title, rows in sections(Path(named) if named else None, options):
        everything[title] = rows
        sys.stdout.write(f"{title}\n{table(rows)}\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
