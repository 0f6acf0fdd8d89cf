"""A whole ablation on a handful of scenes: killed half-way, gone on with, and never done twice."""

import contextlib
import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from wsss_tf.errors import RunError
from wsss_tf.images import read_label_map, write_label_map
from wsss_tf.metrics import Scoring
from wsss_tf.reports.ablation import mask_scoring, plan_ablation, text_tables
from wsss_tf.reports.ablation import running as running_module
from wsss_tf.reports.ablation.running import run_ablation
from wsss_tf.training import RunFolder

SETUPS = ("tags", "localization", "fusion")
TINY = (
    "data.scenes.train=4",
    "data.scenes.val=2",
    "data.scenes.size=32",
    "augment.crop=32",
    "localize.crop=32",
    "localize.batch_size=2",
    "localize.steps=2",
    "localize.boundaries=[]",
    "segment.batch_size=1",
    "segment.steps=2",
    "segment.learning_rates=[1e-3]",
    "segment.boundaries=[]",
    "log.every=1",
    "masks.crf=none",
    "inference.crf=none",
)


@pytest.fixture
def calls(monkeypatch):
    """Names of what was scored, in order; the cases of Tables 4 and 5 are cut to the first."""
    found = []

    def spied(module, name):
        original = getattr(module, name)

        def spy(run, *arguments, **options):
            if name == "evaluate" and found.count("evaluate") == 1 and "killed" not in found:
                found.append("killed")
                raise KeyboardInterrupt
            found.append(name)
            return original(run, *arguments, **options)

        monkeypatch.setattr(module, name, spy)

    cases = running_module.mask_cases
    monkeypatch.setattr(running_module, "mask_cases", lambda *given: [next(cases(*given))])
    spied(running_module, "evaluate")
    spied(mask_scoring, "score_masks_of_many")
    return found


@pytest.mark.slow
def test_an_ablation_killed_half_way_goes_on(tmp_path, calls):
    out = tmp_path / "out"
    plan = plan_ablation("scenes", TINY, out=out, setups=SETUPS, mask_photos=3)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(plan)
    assert calls == [*["score_masks_of_many"] * 2, "evaluate", "killed"]
    assert not (out / "ablation.json").exists()
    rows = run_ablation(plan)
    assert calls[4:] == ["evaluate", "evaluate"]  # Neither masks nor the first set-up once more.

    assert [(row.table, row.name, row.photos) for row in rows] == [
        ("4", "blocks 4 + 5", 3),
        ("5", "localization", 2),
        *(("6", name, 2) for name in SETUPS),
    ]
    assert [row.previous for row in rows[2:]] == [None, "tags", "localization"]
    assert all(0 <= row.low <= row.high <= 1 for row in rows)
    assert all(row.published is None for row in rows)
    one_trained_its_cams(out)
    files_agree(out, rows)

    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert run_ablation(plan) == rows
    assert len(calls) == 6
    assert files == {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}

    mask = next((out / "scenes" / "masks").glob("val_*.png"))
    write_label_map(mask, np.full_like(read_label_map(mask), 1))
    networks = plan_ablation("scenes", TINY, out=out, setups=SETUPS, tables=("6",))
    again = run_ablation(networks)
    assert calls[6:] == ["evaluate"] * 3  # Other pixel labels, other scores.
    assert [row.miou for row in again] != [row.miou for row in rows[2:]]
    kept = json.loads((out / "ablation.json").read_text())["rows"]
    assert [row["table"] for row in kept] == ["4", "5", "6", "6", "6"]
    torn = max((out / "scores").glob("tags_*.json"), key=lambda path: path.stat().st_mtime_ns)
    torn.write_text(torn.read_text()[:40])
    run_ablation(plan_ablation("scenes", TINY, out=out, setups=("tags",), tables=("6",)))
    assert calls[9:] == ["evaluate"]  # A torn score is found again.
    after = json.loads((out / "ablation.json").read_text())
    assert [row["name"] for row in after["rows"]] == [row["name"] for row in kept]
    assert list(after["stages"]) == list(SETUPS)


def one_trained_its_cams(out):
    """Of the two runs that need CAMs, one has trained and the other has taken them over."""
    runs = {name: RunFolder.existing(out / "runs" / name) for name in ("localization", "fusion")}
    entries = {name: run.record()["stages"]["localize"] for name, run in runs.items()}
    assert "adopted" not in entries["fusion"]  # Trained for Table 5.
    assert entries["localization"]["adopted"]["run"] == "../fusion"
    checkpoint, other = (run.stage("localize") / "checkpoint.npz" for run in runs.values())
    assert checkpoint.samefile(other)
    assert not (runs["fusion"].stage("masks") / "train_00000.png").samefile(
        runs["localization"].stage("masks") / "train_00000.png"
    )


def files_agree(out, rows):
    summary = json.loads((out / "ablation.json").read_text())
    assert [row["miou"] for row in summary["rows"]] == [row.miou for row in rows]
    assert list(summary["stages"]) == list(SETUPS)
    with open(out / "ablation.csv", newline="") as file:
        assert [line["name"] for line in csv.DictReader(file)] == [row.name for row in rows]
    for row in rows[2:]:
        report = out / "runs" / row.name / "report" / "evaluate_val.json"
        assert json.loads(report.read_text())["miou"] == row.miou
        assert report.with_suffix(".jsonl").exists()
    assert "localization + fusion" in text_tables(rows)
    assert not (out / "runs" / "foreground" / "segment").exists()  # There for its masks alone.


def test_masks_are_kept_group_by_group(tmp_path, monkeypatch):
    """And those that a set-up trains on are of its own stage."""
    changes = [name for name in TINY if not name.startswith("masks.crf")]
    plan = plan_ablation("scenes", changes, out=tmp_path, setups=("foreground",))
    own = plan.recipes["foreground"].masks
    grouped = [own.model_copy(update={"blocks": (block,)}) for block in (2, 3)]
    wanted = [own, *grouped, own.model_copy(update={"flip": True})]
    asked, stages, killed = [], [], []

    def scored(run, dataset, split, settings, *, photos):
        asked.append(list(settings))
        for number, one in enumerate(settings):
            if number == 2 and not killed:
                killed.append(one)
                raise KeyboardInterrupt
            yield one, fake_scores(one)

    monkeypatch.setattr(mask_scoring, "score_masks_of_many", scored)
    monkeypatch.setattr(mask_scoring, "score_masks", lambda *_, settings, **__: fake_scores(own))
    monkeypatch.setattr(mask_scoring, "set_up_run", lambda *given: stages.append(given[1:]))
    monkeypatch.setattr(mask_scoring, "truth_digest", lambda *_: "of no photo")
    run = RunFolder(tmp_path / "run", plan.recipes["foreground"])
    photos = [SimpleNamespace(id="a")]
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            found = mask_scoring.mask_scores(plan, run, None, "train", photos, wanted)
    assert asked == [wanted[1:], wanted[3:]]
    assert stages == [("foreground", "masks")]
    assert {one: scores.result["scales"] for one, scores in found.items()} == {
        one: [str(one)] for one in wanted
    }


def fake_scores(settings):
    """Of one photo; they say of which settings."""
    scoring = Scoring(("background", "foreground"), about={"scales": [str(settings)]})
    scoring.update("a", np.eye(2, dtype=np.uint8), np.eye(2, dtype=np.uint8))
    return scoring


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(RunError, match=r"not of an ablation \(holiday\.jpg"):
        run_ablation(plan_ablation("scenes", out=tmp_path))


def test_photos_of_table_4_are_drawn_by_the_seed_and_stay_in_order(tmp_path):
    changes = ("data.scenes.train=12", "data.scenes.val=1", "data.scenes.size=32")

    def chosen(seed, photos):
        plan = plan_ablation("scenes", (*changes, f"seed={seed}"), out=tmp_path, mask_photos=photos)
        dataset = running_module.open_dataset(plan.base.data, root=plan.base.data.root)
        found = running_module._photos(plan, dataset)
        assert len(found["5"]) == len(found["6"]) == 1
        return [photo.id for photo in found["4"]]

    everything = chosen(0, None)
    assert chosen(0, 40) == everything
    assert len(everything) == 12
    some = chosen(0, 5)
    assert len(some) == 5
    assert some == chosen(0, 5) == sorted(some)
    assert some != chosen(1, 5)
