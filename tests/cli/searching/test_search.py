"""``search``: which words reach the library, what is printed, and bad input in a sentence."""

import pytest
import yaml

import modelheir.assemble
from modelheir import cli
from modelheir.assemble.searching.search import Search
from modelheir.assemble.searching.trial import Trial
from modelheir.cli.searching import search
from modelheir.config.search import Listed, Range

WORLD = ["--data", "synthetic:n=120,classes=3,size=8", "--model", "mlp", "--device", "cpu", "--quiet"]


@pytest.fixture
def found(tmp_path):
    trials = (
        Trial(0, {}, "finished", 0.5, 3.2),
        Trial(1, {"fit.lr": 0.01}, "finished", 0.75, 3.0),
        Trial(2, {"fit.lr": 9.0}, "failed", None, 1.0, "the loss is not finite"),
    )
    return Search(tmp_path / "s", trials, trials[1], tmp_path / "s" / "best.yaml", complete=True)


def test_words_and_files_reach_the_library(calls, found, tmp_path):
    calls.replace(modelheir.assemble, "search_settings", found)
    file = tmp_path / "space.yaml"
    file.write_text("fit.lr: {low: 0.001, high: 0.1, log: true}\ninputs.erase: [0.0, 0.1]\n")
    words = ["distill", "--space", str(file), "--search.inputs.erase", "0.5", "--search.teacher", "run:a", "run:b"]
    words += ["--trials", "7", "--strategy=random", "--epochs", "3", "--search.fit.lr-multipliers=[0, 0.5, 1]"]
    assert search.main(words) == 0
    (name, config, own, space), named = calls["search_settings"]
    assert (name, config.fit.epochs, config.out) == ("distill", 3, "runs/search_distill")
    assert own.teacher == ()
    assert space == {
        "fit.lr": Range(0.001, 0.1, log=True),
        "inputs.erase": Listed((0.5,)),
        "method.teacher": Listed((("run:a",), ("run:b",))),
        "fit.lr_multipliers": Listed(((0.0, 0.5, 1.0),)),
    }
    assert (named["trials"], named["strategy"]) == (7, "random")
    assert named["command"] == ["modelheir", "search", *words]


def test_what_is_printed(calls, found, capsys):
    calls.replace(modelheir.assemble, "search_settings", found)
    assert search.main(["finetune", "--search.fit.lr", "0.01", "9.0", "--quiet"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in reversed(out.splitlines()) if line.split()}
    assert lines["1"].split()[1:] == ["0.01", "75.00%", "3", "best"]
    assert lines["0"].split()[1:] == ["as", "given", "50.00%", "3"]
    assert lines["2"].split()[-1] == "failed"
    assert "Best: trial 1 (fit.lr = 0.01), 75.00%, +25.00 points over the settings as given." in out
    assert "1 of 3 trials failed; the first, 2: the loss is not finite" in out
    assert f"Next: modelheir train --config {found.settings}" in out


def test_a_share_of_labels_is_text_and_views_go_two_by_two(calls, found, capsys):
    """MC-61: every unordered pair of views, and every share of labels, in every way to choose them."""
    calls.replace(modelheir.assemble, "search_settings", found)
    words = ["cotrain", "--search.views", "{pairs: [pixels:left, tv:resnet18, pixels:top]}", "--strategy", "grid"]
    words += ["--search.labels", "0.01", "5 per class", "--search.method.label-rule", "stratified", "balanced"]
    assert search.main([*words, "--labels", "0.1"]) == 0
    space = calls["search_settings"][0][3]
    assert space == {
        "method.views": Listed(
            (("pixels:left", "tv:resnet18"), ("pixels:left", "pixels:top"), ("tv:resnet18", "pixels:top"))
        ),
        "method.labels": Listed(("0.01", "5 per class")),
        "method.label_rule": Listed(("stratified", "balanced")),
    }
    told = capsys.readouterr().err
    assert "3 method.views x 2 method.labels x 2 method.label_rule = 12" in told
    assert "modelheir embed --data digits --encoder tv:resnet18 --out views" in told


def test_further_workers_are_the_same_command(calls, found):
    calls.replace(modelheir.assemble, "search_settings", found)
    words = ["finetune", "--search.fit.lr", "0.01", "--workers", "3", "--strategy", "hyperband", "--quiet"]
    assert search.main(words) == 0
    named = calls["search_settings"][1]
    assert [helper[-2:] for helper in named["helpers"]] == [["--workers", "1"]] * 2
    assert search.main(named["helpers"][0][4:]) == 0
    assert calls["search_settings"][1]["helpers"] == []
    assert (named["trials"], named["watch"]) == (None, None)


@pytest.mark.slow
def test_the_real_command_and_the_next_one(tmp_path, capsys):
    words = ["finetune", *WORLD, "--epochs", "1", "--search.fit.lr", "0.0000001", "--strategy", "greedy"]
    assert cli.main(["search", *words, "--out", str(tmp_path / "s")]) == 0
    out = capsys.readouterr().out
    assert "Nothing is left to try." in out
    assert cli.main(out.splitlines()[-1].removeprefix("Next: modelheir ").split()) == 0
    assert yaml.safe_load((tmp_path / "s" / "best" / "config.yaml").read_text())["train"] == "finetune"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "METHOD is missing"),
        (["finetun"], "unknown method 'finetun'. Did you mean 'finetune'?"),
        (["finetune"], "there is nothing to try: give --space FILE, or --search.SETTING VALUE VALUE ..."),
        (["finetune", "--search.fit.lrr", "1"], "unknown setting 'fit.lrr' to try. Did you mean 'fit.lr'?"),
        (["finetune", "--search.fit.lr"], "--search.fit.lr needs values to try."),
        (["finetune", "--search.fit.lr", "fast"], "fit.lr = 'fast': must be a number"),
        (["finetune", "--search.fit.lr", "{low: 1"], "not values as YAML writes them"),
        (["finetune", "--search.fit.lr", "1", "--trials", "0"], "search.trials = 0: must be"),
        (["finetune", "--search.fit.lr", "1", "--strategy", "girdle"], "search.strategy = 'girdle': must be one of"),
        (["finetune", "--search.fit.lr", "1", "--trails", "3"], "Did you mean '--trials'?"),
        (["upgrade", "--search.fit.lr", "1", "--strategy", "greedy"], "search upgrade needs --old"),
        (["finetune", "--space", "gone.yaml"], "gone.yaml"),
    ],
)
def test_bad_input_is_a_sentence(refused, words, said):
    assert said in refused("search", *words)


def test_help(capsys):
    for words in (["--help"], ["distill", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            search.main(words)
        assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "--search.trials" in out
    assert "pilot" not in out
