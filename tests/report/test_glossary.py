import dataclasses

from modelheir.analysis.compare import compare
from modelheir.report import glossary


def test_every_rate_is_listed_and_what_needs_scores_only_with_them(result, pair):
    rows = glossary.numbers(result)
    assert [row.name for row in rows[: len(glossary.RATES)]] == [term.name for term in glossary.RATES]
    assert list(rows[0].rate.interval) == result["intervals"]["nfr"]
    assert result["bec_convention"] in next(row.meaning for row in rows if "BEC" in row.name)
    assert "Graded NFR" in [row.name for row in rows]
    bare = compare(*(dataclasses.replace(one, logits=None) for one in pair))
    assert len(glossary.numbers(bare)) == len(glossary.RATES)
    assert glossary.scores(bare) == []


def test_scores_of_one_model_alone(pair):
    old, new = pair
    rows = {row.name: row for row in glossary.scores(compare(dataclasses.replace(old, logits=None), new))}
    assert rows["Brier score"].plain
    assert rows["Brier score"].old is None
    assert rows["Mean confidence"].new is not None
    assert "Top-5 accuracy" not in rows  # there are only three classes


def test_every_term_has_one_meaning():
    terms = [term for term, _ in glossary.GLOSSARY]
    assert len(terms) == len(set(terms))
    assert all(meaning.endswith(".") for _, meaning in glossary.GLOSSARY)
