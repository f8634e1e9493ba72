"""Flags may be written with dashes or underscores, in every command alike, and the help shows one spelling."""

import importlib
import re

import pytest

from modelheir.checks import InputError
from modelheir.cli import COMMANDS, cache, compare, main
from modelheir.cli.averaging import ensemble
from modelheir.cli.benching import bench, shifts, summarize
from modelheir.cli.searching.search import search_spec
from modelheir.cli.settings import parse
from modelheir.cli.train import parse_train, spec_of
from modelheir.config.describe import settings
from modelheir.methods import METHODS

PARSERS = {"compare": compare.parser, "ensemble": ensemble.parser}
PLAIN = ("copy", "export", "import", "report")  # without a setting of two words
SILENT = {"methods", "explain"}  # commands without settings
PER_METHOD = {"train": spec_of, "search": search_spec}
SPECS = {
    name: importlib.import_module(row.module).SPEC
    for name, row in COMMANDS.items()
    if name not in {*PARSERS, *SILENT, *PER_METHOD, "cache", "bench"}
}
SPECS |= {f"{word} {name}": of(method) for word, of in PER_METHOD.items() for name, method in METHODS.items()}
SPECS["cache write"] = cache.WRITE
SPECS |= {"bench run": bench.SPEC, "bench summarize": summarize.SPEC, "bench shifts": shifts.SPEC}


def as_words(setting):
    """Return the default of a setting as it is typed."""
    value = setting.default
    if value in ("", (), None, {}):
        return None
    values = value if isinstance(value, tuple) else (value,)
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


@pytest.mark.parametrize("name", SPECS)
def test_settings(name):
    spec = SPECS[name]
    said = {}
    for spell in (str, lambda key: key.replace("_", "-")):
        words = [] if spec.words.endswith("...") else ["x"] * len(spec.words.split())
        words += ["x"] * spec.words.endswith("...")
        for prefix, config in spec.configs.items():
            for one in settings(config, prefix):
                values = as_words(one)
                if values is not None and not one.key.startswith("method."):  # a choice may leave those aside
                    for value in values:
                        words += [f"--{spell(one.key)}={value}"]
        said[spell] = parse(spec, words)
        assert any("_" in word or "-" in word[2:] for word in words) or name in (*PLAIN, "bench run", "bench summarize")
    first, second = said.values()
    assert first == second


@pytest.mark.parametrize("name", PARSERS)
def test_options(name):
    parser = PARSERS[name]()
    values = {"--undecided": "hold", "--bec": "new", "--correction": "holm", "--by": "logits"}
    for option, action in parser._option_string_actions.items():
        if not option.startswith("--") or option == "--help":
            continue
        value = [] if action.nargs == 0 else [values.get(option, "1")]
        found = []
        for spelled in (option, option.replace("-", "_").replace("__", "--", 1)):
            for words in ([spelled, *value], [f"{spelled}={value[0]}"] if value else [spelled]):
                found.append(parser.parse_args(["a", "b", *words]))
        assert all(one == found[0] for one in found)
        assert found[0] != parser.parse_args(["a", "b"]) or option in ("--bec", "--correction", "--by")
    with pytest.raises(InputError, match="unrecognized arguments: --max__nfrr"):
        parser.parse_args(["a", "b", "--max__nfrr", "1"])
    rest = parser.parse_args(["--", "a", "--max_nfr"])  # after the two dashes alone, words are words
    assert "--max_nfr" in (getattr(rest, "new", None), *(getattr(rest, "sources", None) or ()))


@pytest.mark.parametrize("words", [["--fit.batch-size", "3"], ["--fit.batch_size=3"], ["--fit.batch-size=3"]])
def test_values_reach_their_setting(words, capsys):
    _, config, _, printed = parse_train(["finetune", *words, "--print-config", "--inputs.train-fraction", "0.25"])
    assert (config.fit.batch_size, config.inputs.train_fraction, printed) == (3, 0.25, True)
    assert parse_train(["finetune", "--print_config"])[3]
    with pytest.raises(InputError, match=r"unknown setting '--fit.batch_sise'. Did you mean '--fit.batch_size'"):
        parse_train(["finetune", "--fit.batch-sise", "3"])


def test_a_gate_reads_both(tmp_path, capsys):
    (tmp_path / "old.csv").write_text("sample_id,label,prediction\n" + "".join(f"{k},0,0\n" for k in range(100)))
    (tmp_path / "new.csv").write_text("sample_id,label,prediction\n" + "".join(f"{k},0,1\n" for k in range(100)))
    files = [str(tmp_path / name) for name in ("old.csv", "new.csv")]
    for flag in ("--max-nfr", "--max_nfr"):
        assert main(["compare", *files, flag, "0.02"]) == 1
        assert main(["compare", *files, f"{flag}=1"]) == 0


@pytest.mark.parametrize("name", [*COMMANDS, *(f"train {name}" for name in METHODS)])
def test_the_help_shows_one_spelling(name, capsys):
    try:
        main([*name.split(), "--help"])
    except SystemExit as end:
        assert not end.code  # noqa: PT017
    flags = set(re.findall(r"--[a-z][\w.-]*\w", capsys.readouterr().out))
    assert len({flag.replace("-", "_") for flag in flags}) == len(flags)
    assert flags or name in SILENT or name == "train"
