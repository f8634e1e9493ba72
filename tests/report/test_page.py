import base64
import hashlib
import re

from modelheir.report import page


def test_the_policy_allows_exactly_the_style_and_script_in_the_page(tmp_path):
    empty = {"runs": [], "machine": [], "kinds": {}, "curves": [], "lines": [], "provenance": {}, "glossary": ()}
    verdict = {"state": "none", "ships": [], "judged": 0, "broken": 0}
    words = {
        "title": "t",
        "note": "",
        "names": ("a", "b"),
        "plane": "",
        "csv_name": "p.csv",
        "csv": "data:,",
        "paired": False,
    }
    path = page.write(tmp_path / "p.html", "runs.html", verdict=verdict, error_old=None, gallery=None, **empty, **words)
    text = path.read_text(encoding="utf-8")
    for kind, pattern in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        inside = re.search(pattern, text, re.S).group(1)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src &#39;sha256-{digest}&#39;" in text


def test_csv_address_is_the_text():
    assert base64.b64decode(page.csv_address("a,ü\n").partition(",")[2]).decode() == "a,ü\n"
