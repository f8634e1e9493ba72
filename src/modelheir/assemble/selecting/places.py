"""Files of a manifest: images that are files are linked or copied, others are written out; all below one folder."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from modelheir.data.images import BytesPixels, FilePixels, ImageSet, JoinedPixels, Pixels

__all__ = ["place_images"]

_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def place_images(images: ImageSet, folder: Path, name: str, *, copy: bool = False) -> list[str]:
    """Make images readable below ``folder`` and return the path of each, relative to it.

    Files are reached through one link ``images/NAME`` to the folder that holds them all. Where links cannot be made,
    or with ``copy``, they are copied. Images inside Parquet are written with their bytes as they are, decoded ones as
    PNG. What is there already is kept.

    Args:
        images: The images.
        folder: Where the manifest is.
        name: What to call their folder below ``images``.
        copy: Copy files too, so that ``folder`` can be moved without them.
    """
    where = folder / "images" / name
    sources = [_source(images.pixels, int(row)) for row in images.rows]
    files = [one[0].paths[one[1]] for one in sources if isinstance(one[0], FilePixels)]
    root = Path(os.path.commonpath([os.path.dirname(os.path.abspath(one)) for one in files])) if files else None  # noqa: PTH100, PTH120
    linked = root is not None and len(files) == len(images) and not copy and _link(where, root)
    paths = []
    for i, (pixels, row) in enumerate(sources):
        if linked:
            assert root is not None
            inner = Path(os.path.abspath(pixels.paths[row])).relative_to(root)  # noqa: PTH100  # pyright: ignore
            paths.append((Path("images") / name / inner).as_posix())
            continue
        if i == 0 and where.is_symlink():
            where.unlink()
        paths.append(_write(images, i, pixels, row, folder, f"images/{name}"))
    return paths


def _source(pixels: Pixels, row: int) -> tuple[Pixels, int]:
    """Return where a row is kept, behind joined sets."""
    while isinstance(pixels, JoinedPixels):
        part, own = pixels.place[row]
        pixels, row = pixels.parts[part], int(own)
    return pixels, row


def _link(where: Path, target: Path) -> bool:
    try:
        if where.is_symlink():
            where.unlink()
        where.parent.mkdir(parents=True, exist_ok=True)
        where.symlink_to(target, target_is_directory=True)
    except OSError:  # a folder of copies stands there, or the system has no links
        return False
    return True


def _write(images: ImageSet, i: int, pixels: Pixels, row: int, folder: Path, below: str) -> str:
    """Write one image and return its path."""
    stem = f"{below}/{_safe(str(images.ids[i]))}"
    if isinstance(pixels, FilePixels):
        content = pixels.paths[row].read_bytes()
        ending = pixels.paths[row].suffix
    elif isinstance(pixels, BytesPixels):
        content = pixels.column[row].as_py() or b""
        ending = next((end for start, end in _ENDINGS.items() if content.startswith(start)), ".img")
    else:
        store = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(images.image(i))).save(store, "PNG")
        content, ending = store.getvalue(), ".png"
    name = stem if stem.lower().endswith(ending.lower()) else stem + ending
    path = folder / name
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return name


def _safe(name: str) -> str:
    """Return a file name for a sample id; where letters had to go, a digest keeps two ids apart.

    >>> _safe("cat/01.png"), _safe("../cat 1")
    ('cat/01.png', 'cat_1-e7f63ad1')
    """
    parts = [re.sub(r"[^A-Za-z0-9._-]+", "_", part) for part in name.split("/")]
    safe = "/".join(part for part in parts if part.strip("."))
    if safe == name:
        return safe
    return f"{safe or 'image'}-{hashlib.blake2b(name.encode(errors='backslashreplace'), digest_size=4).hexdigest()}"
