from modelheir.report import glossary


def test_only_rates_of_the_result_are_listed(result):
    assert [row["key"] for row in glossary.numbers(result)] == [
        term.key for term in glossary.RATES if term.key in result
    ]
    assert [row["key"] for row in glossary.numbers({"churn": 0.1})] == ["churn"]
    assert glossary.numbers(result)[0]["interval"] == [0.03, 0.56]


def test_every_term_has_one_meaning():
    terms = [term for term, _ in glossary.GLOSSARY]
    assert len(terms) == len(set(terms))
    assert all(meaning.endswith(".") for _, meaning in glossary.GLOSSARY)
