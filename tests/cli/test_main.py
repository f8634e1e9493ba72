"""The dispatcher: help that teaches, mistakes as one sentence, nothing heavy imported."""

import importlib.util
import os
import subprocess
import sys
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
        (MemoryError(), "modelheir toy: out of memory: lower the batch size"),
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


def test_faults_of_the_program_are_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        main(["toy"], commands=command(monkeypatch, failing(ZeroDivisionError())))
    with pytest.raises(FileNotFoundError):
        main(["toy"], commands=command(monkeypatch, failing(FileNotFoundError("no file named"))))


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
