from modelheir.report.provenance import rows


def test_nested_values_become_rows_and_the_dirty_flag_speaks():
    about = {
        "packages": {"torch": "2.15", "timm": None},
        "dirty": True,
        "commit": "3f2a9c1",
        "command": ["modelheir", "train", "upgrade"],
        "seeds": {"run": 3},
    }
    assert rows(about) == [
        ("command", "modelheir train upgrade"),
        ("commit", "3f2a9c1"),
        ("dirty", "yes: uncommitted changes"),
        ("seeds.run", "3"),
        ("packages.torch", "2.15"),
        ("packages.timm", "unknown"),
    ]


def test_an_unknown_state_is_said():
    assert rows({"dirty": None}) == [("dirty", "unknown")]
    assert rows({"dirty": False}) == [("dirty", "no")]
    assert rows({}) == []


def test_a_command_can_be_typed_again():
    import shlex

    typed = ["modelheir", "train", "upgrade", "--data", "folder:my photos", "--old", "a'b"]
    ((_, shown),) = rows({"command": typed})
    assert shlex.split(shown) == typed
    call = "modelheir.train('upgrade', data='digits')"
    assert rows({"command": [call]}) == [("command", call)]
    assert rows({"command": []}) == [("command", "not recorded")]
