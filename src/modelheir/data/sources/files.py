"""Image files: class folders, plain folders of images, and text lists of ``path label`` lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import FilePixels, ImageSet
from modelheir.data.sources.labels import number_labels, same_classes

__all__ = ["SPLIT_FOLDERS", "below", "images_below", "open_folder", "open_list", "open_plain_folder"]

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
    "unlabelled": ("unlabelled", "unlabeled"),
}


def open_folder(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return a folder of class folders, or of train, val, test (of class folders) and unlabelled (any depth).

    A folder of images alone, or with nothing but unlabelled in it, is one unlabelled split without classes. The sample
    id is the path relative to the folder.

    Raises:
        InputError: If the folder or a class folder is missing or empty, or the class lists of splits differ.
    """
    root = Path(place)
    if not place or not root.is_dir():
        raise InputError(f"folder:{place}: there is no such folder.")
    inside = {path.name.lower(): path for path in _folders(root)}
    split = {name: inside[word] for name, words in SPLIT_FOLDERS.items() for word in words if word in inside}
    alone = "unlabelled" in split and len(inside) == 1
    if not inside and any(images_below(root)):
        split = {"unlabelled": root}
    elif "train" not in split and not alone:
        split = {"train": root}
    elif split.keys() != inside.keys() and len(split) < len(inside):
        known = [word for words in SPLIT_FOLDERS.values() for word in words]
        stray = sorted(path.name for word, path in inside.items() if word not in known)
        raise InputError(f"folder:{place}: beside train there are folders that are no split: {', '.join(stray)}.")
    labelled = {
        name: [path.name for path in _folders(folder)] for name, folder in split.items() if name != "unlabelled"
    }
    for name, names in labelled.items():
        if not names:
            raise InputError(f"folder:{split[name]}: there is no class folder with images in it.")
    classes = same_classes(labelled, where=f"folder:{place}") if labelled else ()
    found = {}
    for name, folder in split.items():
        if name == "unlabelled":
            paths = sorted(images_below(folder))
            labels = [-1] * len(paths)
        else:
            of_class = [sorted(images_below(folder / word)) for word in classes]
            empty = [word for word, paths in zip(classes, of_class, strict=True) if not paths]
            if empty:
                raise InputError(f"folder:{folder}: no images for {_quoted(empty)}.")
            paths = [path for paths in of_class for path in paths]
            labels = [number for number, paths in enumerate(of_class) for _ in paths]
        if not paths:
            raise InputError(f"folder:{folder}: there is no image in it.")
        found[name] = _image_set(f"folder:{place}/{name}", classes, paths, root, labels, config)
    return found


def open_plain_folder(place: str, config: InputConfig) -> ImageSet:
    """Return all images below a folder, at any depth, in the order of their paths, without labels.

    Raises:
        InputError: If there is none.
    """
    paths = sorted(images_below(Path(place)))
    if not paths:
        raise InputError(f"folder:{place}: there is no image in it.")
    return _image_set(f"folder:{place}", (), paths, Path(place), [-1] * len(paths), config)


def open_list(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the images named by ``path label`` lines.

    ``list:TRAIN,val=FILE,test=FILE,unlabelled=FILE,root=FOLDER``; paths are relative to ``root``, by default the folder
    of the first file, and may not leave it. The last word of a line is its label; a line that as a whole is the path of
    an image is unlabelled, as are all lines of an unlabelled list. One list without any label is the unlabelled split,
    without classes.

    Raises:
        InputError: If a file is missing, empty, or not UTF-8; a line has neither a label nor an image of its name; or a
            path leaves the root.
    """
    known = ["val", "test", "unlabelled", "root"]
    for key in options:
        if key not in known:
            raise checks.unknown("option of list", key, known)
    files = {"train": place} | {key: value for key, value in options.items() if key != "root"}
    root = Path(options.get("root", Path(place).parent))
    lines = {split: _read_lines(Path(file), root, labelled=split != "unlabelled") for split, file in files.items()}
    if lines.keys() == {"train"} and all(label == "-1" for _, label in lines["train"]):
        files, lines = {"unlabelled": place}, {"unlabelled": lines["train"]}
    classes, labels = number_labels(
        {split: [label for _, label in rows] for split, rows in lines.items()}, where=f"list:{place}"
    )
    return {
        split: _image_set(
            f"list:{files[split]}", classes, [below(root, path, files[split]) for path, _ in rows], root,
            labels[split], config,
        )
        for split, rows in lines.items()
    }  # fmt: skip


def below(root: Path, path: str, where: str) -> Path:
    """Join ``path`` to ``root`` and require that it stays below it (links are not followed)."""
    base = os.path.abspath(root)  # noqa: PTH100 - resolve() would follow links
    joined = os.path.abspath(Path(base, path))  # noqa: PTH100
    if not joined.startswith(base.rstrip(os.sep) + os.sep):
        raise InputError(f"{where}: the path {path!r} leads outside the folder {str(root)!r}.")
    return Path(joined)


def images_below(folder: Path) -> Iterable[Path]:
    """Yield the image files below a folder, at any depth, hidden ones left out; none where there is no folder."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and _is_image(name):
                yield Path(place, name)


def _quoted(names: Iterable[str]) -> str:
    """Join names for a message."""
    return ", ".join(repr(name) for name in names)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in ENDINGS  # noqa: PTH122 - a million names


def _read_lines(file: Path, root: Path, *, labelled: bool) -> list[tuple[str, str]]:
    if not file.is_file():
        raise InputError(f"list:{file}: there is no such file.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"list:{file}: byte {error.start} is not UTF-8; save the list as UTF-8.") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        whole = line.strip()
        if not whole:
            continue
        path, label = [*whole.rsplit(None, 1), ""][:2]
        bare = not label or _is_image(whole)
        if labelled and bare and not Path(root, whole).is_file():
            raise InputError(
                f"list:{file}: line {number} must be 'path label', got {line!r}, which is no file in {root} either."
            )
        rows.append((whole, "-1") if bare or not labelled else (path.strip(), label))
    if not rows:
        raise InputError(f"list:{file}: the list is empty.")
    return rows


def _image_set(
    name: str, classes: tuple[str, ...], paths: list[Path], root: Path, labels: object, config: InputConfig
) -> ImageSet:
    base = Path(os.path.abspath(root))  # noqa: PTH100
    ids = [Path(os.path.abspath(path)).relative_to(base).as_posix() for path in paths]  # noqa: PTH100
    return ImageSet(
        name=name,
        classes=classes,
        ids=np.array(ids, dtype=str),
        labels=np.asarray(labels, dtype=np.int64),
        pixels=FilePixels(paths, config.max_megapixels),
        rows=np.arange(len(paths)),
    )
