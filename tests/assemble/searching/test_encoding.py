"""Which encoders a search would run in every trial."""

from modelheir.assemble.searching.encoding import embed_first
from modelheir.config.search import Listed
from modelheir.embeddings.facts import NAME
from modelheir.methods import METHODS

OWN = METHODS["cotrain"].config()


def test_what_is_stored_or_cheap_is_not_named(tmp_path):
    stored = tmp_path / "view"
    stored.mkdir()
    (stored / NAME).write_text("{}")
    views = Listed(((str(stored), "tv:resnet18"), (str(stored), "pixels:left"), ("tv:resnet18", "colour")))
    told = "modelheir embed --data digits --encoder tv:resnet18 --out views"
    assert embed_first({"method.views": views}, OWN, "digits") == told
    assert embed_first({"method.views": Listed(((str(stored), "pixels:left"),))}, OWN, "digits") == ""
    assert embed_first({}, METHODS["finetune"].config(), "digits") == ""
