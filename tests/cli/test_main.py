"""The dispatcher: help that teaches, mistakes as one sentence, nothing heavy imported."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import types

import pytest

from modelheir import cli
from modelheir.checks import InputError
from modelheir.cli import COMMANDS, Command, main


def command(monkeypatch, action):
    module = types.ModuleType("toy_command")
    module.main = action
    monkeypatch.setitem(sys.modules, "toy_command", module)
    return {"toy": Command("toy_command", "a toy", "modelheir toy")}


def failing(error):
    def action(argv):
        raise error

    return action


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command_with_an_example(argv, capsys):
    assert main(argv) == 0
    text = capsys.readouterr().out
    for name, row in COMMANDS.items():
        assert f"  {name} " in text
        assert row.example in text
        assert row.example.startswith(f"modelheir {name}")


def test_help_word_is_the_commands_help(monkeypatch, capsys):
    assert main(["help", "toy"], commands=command(monkeypatch, print)) == 0
    assert capsys.readouterr().out == "['--help']\n"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("modelheir 0.")


def test_unknown_command(capsys):
    assert main(["trian"]) == 2
    assert "unknown command 'trian'. Did you mean 'train'?" in capsys.readouterr().err


def test_the_table_points_at_modules():
    """Every command of the table exists; the module says in one line what it does."""
    for name, row in COMMANDS.items():
        assert importlib.util.find_spec(row.module) is not None, name


def test_codes_pass_through(monkeypatch):
    assert main(["toy", "a"], commands=command(monkeypatch, lambda argv: 1 if argv == ["a"] else 0)) == 1
    assert main(["toy"], commands=command(monkeypatch, lambda argv: None)) == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("seed = -1: must be\n >= 0."), "modelheir toy: seed = -1: must be >= 0.\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x.csv"),
            "modelheir toy: x.csv: no such file or directory.\n",
        ),
        (PermissionError(13, "Permission denied", "/root/x"), "modelheir toy: /root/x: permission denied.\n"),
        (OSError(36, "File name too long", "x" * 300), "modelheir toy: " + "x" * 300 + ": file name too long.\n"),
        (InputError("class a\x1b[2J\x9b\u202e is unknown"), r"modelheir toy: class a\x1b[2J\x9b\u202e is unknown"),
        (InputError("x" * 10**6), "modelheir toy: xxx"),
        (MemoryError(), "modelheir toy: out of memory: close other programs"),
    ],
)
def test_mistakes_are_one_sentence(error, said, monkeypatch, capsys):
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    assert main(["toy"], commands=command(monkeypatch, failing(error))) == 2
    text = capsys.readouterr().err
    assert text.startswith(said)
    assert text.count("\n") == 1


def test_traceback_on_request(monkeypatch):
    monkeypatch.setenv("MODELHEIR_TRACEBACK", "1")
    with pytest.raises(InputError):
        main(["toy"], commands=command(monkeypatch, failing(InputError("no"))))


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by \x1b none"), FileNotFoundError("no file named"), KeyError("k")]
)
def test_faults_of_the_program_are_one_sentence_and_a_private_file(error, tmp_path, monkeypatch, capsys):
    """Code 1 means that a gate failed, so no exception may end with it; and the user's folder stays as it was."""
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    assert main(["toy"], commands=command(monkeypatch, failing(error))) == 70
    text = capsys.readouterr().err
    assert text.startswith(f"modelheir toy: a fault of the program, not an answer ({type(error).__name__}: ")
    assert text.count("\n") == 1
    assert "\x1b" not in text
    (kept,) = (tmp_path / "temporary").iterdir()
    assert str(kept) in text
    assert "Traceback (most recent call last)" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "here").iterdir()) == []


def test_faults_are_said_where_no_file_can_be_written(monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    assert main(["toy"], commands=command(monkeypatch, failing(ZeroDivisionError()))) == 70
    assert "could not be kept (No such file or directory)" in capsys.readouterr().err


def test_faults_are_raised_on_request(monkeypatch):
    monkeypatch.setenv("MODELHEIR_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["toy"], commands=command(monkeypatch, failing(ZeroDivisionError())))


@pytest.mark.parametrize("name", COMMANDS)
def test_advice_on_memory_names_settings_that_the_command_has(name, monkeypatch, capsys):
    module = importlib.import_module(COMMANDS[name].module)
    monkeypatch.setattr(module, "main", failing(MemoryError()))
    monkeypatch.delenv("MODELHEIR_TRACEBACK", raising=False)
    assert main([name]) == 2
    text = capsys.readouterr().err
    monkeypatch.undo()
    words = re.findall(r"--([a-z_.]+)", text)
    runs = ("train", "average", "search", "predict", "evaluate", "cache", "select", "embed")
    assert bool(words) == (name in runs)
    if words:
        with pytest.raises(SystemExit):
            main([name, *{"train": ["finetune"], "search": ["finetune"], "cache": ["write"]}.get(name, []), "--help"])
        known = capsys.readouterr().out
        assert [word for word in words if f"--{word}" not in known] == []


def test_letters_that_the_terminal_lacks_are_written_out():
    code = "from modelheir.cli import main; main(['café'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
    )  # fmt: skip
    assert "unknown command" in done.stderr
    assert "UnicodeEncodeError" not in done.stderr


def test_interrupted(monkeypatch, capsys):
    assert main(["toy"], commands=command(monkeypatch, failing(KeyboardInterrupt()))) == 130
    assert "run the same command again to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--help"], ["methods"], ["train", "upgrade", "--help"], ["train", "upgrade", "--x"]]
)
def test_no_torch(words):
    code = f"import sys; from modelheir.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "modelheir.cli", "nope"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("modelheir: unknown command 'nope'.")
    assert "Traceback" not in done.stderr


def test_all_is_true():
    assert set(cli.__all__) <= set(dir(cli))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_keeps_the_exit_code(tmp_path, unbuffered):
    """A failed gate is code 1 also behind ``| head -0``, and nothing is complained about."""
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("sample_id,label,prediction\n" + "".join(f"s{i},0,0\n" for i in range(9)))
    new.write_text("sample_id,label,prediction\n" + "".join(f"s{i},0,{i % 2}\n" for i in range(9)))
    words = [sys.executable, "-m", "modelheir.cli", "compare", str(old), str(new), "--max-nfr", "0.1"]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
