"""Speed, error and memory of `DenseCRF` beside pydensecrf and exact mean field.

    WSSS_TF_REAL=FOLDER python tests/benchmarks/crf.py [--oracle] [--photos 5] [--labels 2 3 4]
        [--regions] [--memory] [--sizes] [--masks 100] [--cache FOLDER] [--json FILE]

runs the sections named, or --oracle alone. pydensecrf is no dependency of this package:
`pip install pydensecrf2` builds it from source in a minute, or leave it out with --modes.
Every method runs on one thread, in turn with the others, so that a busy machine slows all alike:
trust the ratios. Exact marginals of other photos take some five minutes each the first time: name
a --cache outside of the checkout. With one, --labels compares with exact marginals too. The goals
beside the figures are those that the project set itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reporting import Row, table

MODES = ("pydensecrf", "lattice", "fast", "dense")
# height, width, labels, allowed megabytes.
MEMORY = ((375, 500, 21, 500), (1500, 2000, 4, 3500))
SIZES = ((194, 258), (375, 500), (612, 816), (1061, 1414), (1500, 2000))
GOALS = {
    ("oracle", "lattice"): "1.3x, agreement .9960, TV .0045",
    ("oracle", "fast"): "4x, agreement .9940, TV .0070",
    ("oracle", "dense"): "TV .0100",
    ("80/13", "lattice"): "1.2x, 1.1 times the TV",
    ("80/13", "fast"): "3x, 2 times the TV",
    ("50/5", "lattice"): "1x, 1.1 times the TV",
    ("50/5", "fast"): "2.3x, 3 times the TV",
    ("labels", "lattice"): "1x",
    ("labels", "fast"): "2.5x",
}


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--oracle", action="store_true", help="The photo with exact marginals.")
    parser.add_argument("--photos", type=int, default=0, help="Other photos, two kernels each.")
    parser.add_argument("--labels", type=int, nargs="+", default=[], help="Few labels: 2 3 4.")
    parser.add_argument("--regions", action="store_true", help="The cost of the region term.")
    parser.add_argument("--memory", action="store_true", help="Peak memory, a process each.")
    parser.add_argument("--sizes", action="store_true", help="Time against megapixels.")
    parser.add_argument("--masks", type=int, default=0, help="mIoU of the masks of some photos.")
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu where others keep it busy."
    )
    parser.add_argument("--side", type=int, default=500, help="Of --photos, at most.")
    parser.add_argument("--mask-side", type=int, default=256, help="As in the recipe's masks.")
    parser.add_argument("--cache", type=Path, help="Folder for exact marginals.")
    parser.add_argument("--json", type=Path, help="Also write all figures here.")
    parser.add_argument("--threads", type=int, default=1, help="Of TensorFlow.")
    parser.add_argument("--gpu", action="store_true", help="Let TensorFlow see a GPU.")
    parser.add_argument("--peak-of", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def set_up(threads: int, gpu: bool) -> None:
    """Must come before numpy and TensorFlow load."""
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if not gpu:
        tf.config.set_visible_devices([], "GPU")


def compared(case: Any, options: argparse.Namespace, goal: str) -> Iterator[Row]:
    """A row for each method: time, and its distance to exact mean field where that is known."""
    import numpy as np
    from crf_peers import measured

    rows = []
    for mode, (seconds, q) in measured(case, options.modes, options.repeats, options.clock).items():
        row = {"case": case.name, "mode": mode, "seconds": seconds}
        if case.exact is not None:
            row["agreement"] = float((q.argmax(-1) == case.exact.argmax(-1)).mean())
            row["TV"] = float(0.5 * np.abs(q - case.exact).sum(axis=-1).mean())
        rows.append({**row, "goal": GOALS.get((goal, mode), "")})
    peer = next((row for row in rows if row["mode"] == "pydensecrf"), None)
    for row in rows:
        if peer:
            row["speed"] = peer["seconds"] / row["seconds"]
            if "TV" in row:
                row["TV / peer's"] = row["TV"] / peer["TV"]
        yield row


def region_rows(case: Any, options: argparse.Namespace) -> Iterator[Row]:
    from crf_cases import with_regions
    from crf_peers import measured

    modes = [mode for mode in options.modes if mode in ("lattice", "fast")]
    names = [name for mode in modes for name in (mode, f"{mode}+regions")]
    results = measured(with_regions(case), names, options.repeats, options.clock)
    for mode in modes:
        alone, more = (results[name][0] for name in (mode, f"{mode}+regions"))
        extra = f"{100 * (more / alone - 1):+.0f} %"
        yield {
            "case": "25 + 100 + 400 regions",
            "mode": mode,
            "seconds": alone,
            "with regions": more,
            "extra": extra,
            "goal": "+35 %",
        }


def memory_rows(options: argparse.Namespace) -> Iterator[Row]:
    for height, width, labels, allowed in MEMORY:
        for mode in options.modes:
            size = [str(number) for number in (height, width, labels)]
            command = [sys.executable, __file__, "--threads", str(options.threads)]
            child = subprocess.run(
                [*command, "--peak-of", mode, *size], capture_output=True, text=True, check=False
            )
            if child.returncode:
                sys.exit(f"{mode} at {width}x{height}x{labels} failed:\n{child.stderr}")
            goal = "" if mode == "pydensecrf" else f"{allowed}"
            case = f"{width}x{height}x{labels}"
            yield {"case": case, "mode": mode, "MB": int(child.stdout), "goal": goal}


def peak_of(real: Path, mode: str, *size: str) -> None:
    """Runs in a process of its own, and prints megabytes."""
    from crf_cases import few_labels, oracle, resized
    from crf_peers import peak_mb

    height, width, labels = map(int, size)
    sys.stdout.write(
        f"{peak_mb(mode, lambda: resized(few_labels(oracle(real), labels), height, width))}\n"
    )


def size_rows(case: Any, options: argparse.Namespace) -> Iterator[Row]:
    from crf_cases import few_labels, resized
    from crf_peers import measured

    few = few_labels(case, 4)
    for height, width in SIZES:
        sized = resized(few, height, width)
        for mode, (seconds, _) in measured(
            sized, options.modes, options.repeats, options.clock
        ).items():
            yield {
                "case": sized.name,
                "mode": mode,
                "seconds": seconds,
                "s / Mpx": seconds / (height * width / 1e6),
                "goal": "" if mode == "pydensecrf" else "linear",
            }


def sections(real: Path, options: argparse.Namespace) -> Iterator[tuple[str, Iterable[Row]]]:
    from crf_cases import few_labels, oracle, photos

    named = ("photos", "labels", "regions", "memory", "sizes", "masks")
    case = oracle(real)
    if options.oracle or not any(getattr(options, name) for name in named):
        yield "The oracle photo, 500x375, 21 labels", compared(case, options, "oracle")
    if options.photos:
        others = photos(real, options.photos, options.side, options.cache)
        rows = (row for one in others for row in compared(one, options, one.name.split()[-1]))
        yield "Other photos, 21 labels, bilateral pixels/levels", rows
    if options.labels:
        cases = (few_labels(case, labels, options.cache) for labels in options.labels)
        rows = (row for few in cases for row in compared(few, options, "labels"))
        yield "Few labels, 500x375", rows
    if options.regions:
        yield "The region term, 21 labels", region_rows(case, options)
    if options.memory:
        yield "Peak memory above the imported process, MB", memory_rows(options)
    if options.sizes:
        yield "Time against size, 4 labels", size_rows(case, options)
    if options.masks:
        from crf_masks import mask_rows

        yield f"Foreground masks of {options.masks} photos", mask_rows(real, options)


def main() -> None:
    options = options_of()
    if not os.environ.get("WSSS_TF_REAL"):
        sys.exit("WSSS_TF_REAL must name the folder of real photos; see CONTRIBUTING.md.")
    real = Path(os.environ["WSSS_TF_REAL"])
    set_up(options.threads, options.gpu)
    if options.peak_of:
        peak_of(real, *options.peak_of)
        return
    everything = {}
    for title, rows in sections(real, options):
        everything[title] = []
        for row in rows:
            sys.stderr.write(f"{row}\n")  # Some sections take many minutes.
            everything[title].append(row)
        sys.stdout.write(f"{title}\n{table(everything[title])}\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
