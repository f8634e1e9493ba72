import numpy as np
import torch

from modelheir.data.images import FilePixels
from modelheir.data.streams.order import Order
from modelheir.data.streams.workers import Decoding, Rows, collate
from modelheir.data.transforms.augment import Augment, resolve


def test_rows_carry_the_epoch_and_start():
    rows = Rows(Order(n=5, batch_size=2, shuffle=False, seed=0))
    assert list(rows) == [[(0, 0), (1, 0)], [(2, 0), (3, 0)], [(4, 0)]]
    rows.epoch, rows.view, rows.start = 3, 3, 2
    assert list(rows) == [[(4, 3)]]
    assert len(rows) == 1


def test_unreadable_images_travel_as_reasons(make_images, config, tmp_path):
    images = make_images()
    augment = Augment(resolve(config, images), train=True, seed=0)
    row, square = Decoding(images, augment)[2, 0]
    assert row == 2
    assert (square == images.image(2)).all()
    lost = make_images(pixels=FilePixels([tmp_path / "x.png"] * 12, 50))
    bad = Decoding(lost, augment)[4, 0]
    assert bad == (4, "toy/004: no such file")
    rows, squares, reasons = collate([(2, square), bad])
    assert rows.tolist() == [2]
    assert torch.equal(squares[0], torch.from_numpy(np.array(square)).permute(2, 0, 1))
    assert reasons == [bad]
    assert len(collate([bad])[0]) == 0


def test_boxes_depend_on_the_epoch_and_the_row_alone(make_images, config):
    import dataclasses

    images = make_images()
    augment = Augment(resolve(dataclasses.replace(config, augment="random_resized_crop"), images), train=True, seed=0)
    data = Decoding(images, augment)
    assert (data[3, 1][1] == data[3, 1][1]).all()
    assert any((data[3, 1][1] != data[3, epoch][1]).any() for epoch in (2, 3))
