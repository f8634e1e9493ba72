"""Only a folder's own pictures are written over, whatever they are called."""

import json

import pytest
from markupsafe import Markup

from modelheir.bench.pictures.folder import PictureFolder, file_name
from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder

SVG = Markup('<svg viewBox="0 0 4 4"></svg>')


def write(folder, name="a"):
    return folder.write(name, SVG, [{"x": 1}], ["x"])


def test_a_picture_has_its_numbers_beside_it_and_may_be_drawn_again(tmp_path):
    for _ in range(2):
        path = write(PictureFolder(tmp_path / "out"))
    assert path == tmp_path / "out" / "a.svg"
    assert (tmp_path / "out" / "a.csv").read_text() == "x\n1\n"
    assert sorted(one.name for one in path.parent.iterdir()) == ["a.csv", "a.svg", "pictures.json"]


@pytest.mark.parametrize("name", ["a.svg", "a.csv"])
def test_a_file_of_something_else_stays(tmp_path, name):
    (tmp_path / name).write_text("mine")
    folder = PictureFolder(tmp_path)
    with pytest.raises(InputError, match=f"{name} is there already and not a picture that this command made"):
        folder.accept(["a"])
    with pytest.raises(InputError):
        write(folder)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("text", ["[]", "{}", "mine", '{"modelheir pictures": 3}', "\x00"])
def test_another_s_list_stays(tmp_path, text):
    (tmp_path / "pictures.json").write_text(text)
    with pytest.raises(InputError, match=r"pictures\.json is not the list of a folder of pictures"):
        PictureFolder(tmp_path)
    assert (tmp_path / "pictures.json").read_text() == text


def test_a_killed_command_leaves_what_it_may_write_again(tmp_path, monkeypatch):
    """Killed between the list and the picture, and between the table and the picture."""
    from modelheir.bench.pictures import folder as module

    def killed(path, *rest):
        path.with_suffix(".csv").write_text("half")
        raise KeyboardInterrupt

    folder = PictureFolder(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_figure", killed)
        with pytest.raises(KeyboardInterrupt):
            write(folder)
    assert not (tmp_path / "a.svg").exists()
    assert write(PictureFolder(tmp_path)).is_file()
    assert (tmp_path / "a.csv").read_text() == "x\n1\n"


def test_data_and_runs_are_not_written_into(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="lies in the data"):
        PictureFolder(tmp_path / "photos" / "out", [f"folder:{tmp_path / 'photos'}"])
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file: give a folder"):
        PictureFolder(tmp_path / "file")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.set_status("finished")
    with pytest.raises(InputError, match="would replace a file of the run"):
        PictureFolder(run.path / "stages").accept(["a"])
    PictureFolder(run.path / "pictures").accept(["a"])


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\nb", "\x1b[2J", "x" * 500, "..", "CON", "a/b\\c", "\u202e"])
def test_hostile_names_are_files_of_the_folder(tmp_path, name):
    found = file_name("interpolation", name, "net")
    assert len(found) < 100
    assert write(PictureFolder(tmp_path), found).parent == tmp_path
    assert json.loads((tmp_path / "pictures.json").read_text())["modelheir pictures"] == [
        f"{found}.csv", f"{found}.svg",
    ]  # fmt: skip
