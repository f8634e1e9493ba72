import pytest

from modelheir.analysis.sequences.method_table import method_table
from modelheir.analysis.sequences.older_csv import read_metrics
from modelheir.checks import InputError

HEAD = "Model,Method,Shift sequence,Seed,Test accuracy,Learning rate decay\n"


def test_rows_become_results_by_published_names():
    text = HEAD + "convnet 1 blocks,erm_side_tune_block,source6:rotation4000,1007,0.51,\n"
    text += "convnet 1 blocks,sequential_fine_tune_linear_lr_decay,source6:rotation4000,1007,0.6,linear\n"
    text += "convnet 1 blocks,sequential_fine_tune,source6:rotation4000,1007,0.4,none\n"
    text += "convnet 1 blocks,irm_all,source6:rotation4000,1007,,\n"
    found = read_metrics(text, source="m.csv")
    assert [(one.architecture, one.method, one.sequence) for one in found[:1]] == [
        ("Conv-1", "erm_side_tune", "source6:rotation")
    ]
    assert found[3].accuracy is None
    cells = method_table(found, {"Conv-1": "Conv-1"}, rule="compat").rows[0].cells
    assert (cells["ST-1"].mean, cells["SFT"].mean) == (0.51, 0.6)
    assert cells["IRM"].failed
    with pytest.raises(InputError, match="take rule = 'compat'"):
        method_table(found, {"Conv-1": "Conv-1"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Model,Method\n", r"m\.csv: there is no column 'Shift sequence'"),
        ("", "there is no column 'Model'"),
        (HEAD + "a,b,c,1007,high,\n", "line 2: seed '1007' and accuracy 'high' must be numbers"),
    ],
)
def test_other_files_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        read_metrics(text, source="m.csv")
