"""Speed, quality and memory of `wsss_tf.regions` beside felzenszwalb and SLIC, on BSDS500.

    WSSS_TF_REAL=FOLDER python tests/benchmarks/regions.py [--photos 100] [--half all]
        [--presets default fast accurate] [--one-to-one] [--memory] [--json FILE]

FOLDER holds bsds_val/images/*.jpg and bsds_val/groundTruth/*.mat. Seconds are CPU seconds of one
thread for one run, loading not counted, after a run to warm up. The presets' constants were chosen
looking at the first half alone (every other photo, from the first); the second is held out.

F is that of `boundary_map`; felzenszwalb and SLIC have but the outlines of their regions, whose F
every method has. Every method is measured at its best scale on the photos of the table: a tree's
regions are cut at a number ("n") or a threshold, whichever is better, and rows "by n" have the best
number; felzenszwalb and SLIC also take their best other parameter, anew for each measure. F is
matched by a distance transform, which flatters: --one-to-one adds the benchmark's own F, and takes
five times as long. ASA is the achievable segmentation accuracy. The goals are the project's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reporting import Row, memory_kb, table

QUALITY = {"covering": "0.58", "ASA 50": "0.89", "ASA 100": "0.92"}
GOALS = {
    "default": {"CPU s, mean": "0.35", "F": "0.74", **QUALITY},
    "fast": {"CPU s, mean": "0.18", "F": "0.72", **QUALITY},
}
# height, width, allowed megabytes.
MEMORY = ((480, 640, "300"), (3000, 4000, ""))
PILOTS = 8  # Photos that set a tree's thresholds; their truth stays unread.


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="Instead of WSSS_TF_REAL.")
    parser.add_argument("--photos", type=int, default=100, help="Spread evenly over both halves.")
    parser.add_argument("--half", choices=("first", "second", "all"), default="all")
    parser.add_argument("--presets", nargs="*", default=["default", "fast"])
    parser.add_argument("--peers", nargs="*", default=["felzenszwalb", "slic"])
    parser.add_argument("--one-to-one", action="store_true", help="The benchmark's own F as well.")
    parser.add_argument("--memory", action="store_true", help="Peak memory, a process each.")
    parser.add_argument("--json", type=Path, help="Also write all figures here.")
    parser.add_argument("--peak-of", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def set_up() -> None:
    """One thread. Must come before numpy loads."""
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = "1"


def photos_of(folder: Path, count: int, half: str) -> list[tuple[Path, str]]:
    """Paths with their halves: `count` of those asked for, spread evenly over each half."""
    paths = sorted((folder / "images").glob("*.jpg"))
    halves = {"first": paths[0::2], "second": paths[1::2]}
    chosen = {half: halves[half]} if half != "all" else halves
    picked = []
    for number, (name, members) in enumerate(chosen.items()):
        share = min(len(members), (count + number) // len(chosen))
        picked += [(members[(2 * n + 1) * len(members) // (2 * share)], name) for n in range(share)]
    return sorted(picked)


def quality(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, list[Row]]]:
    """A table for each half, and one for both. The methods take turns at every photo."""
    from regions_measures import Truth
    from regions_peers import PEERS, Trees
    from regions_scores import scored, summary
    from tqdm import tqdm

    from wsss_tf.images import read_photo

    chosen = photos_of(folder, options.photos, options.half)
    methods = [*map(Trees, options.presets), *(PEERS[name]() for name in options.peers)]
    pilots = [read_photo(path) for path, _ in chosen[:: -(-len(chosen) // PILOTS)]]
    for method in methods:
        method.prepare(pilots)
    scores: dict[str, list[Any]] = {method.name: [] for method in methods}
    for path, _ in tqdm(chosen, unit="photo", file=sys.stderr):
        photo, truth = read_photo(path), Truth.read(folder / "groundTruth" / f"{path.stem}.mat")
        for method in methods:
            scores[method.name].append(scored(method.sweep(photo), truth, options.one_to_one))
    halves = [name for _, name in chosen]
    for title, names in _tables(halves):
        rows = []
        for name, photos in scores.items():
            own = [one for one, half in zip(photos, halves, strict=True) if half in names]
            rows.append({"method": name, **summary(own)})
        yield f"{title}, {sum(half in names for half in halves)} photos of BSDS500 val", rows


def transposed(rows: list[Row]) -> list[Row]:
    """Methods side by side, a row for each measure; a goal stands behind its figure."""
    measures = dict.fromkeys(key for row in rows for key in row if key != "method")
    return [
        {"measure": measure, **{_title(row): _cell(row, measure) for row in rows}}
        for measure in measures
    ]


def _title(row: Row) -> str:
    return row["method"] + " (goal)" * (row["method"] in GOALS)


def _cell(row: Row, measure: str) -> Any:
    goal = GOALS.get(row["method"], {}).get(measure)
    return f"{row[measure]:.4f} ({goal})" if goal else row.get(measure)


def _tables(halves: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    titles = {"first": "First half (constants chosen on it)", "second": "Second half (held out)"}
    present = [name for name in titles if name in halves]
    for name in present:
        yield titles[name], (name,)
    if len(present) > 1:
        yield "Both halves", tuple(present)


def memory_rows(folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    for height, width, allowed in MEMORY:
        for preset in options.presets:
            size = [str(height), str(width)]
            command = [sys.executable, __file__, "--real", str(folder.parent)]
            child = subprocess.run(
                [*command, "--peak-of", preset, *size], capture_output=True, text=True, check=False
            )
            if child.returncode:
                sys.exit(f"{preset} at {width}x{height} failed:\n{child.stderr}")
            row = {"photo": f"{width}x{height}", "preset": preset, "MB": int(child.stdout)}
            yield {**row, "goal": allowed}


def peak_of(folder: Path, preset: str, height: int, width: int) -> None:
    """Prints megabytes by which `regions` raises this fresh process, its photo included.

    A photo of a few pixels goes first: scikit-image imports its parts at their first use.
    """
    import numpy as np

    from wsss_tf.images import read_photo
    from wsss_tf.regions import regions

    small = read_photo(photos_of(folder, 1, "first")[0][0])
    regions(small[:32, :48], preset=preset)
    before = memory_kb("VmRSS")
    # Mirrored, not enlarged: as many regions as a photo of this size may well have.
    more = [(0, max(new - old, 0)) for new, old in zip((height, width), small.shape, strict=False)]
    photo = np.pad(small, [*more, (0, 0)], mode="symmetric")[:height, :width]
    regions(photo, preset=preset)
    sys.stdout.write(f"{(memory_kb('VmHWM') - before) // 1024}\n")


def sections(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, list[Row]]]:
    if options.photos:
        yield from quality(folder, options)
    if options.memory:
        title = "Peak memory of three layers above the imported process, MB"
        yield title, list(memory_rows(folder, options))


def main() -> None:
    options = options_of()
    named = options.real or os.environ.get("WSSS_TF_REAL")
    if not named:
        sys.exit("--real or WSSS_TF_REAL must name the folder of real photos; see CONTRIBUTING.md.")
    folder = Path(named) / "bsds_val"
    if not photos_of(folder, 1, "first"):
        sys.exit(f"No photo in {folder / 'images'}.")
    set_up()
    if options.peak_of:
        preset, height, width = options.peak_of
        peak_of(folder, preset, int(height), int(width))
        return
    everything = {}
    for title, rows in sections(folder, options):
        everything[title] = rows
        shown = transposed(rows) if "method" in rows[0] else rows
        sys.stdout.write(f"{title}\n{table(shown)}\n")
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
