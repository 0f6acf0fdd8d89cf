"""Items to write, and archives in the original formats of VOC 2012 and SBD, made on the spot."""

from __future__ import annotations

import functools
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from wsss_tf.data.prepare import voc
from wsss_tf.data.prepare.folder import differences, read_finished
from wsss_tf.data.prepare.items import About, Item, Source
from wsss_tf.data.prepare.preparation import Request
from wsss_tf.data.prepare.writing import write_prepared
from wsss_tf.labels import label_space, palette

VOC_TAR, SBD_TGZ = "VOCtrainval_11-May-2012.tar", "benchmark.tgz"


@dataclass(frozen=True)
class Made:
    """One photo of the archives: its lists, its objects, its masks.

    Attributes:
        official: the VOC list that names it, or "".
        sbd: the SBD list that names it, or "".
        objects: classes of its annotated objects, in order, possibly repeated.
        size: (height, width).
    """

    id: str
    official: str
    sbd: str
    objects: tuple[str, ...]
    size: tuple[int, int] = (12, 17)

    @property
    def seed(self) -> int:
        return int(self.id[-3:])

    def photo(self) -> bytes:
        pixels = np.random.default_rng(self.seed).integers(0, 256, (*self.size, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        return file.getvalue()

    def official_mask(self) -> np.ndarray:
        """Ids of the objects in stripes, background, and VOC's unknown outline of 255."""
        ids = [0, *(label_space("voc").index(name) for name in self.objects), 255]
        return np.resize(np.array(ids, np.uint8), self.size)

    def sbd_mask(self) -> np.ndarray:
        """Differs from the official one in every pixel of an object, and has no 255."""
        ids = [*(label_space("voc").index(name) for name in self.objects), 0, 0]
        return np.resize(np.array(ids, np.uint8), self.size)


# Every case of the lists: official or not, in SBD's train, in its val, in both sets' val.
PHOTOS = (
    Made("2007_000032", "train", "", ("aeroplane", "person", "aeroplane")),
    Made("2007_000033", "val", "", ("aeroplane",), (20, 9)),
    Made("2007_000039", "train", "train", ("tvmonitor",)),
    Made("2007_000042", "val", "train", ("train", "person")),
    Made("2007_000061", "train", "val", ("boat",), (1, 30)),
    Made("2007_000063", "val", "val", ("dog", "chair")),
    Made("2008_000002", "", "train", ("tvmonitor",), (31, 8)),
    Made("2008_000003", "", "val", ("train", "person", "person")),
    Made("2008_000007", "", "train", ("boat",)),
    Made("2011_003276", "", "", ("cat",)),
)


def annotation(photo: Made, edition: str = "VOC2012") -> str:
    """An annotation as VOC has it, tabs and parts included; the last object is difficult."""
    objects = "".join(
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Left</pose>\n\t\t<truncated>0</truncated>"
        f"\n\t\t<difficult>{int(index == len(photo.objects) - 1)}</difficult>\n\t\t<bndbox>\n"
        "\t\t\t<xmin>1</xmin>\n\t\t\t<ymin>1</ymin>\n\t\t\t<xmax>5</xmax>\n\t\t\t<ymax>5</ymax>\n"
        "\t\t</bndbox>\n\t\t<part>\n\t\t\t<name>head</name>\n\t\t</part>\n\t</object>\n"
        for index, name in enumerate(photo.objects)
    )
    return (
        f"<annotation>\n\t<folder>{edition}</folder>\n\t<filename>{photo.id}.jpg</filename>\n"
        f"\t<segmented>1</segmented>\n{objects}</annotation>\n"
    )


def mat_file(mask: np.ndarray) -> bytes:
    """A file of SBD's cls/: the struct GTcls with its three fields, in MATLAB's format 5."""
    scipy_io, sparse = pytest.importorskip("scipy.io"), pytest.importorskip("scipy.sparse")
    boundaries = np.empty((20, 1), object)
    for index in range(20):
        boundaries[index, 0] = sparse.csc_matrix((mask == index + 1).astype(float))
    fields = {
        "Boundaries": boundaries,
        "Segmentation": mask,
        "CategoriesPresent": np.setdiff1d(mask, [0]).astype(np.uint8)[:, None],
    }
    file = io.BytesIO()
    scipy_io.savemat(file, {"GTcls": fields}, do_compression=True)
    return file.getvalue()


def palette_png(mask: np.ndarray) -> bytes:
    """A mask as VOC has it, written without `wsss_tf.images`."""
    image = Image.frombytes("P", mask.shape[::-1], mask.tobytes())
    image.putpalette(palette().ravel().tolist())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def voc_files(photos=PHOTOS, edition: str = "VOC2012") -> dict[str, bytes]:
    """The members of VOC's trainval archive, in the order of its folders."""
    base = f"VOCdevkit/{edition}"
    files = {f"{base}/Annotations/{p.id}.xml": annotation(p, edition).encode() for p in photos}
    lists = {"train": "", "val": "", "trainval": ""}
    for photo in photos:
        if photo.official:
            lists[photo.official] += f"{photo.id}\n"
            lists["trainval"] += f"{photo.id}\n"
    for split, text in lists.items():
        files[f"{base}/ImageSets/Segmentation/{split}.txt"] = text.encode()
        files[f"{base}/ImageSets/Main/{split}.txt"] = b"not for segmentation\n"
    files |= {f"{base}/JPEGImages/{photo.id}.jpg": photo.photo() for photo in photos}
    for photo in photos:
        if photo.official:
            content = palette_png(photo.official_mask())
            files[f"{base}/SegmentationClass/{photo.id}.png"] = content
            files[f"{base}/SegmentationObject/{photo.id}.png"] = palette_png(
                np.ones(photo.size, np.uint8)
            )
    return files


def sbd_files(photos=PHOTOS) -> dict[str, bytes]:
    """The members of SBD's archive."""
    base, lists = "benchmark_RELEASE", {"train": "", "val": ""}
    files = {f"{base}/README": b"Semantic boundaries"}
    for photo in photos:
        if photo.sbd:
            lists[photo.sbd] += f"{photo.id}\n"
            files[f"{base}/dataset/cls/{photo.id}.mat"] = mat_file(photo.sbd_mask())
            files[f"{base}/dataset/img/{photo.id}.jpg"] = photo.photo()
            files[f"{base}/dataset/inst/{photo.id}.mat"] = b"instances"
    return files | {f"{base}/dataset/{split}.txt": t.encode() for split, t in lists.items()}


def pack_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """Writes a tar in GNU's format, with the members of folders that `tar` makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted({str(Path(name).parent) for name in files}):
            member = tarfile.TarInfo(f"{folder}/")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpack(root: Path, files: Mapping[str, bytes]) -> Path:
    """Writes the members as files below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def voc_root(tmp_path: Path) -> Path:
    """A folder with both archives."""
    root = tmp_path / "archives"
    pack_tar(root / VOC_TAR, voc_files())
    pack_tar(root / SBD_TGZ, sbd_files(), "w:gz")
    return root


@pytest.fixture(scope="session")
def made() -> Callable[..., object]:
    """The functions above by name, for tests that make other archives: `made("voc_files")`."""
    return lambda name: globals()[name]


LABELS = ("background", "cat", "dining table", "dog")
ABOUT = About("pets", "pets", LABELS, (Source("x.tar", 9, "ab" * 32),), ("A note.",), (("n", 3),))


def mask_of(size, seed):
    ids = np.array([0, 1, 2, 3, 255], np.uint8)
    return np.random.default_rng(seed).choice(ids, size)


def items_of(build, count=4):
    """Photos 0, 1, ... in sizes of their own; the third has no mask, the fourth no tag."""
    items = []
    for n in range(count):
        kind, size = ("PNG", ".png") if n % 2 else ("JPEG", ".jpg"), (5 + n, 9)
        photo = build.encoded(build.noise(*size, seed=n), kind[0])
        mask = None if n == 2 else lambda size=size, n=n: mask_of(size, n)
        tags = () if n == 3 else ("dining table", "cat")[: 1 + n % 2]
        splits = ("train", "all") if n % 3 else ("val", "all")
        items.append(Item(f"p{n}", kind[1], lambda photo=photo: photo, mask, tags, splits))
    return items


def write(out, items, about=ABOUT, workers=2):
    return write_prepared(out, items, about, workers=workers, progress=lambda done, total: None)


def finished(out, about=ABOUT):
    """What `complete` finds before it opens an archive: data.json, or None and what differs."""
    record = read_finished(out, about)
    if record is None:
        return None, []
    other = differences(out, record, about, workers=2, progress=lambda done, total: None)
    return (None if other else record), other


def tree(out):
    """The bytes of all files by name; that which locks the folder is empty of meaning."""
    paths = (path for path in out.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def stamps(out):
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def pets(build) -> SimpleNamespace:
    """Four items, what they are, and the functions that write and read them."""
    return SimpleNamespace(
        ABOUT=ABOUT,
        LABELS=LABELS,
        finished=finished,
        items=items_of(build),
        items_of=functools.partial(items_of, build),
        stamps=stamps,
        tree=tree,
        write=write,
    )


@pytest.fixture
def items(pets) -> list[Item]:
    """The four items."""
    return pets.items


@pytest.fixture
def whole(pets, tmp_path) -> Path:
    """A prepared folder of the four, by an uninterrupted call."""
    pets.write(tmp_path / "whole", pets.items)
    return tmp_path / "whole"


@pytest.fixture
def prepare(tmp_path: Path):
    """Prepares VOC into a folder; `prepare.said` holds what the user was told."""

    def call(root, out=None, download=False, workers=2, any_archive=True):
        out = out or tmp_path / "out"
        call.said.clear()
        request = Request(root, out, call.said.append, download, any_archive, workers)
        return voc.prepare_voc(request)

    call.said = []
    return call
