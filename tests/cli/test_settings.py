"""Words to settings: precedence, lists, booleans, and errors that name the key and what is allowed."""

import dataclasses

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.cli.train import parse_train, settings_text
from modelheir.config.fit import FitConfig
from modelheir.config.mapping import to_mapping
from modelheir.config.run import TrainConfig
from modelheir.config.unread import refuse_unread


def run(methods, *words):
    return parse_train(["careful", *words], methods)


def test_precedence_is_defaults_method_file_flags(methods, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("fit: {lr: 0.5, batch_size: 8}\nmethod: {pull: {focus: 3}}\nseed: 4\n")
    _, config, own, _ = run(methods)
    assert (config.fit.epochs, config.fit.lr, own.pull.focus) == (7, 0.0, 2.0)  # 7 and 2: the method's own
    _, config, own, _ = run(methods, "--fit.batch_size", "16", "--config", str(file))
    assert (config.fit.epochs, config.fit.lr, config.fit.batch_size, config.seed) == (7, 0.5, 16, 4)
    assert own.pull.focus == 3.0
    second = tmp_path / "b.yaml"
    second.write_text("fit.lr: 1e-3\n")
    _, config, *_ = run(methods, "--config", str(file), "--config", str(second), "--epochs=2")
    assert (config.fit.lr, config.fit.batch_size, config.fit.epochs) == (0.001, 8, 2)


def test_out_follows_the_method(methods):
    assert run(methods)[1].out == "runs/careful"
    assert parse_train(["plain", "--out", "x"], methods)[1].out == "x"


@pytest.mark.parametrize(
    "words",
    [
        ["--old", "a b", "c"],
        ["--old", "a b", "--old=c"],
        ["--old", '["a b", "c"]'],
    ],
)
def test_lists_keep_every_word(words, methods):
    """A path with a space is one path, and of several none is lost (Q-d)."""
    assert run(methods, *words)[1].old == ("a b", "c")


def test_text_that_looks_like_a_number_stays_text(methods):
    _, config, *_ = run(methods, "--inputs.train_classes", "1", "2", "--model", "123", "--data", "null")
    assert config.inputs.train_classes == ("1", "2")
    assert (config.model, config.data) == ("123", "null")


@pytest.mark.parametrize(("words", "value"), [([], False), (["--quiet"], True), (["--quiet", "False"], False)])
def test_booleans_mean_what_they_say(words, value, methods):
    """The word False is false (Q-b), and a flag needs no word."""
    assert run(methods, *words)[1].quiet is value


def test_hyphens_and_optional_values(methods):
    _, config, *_ = run(methods, "--allow-weak-teacher", "--init-seed", "3", "--data_seed", "null")
    assert (config.allow_weak_teacher, config.init_seed, config.data_seed) == (True, 3, None)


def test_dictionaries(methods):
    assert run(methods, "--network.kwargs", '{"depth": 3}')[1].network.kwargs == {"depth": 3}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epoch", "3"], "unknown setting '--epoch'. Did you mean '--epochs'?"),
        (["--lr", "3"], "unknown setting '--lr'. Did you mean '--fit.lr'?"),
        (["--focuss", "3"], "Did you mean '--method.pull.focus'?"),
        (["--fit.lr", "abc"], "fit.lr = 'abc': must be a number >= 0."),
        (["--fit.lr", "nan"], "fit.lr = 'nan': must be a number >= 0."),
        (["--fit.lr", ".inf"], "fit.lr = inf: must be >= 0."),
        (["--fit.epochs", "2.5"], "fit.epochs = '2.5': must be a whole number >= 1."),
        (["--epochs", "0"], "fit.epochs = 0: must be >= 1."),
        (["--method.loss", "lid"], "method.loss = 'lid': must be one of kl, ldi. Did you mean 'ldi'?"),
        (["--method.layers", "3", "0"], "method.layers = 0: must be >= 1."),
        (["--method.layers", "a"], "method.layers = 'a': must be a list, each a whole number >= 1."),
        (["--seed"], "--seed needs a value."),
        (["--seed", "--quiet"], "--seed needs a value."),
        (["--quiet", "please"], "unexpected 'please'"),
        (["--device", "gpu"], "device = 'gpu': must be auto, cpu, cuda, cuda:N or mps."),
        (["--trackers", "tensorbord"], "Did you mean 'tensorboard'?"),
        (["--config", "none.yaml"], "none.yaml is missing"),
        (["--fit", "3"], "unknown setting '--fit'."),
    ],
)
def test_mistakes(words, said, methods):
    with pytest.raises(InputError) as error:
        run(methods, *words)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fit: {epoch: 3}", "a.yaml: unknown setting 'epoch' in fit. Did you mean 'epochs'?"),
        ("method: {los: kl}", "a.yaml: unknown setting 'los' in method. Did you mean 'loss'?"),
        ("fit: {lr: -1}", "a.yaml: fit.lr = -1.0: must be >= 0."),
        ("fit: {lr: fast}", "a.yaml: fit.lr = 'fast': must be a number >= 0."),
        ("quiet: 'False'", "a.yaml: quiet = 'False': must be true or false."),
        ("fit: 3", "a.yaml: fit is a group of settings, got 3"),
        ("method: 3", "a.yaml: method is a group of settings, got 3"),
        ("seed: 1\nseed: 2", "a.yaml, line 2: 'seed' is given twice"),
        ("- 1", "a.yaml must hold settings"),
        ("a: [", "a.yaml, line 2:"),
        ("train: plain", "the settings file is for `train plain`, and the command says `train careful`."),
    ],
)
def test_mistakes_in_a_file_name_the_file(text, said, methods, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(text + "\n")
    with pytest.raises(InputError) as error:
        run(methods, "--config", str(file))
    assert said in str(error.value)


@pytest.mark.parametrize("flag", ["learning_rate", "fit.learning_rate", "lerning_rate", "fit.lerning_rate"])
def test_the_words_of_other_programs_lead_to_ours(flag, methods):
    with pytest.raises(InputError, match=r"unknown setting '--\S+'. Did you mean '--fit.lr'\?"):
        run(methods, f"--{flag}", "1")


def test_every_other_word_leads_to_a_setting_of_train():
    from modelheir.cli.train import spec_of
    from modelheir.config.describe import settings
    from modelheir.config.nearest import _OTHER_WORDS
    from modelheir.methods import METHODS

    configs = spec_of(METHODS["upgrade"]).configs
    ends = {one.key.rpartition(".")[2] for prefix, config in configs.items() for one in settings(config, prefix)}
    assert set(_OTHER_WORDS.values()) <= ends
    assert not ends & set(_OTHER_WORDS)


def test_unknown_or_missing_method(methods, capsys):
    with pytest.raises(InputError, match=r"unknown method 'carefull'. Did you mean 'careful'"):
        parse_train(["carefull"], methods)
    with pytest.raises(InputError, match="METHOD is missing"):
        parse_train(["--seed", "1"], methods)
    with pytest.raises(SystemExit) as stopped:
        parse_train([], methods)
    assert stopped.value.code == 2
    assert "careful it" in capsys.readouterr().out


def test_help_lists_settings_with_limits_and_defaults(methods, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(methods, "--help")
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--fit.epochs N passes over the first stream (>= 1; default 7; also --epochs)" in text
    assert "--method.pull.focus X beta, weight of what was right (>= 0; default 2)" in text


def test_printed_settings_come_back(methods, tmp_path):
    """Training from ``--print_config`` repeats the run, the method's name included."""
    words = [
        "--seed",
        "3",
        "--old",
        "x # y",
        "--fit.lr",
        "1e-5",
        "--fit.lr_multipliers",
        "0.1",
        "1",
        "--method.layers=[]",
    ]
    name, config, own, _ = run(methods, *words)
    file = tmp_path / "a.yaml"
    file.write_text(settings_text(methods[name], config, own))
    again = parse_train(["--config", str(file)], methods)
    assert again == (name, config, own, False)
    assert "# passes over the first stream; >= 1" in file.read_text()


def test_a_run_folders_settings_come_back(methods, tmp_path):
    name, config, own, _ = run(methods, "--seed", "5")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"train": name, **to_mapping(config), "method": to_mapping(own)}))
    assert parse_train([name, "--config", str(file)], methods)[1:3] == (config, own)


@settings(deadline=None, max_examples=25)
@given(
    st.builds(
        FitConfig,
        epochs=st.integers(1, 1000),
        lr=st.floats(1e-12, 1e6),
        lr_multipliers=st.lists(st.floats(0, 10), max_size=3).map(tuple),
        nesterov=st.booleans(),
    ),
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8), max_size=3).map(tuple),
)
def test_any_settings_survive_the_round_trip(tmp_path_factory, fit, old):
    from modelheir.methods.method import Method

    @dataclasses.dataclass(frozen=True)
    class Own:
        pass

    method = Method("toy", "", "", Own, lambda config, parts: [])
    config = TrainConfig(fit=fit, old=old, out="x")
    file = tmp_path_factory.mktemp("settings") / "a.yaml"
    file.write_text(settings_text(method, config, Own()), encoding="utf-8")
    assert parse_train(["--config", str(file)], {"toy": method})[:3] == ("toy", config, Own())


FIX = "method: {fix: {epochs: 3, scale: 1.5, rate: 0.1}}\n"


def test_a_stage_of_a_file_is_switched_off_by_its_own_flag_alone(tmp_path, capsys):
    """What the file says of it is left out and said, where it is another value than the usual."""
    (tmp_path / "a.yaml").write_text(FIX)
    words = ["distill", "--teacher", "run:x", "--config", str(tmp_path / "a.yaml")]
    assert parse_train(words)[2].fix.scale == 1.5
    assert capsys.readouterr().err == ""
    usual = type(parse_train(words)[2].fix)()
    own = parse_train([*words, "--method.fix.epochs", "0"])[2]
    assert own.fix == usual
    refuse_unread(own, type(own)(), "method")
    assert capsys.readouterr().err == (
        "method.fix.scale = 1.5 of the settings file has no effect with method.fix.epochs = 0, and is left out.\n"
    )
    parse_train([*words, "--method.fix.epochs", "0", "--quiet"])
    assert capsys.readouterr().err == ""


def test_what_is_typed_or_a_file_leaves_aside_itself_is_refused_as_before(tmp_path, capsys):
    file = tmp_path / "a.yaml"
    file.write_text(FIX)
    words = ["distill", "--teacher", "run:x", "--config", str(file)]
    for more in (["--method.fix.epochs", "0", "--method.fix.scale", "1.7"], ["--method.fix.scale", "1.7"]):
        own = parse_train([*words, *more])[2]
        assert own.fix.scale == 1.7
        if len(more) == 4:
            with pytest.raises(
                InputError, match=r"method\.fix\.scale = 1\.7 has no effect with method\.fix\.epochs = 0"
            ):
                refuse_unread(own, type(own)(), "method")
    file.write_text("method: {fix: {scale: 1.5}}\n")  # a slip in the file, whatever the flags say of other things
    own = parse_train([*words, "--method.label_weight", "1"])[2]
    with pytest.raises(InputError, match=r"method\.fix\.scale = 1\.5 has no effect"):
        refuse_unread(own, type(own)(), "method")
    assert capsys.readouterr().err == ""


def test_settings_of_a_files_loss_give_way_to_another_loss(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("method: {losses: [dist], dist: {beta: 2.0}}\n")
    own = parse_train(["distill", "--config", str(tmp_path / "a.yaml"), "--method.losses", "renyi"])[2]
    assert (own.losses, own.dist.beta) == (("renyi",), 1.0)
    assert "method.dist.beta = 2.0 of the settings file has no effect with method.losses" in capsys.readouterr().err
