"""Draws docs/images/shifts.png: what each shift makes of one drawn picture.

python docs/images/shifts.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from modelheir.data.shifts.table import SHIFTS, apply_images

SIZE, SCALE, COLUMNS, CAPTION = 32, 3, 6, 16
PAD = 8


def scene() -> np.ndarray:
    """Draw a house at a lake, four times as large, and shrink it."""
    large = Image.new("RGB", (4 * SIZE, 4 * SIZE), (150, 195, 235))
    pen = ImageDraw.Draw(large)
    pen.ellipse((92, 10, 114, 32), fill=(250, 225, 120))
    pen.rectangle((0, 84, 128, 128), fill=(95, 150, 80))
    pen.ellipse((50, 96, 150, 124), fill=(70, 110, 170))
    pen.rectangle((24, 56, 72, 98), fill=(205, 185, 160))
    pen.polygon([(16, 58), (48, 26), (80, 58)], fill=(165, 60, 50))
    pen.rectangle((42, 74, 56, 98), fill=(90, 60, 45))
    pen.rectangle((60, 64, 68, 74), fill=(60, 80, 110))
    return np.asarray(large.resize((SIZE, SIZE), Image.Resampling.BOX))


def main() -> None:
    """Write the picture: the drawing, then every shift of images, graded ones at strength 3."""
    amounts = {"corruption": 3.0, "rotation": 30.0, "recolor": 60.0, "crop_zoom": 3.0, "horizontal_flip": 1.0}
    skipped = ("rotation_cond", "recolor_cond")
    names = [name for name, shift in SHIFTS.items() if shift.changes == "images" and name not in skipped]
    tiles = [("as it is", scene())]
    for name in names:
        amount = amounts.get(name, 3.0)
        (changed,) = apply_images(scene()[None], np.zeros(1, np.int64), {name: amount}, np.random.default_rng(3))
        tiles.append((f"{name}@{amount:g}", changed))
    width, height = SIZE * SCALE + 2 * PAD + 26, SIZE * SCALE + CAPTION + PAD
    rows = -(-len(tiles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(page)
    for place, (caption, tile) in enumerate(tiles):
        x, y = place % COLUMNS * width, place // COLUMNS * height
        large = Image.fromarray(tile).resize((SIZE * SCALE,) * 2, Image.Resampling.NEAREST)
        page.paste(large, (x + (width - SIZE * SCALE) // 2, y + CAPTION))
        pen.text((x + width / 2, y + CAPTION / 2), caption, fill="black", anchor="mm")
    page.quantize(192, method=Image.Quantize.MEDIANCUT).save(Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
