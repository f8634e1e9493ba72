import pytest

from modelheir.checks import InputError
from modelheir.data.sources.files import open_folder, open_list


@pytest.fixture
def photos(tmp_path, save):
    for name in ("cat/b.png", "cat/a.PNG", "dog/deep/c.png"):
        save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_class_folders_give_sorted_classes_and_relative_ids(photos, config):
    images = open_folder(str(photos), {}, config)["train"]
    assert images.classes == ("cat", "dog")
    assert images.ids.tolist() == ["cat/a.PNG", "cat/b.png", "dog/deep/c.png"]
    assert images.labels.tolist() == [0, 0, 1]
    assert images.image(2).shape == (8, 8, 3)


def test_split_folders_and_unlabelled_images(tmp_path, save, config):
    for name in (
        "train/cat/a.png",
        "train/dog/b.png",
        "validation/cat/a.png",
        "validation/dog/d.png",
        "unlabeled/x.png",
    ):
        save(tmp_path / name)
    found = open_folder(str(tmp_path), {}, config)
    assert {name: images.ids.tolist() for name, images in found.items()} == {
        "train": ["train/cat/a.png", "train/dog/b.png"],
        "val": ["validation/cat/a.png", "validation/dog/d.png"],
        "unlabelled": ["unlabeled/x.png"],
    }
    assert found["unlabelled"].labels.tolist() == [-1]
    assert found["unlabelled"].classes == ("cat", "dog")


@pytest.mark.parametrize("folder", ["", "unlabelled", "Unlabeled/deep"])
def test_a_plain_folder_of_images_is_unlabelled(folder, tmp_path, save, config):
    for name in ("b new.png", "a.jpg"):
        save(tmp_path / folder / name)
    (tmp_path / "notes.txt").write_text("x")
    (found,) = open_folder(str(tmp_path), {}, config).items()
    split, images = found
    assert (split, images.classes, images.labels.tolist()) == ("unlabelled", (), [-1, -1])
    assert [(tmp_path / name).stat().st_size > 0 for name in images.ids] == [True, True]
    assert images.ids[1].endswith("b new.png")


def test_class_lists_that_differ_are_named(tmp_path, save, config):
    for name in ("train/cat/a.png", "train/dog/b.png", "val/cat/a.png", "val/cow/d.png"):
        save(tmp_path / name)
    with pytest.raises(InputError, match="train and val differ: val lacks 'dog'; train lacks 'cow'"):
        open_folder(str(tmp_path), {}, config)


def test_missing_and_empty_folders_are_named(tmp_path, save, config):
    with pytest.raises(InputError, match="there is no such folder"):
        open_folder(str(tmp_path / "no"), {}, config)
    with pytest.raises(InputError, match="there is no class folder with images"):
        open_folder(str(tmp_path), {}, config)
    save(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(InputError, match="no images for 'dog'"):
        open_folder(str(tmp_path), {}, config)


def test_folders_that_are_no_split_are_named(tmp_path, save, config):
    save(tmp_path / "train" / "cat" / "a.png")
    save(tmp_path / "tset" / "cat" / "a.png")
    with pytest.raises(InputError, match="folders that are no split: tset"):
        open_folder(str(tmp_path), {}, config)


def test_lists_count_distinct_labels_and_keep_spaces_in_paths(photos, config):
    (photos / "train.txt").write_text("cat/a.PNG 3\n\ncat/my picture.png 7\ndog/deep/c.png -1\n")
    (photos / "val.txt").write_text("cat/b.png 7\n")
    (photos / "more.txt").write_text("dog/x y.png\n")
    options = {"val": str(photos / "val.txt"), "unlabelled": str(photos / "more.txt")}
    found = open_list(str(photos / "train.txt"), options, config)
    assert found["train"].classes == ("3", "7")
    assert found["train"].ids.tolist() == ["cat/a.PNG", "cat/my picture.png", "dog/deep/c.png"]
    assert found["train"].labels.tolist() == [0, 1, -1]
    assert found["val"].labels.tolist() == [1]
    assert found["unlabelled"].ids.tolist() == ["dog/x y.png"]
    assert found["unlabelled"].labels.tolist() == [-1]


def test_a_line_that_is_an_image_as_a_whole_is_unlabelled(photos, save, config):
    save(photos / "new" / "a 7.png")
    save(photos / "new" / "a b.png")
    (photos / "bare.txt").write_text("new/a 7.png\n new/a b.png \ncat/b.png -1\n")
    (found,) = open_list(str(photos / "bare.txt"), {}, config).items()
    split, images = found
    assert (split, images.classes, images.labels.tolist()) == ("unlabelled", (), [-1, -1, -1])
    assert images.ids.tolist() == ["new/a 7.png", "new/a b.png", "cat/b.png"]
    (photos / "some.txt").write_text("new/a 7.png\nnew/a b.png 7\ncat/b.png 3\n")
    images = open_list(str(photos / "some.txt"), {}, config)["train"]
    assert (images.classes, images.labels.tolist()) == (("3", "7"), [-1, 1, 0])
    (photos / "gone.txt").write_text("new/a 7.png\nnew/a c.png\n")
    with pytest.raises(InputError, match=r"line 2 must be 'path label', got 'new/a c.png', which is no file in"):
        open_list(str(photos / "gone.txt"), {}, config)


def test_a_root_moves_relative_paths(photos, config, tmp_path):
    (photos / "lists").mkdir()
    (photos / "lists" / "a.txt").write_text("cat/a.PNG 0\n")
    images = open_list(str(photos / "lists" / "a.txt"), {"root": str(photos)}, config)["train"]
    assert images.image(0).shape == (8, 8, 3)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/secret.png", "cat/../../secret.png", "."])
def test_paths_may_not_leave_the_root(photos, config, path):
    (photos / "train.txt").write_text(f"{path} 0\n")
    with pytest.raises(InputError, match="leads outside the folder"):
        open_list(str(photos / "train.txt"), {}, config)


def test_dots_that_stay_below_the_root_are_one_sample_id(photos, config):
    (photos / "train.txt").write_text("dog/../cat/a.PNG 0\n")
    assert open_list(str(photos / "train.txt"), {}, config)["train"].ids.tolist() == ["cat/a.PNG"]


def test_bad_lists_are_named(tmp_path, config):
    file = tmp_path / "a.txt"
    with pytest.raises(InputError, match="there is no such file"):
        open_list(str(file), {}, config)
    file.write_text("\n")
    with pytest.raises(InputError, match="the list is empty"):
        open_list(str(file), {}, config)
    file.write_bytes(b"na\xefve.png 0\n")
    with pytest.raises(InputError, match="byte 2 is not UTF-8"):
        open_list(str(file), {}, config)
    file.write_text("a.png 0\nb.png\n")
    with pytest.raises(InputError, match=r"line 2 must be 'path label', got 'b.png'"):
        open_list(str(file), {}, config)
    with pytest.raises(InputError, match=r"unknown option of list 'vall'. Did you mean 'val'"):
        open_list(str(file), {"vall": "x"}, config)
    file.write_text("a.png 0\na.png 1\n")
    with pytest.raises(InputError, match=r"1 sample ids occur more than once, the first is 'a.png'"):
        open_list(str(file), {}, config)
