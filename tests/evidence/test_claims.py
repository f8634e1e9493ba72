"""Every figure in the findings of the evidence, and in pages that quote it, follows from the raw values beside it.

Each claim is written out from the records and must stand in the page word for word; what is left of the text then may
hold no percentage and no signed or bracketed number. So neither a changed figure nor a new one passes unchecked. The
arithmetic here is SciPy's, not the tables' own.
"""

import contextlib
import functools
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = re.compile(r"(?<![\w(])[-+]?\d+(?:\.\d+)? %|(?<!\w)[-+]\d+\.\d+|\[[-+]?\d[^\]]*\d\]")


@functools.cache
def raw(name):
    return json.loads((DOCS / "evidence" / f"{name}.json").read_text(encoding="utf-8"))


def of(name, setting, arm, measure):
    """Values of one arm, seed by seed; ``arm`` is ``(arm, weight)`` in the small table."""
    if name == "small_table":
        found = [
            r for r in raw(name)["records"] if (r["task"], r["setting"], r["arm"], r["weight"]) == (7, setting, *arm)
        ]
        return np.array([r["report"][measure] for r in sorted(found, key=lambda r: r["seed"])])
    (row,) = [row for row in raw(name)["settings"][setting] if row["name"] == arm]
    return np.array(row[f"{measure}_values"])


def accuracies(name, arm):
    """Accuracies of one arm of a distillation experiment, seed by seed."""
    found = [row for row in raw(name)["records"] if row["arm"] == arm]
    return np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])


def said(values, digits):
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    percent = " %" if digits == 0 else ""
    return f"{100 * values.mean():.{digits}f}{percent} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


class Source:
    """Claims about one experiment, as its pages write them."""

    def __init__(self, name, plain="none"):
        self.name, self.plain = name, plain

    def share(self, setting, arm):
        """NFR of an arm over that of plain training, less one."""
        return said(of(self.name, setting, arm, "nfr") / of(self.name, setting, self.plain, "nfr") - 1, 0)

    def cut(self, setting, arm):
        return f"NFR {self.share(setting, arm)}"

    def gap(self, setting, arm, than=None, measure="error"):
        """Difference in points to plain training, or to another arm."""
        return said(of(self.name, setting, arm, measure) - of(self.name, setting, than or self.plain, measure), 2)

    def both(self, setting, arm):
        return f"{self.cut(setting, arm)}, error {self.gap(setting, arm)}"

    def kept(self, setting, arm, ensembles):
        """What share of the ensembles' gain in error an arm keeps."""
        plain, one, most = (of(self.name, setting, name, "error") for name in (self.plain, arm, ensembles))
        return said((one - plain) / (most - plain), 0)


FIRST, LARGE, SMALL = Source("upgrade"), Source("upgrade_large"), Source("small_table", ("none", 0.0))
STUDENT, BOTH = "ELODI new side, sum, all logits", "ELODI both sides, sum, all logits"
JOINT = "ELODI + matching the old model"


def upgrade_claims():
    long = FIRST.both("long", "FD-KL 1")
    yield f"FD-KL 1: {FIRST.both('i', 'FD-KL 1')}; LDI 1: {FIRST.cut('i', 'LDI 1')}; KD 1: {FIRST.cut('i', 'KD 1')}"
    yield f"CNA 0.3: {FIRST.cut('i', 'CNA 0.3')}. Trained four times as long FD-KL 1: {long}"
    yield f"LDI 1: {FIRST.cut('long', 'LDI 1')}."
    arms = [f"FD-KL {weight}" for weight in ("0.3", "1", "3")]
    shares, gaps = (", ".join(told("ii", arm) for arm in arms) for told in (FIRST.share, FIRST.gap))
    yield f"FD-KL 0.3, 1, 3: NFR {shares} against error {gaps}."
    sides = "ELODI both sides 0.5"
    yield f"share 0.5: {FIRST.cut('i', sides)} in (i) and {FIRST.share('ii', sides)} in (ii), which may be nothing."
    errors = [FIRST.gap(part, f"ELODI new side {share}") for part in ("i", "ii") for share in ("0.5", "0.8")]
    assert errors[:2] == errors[2:]
    yield f"{errors[0]} at a share of 0.5 and {errors[1]} at the published 0.8."
    focal = "ELODI + focal 1"
    less, cost = (FIRST.gap("ii", focal, "ELODI new side 0.5", measure) for measure in ("nfr", "error"))
    yield f"at 1 by {FIRST.share('ii', focal)}, {less} points below ELODI on the new side at 0.5"
    yield f"at an error of {cost} against it"
    for part, lead in (("i", "**Interpolation** in (i)"), ("ii", "In (ii), tolerance 0")):
        yield f"{lead}: {FIRST.both(part, 'interpolation 0')}."
    yield f"of 8: {FIRST.cut('i', 'ensembles 8')} in (i), {FIRST.share('ii', 'ensembles 8')} in (ii)."
    for arm in ("FD-KL 0.3", "FD-LM 0.3", "LDI 1"):
        yield f"{arm}: {FIRST.both('iii', arm)};"
    yield f"FD-KL 1: {FIRST.cut('iii', 'FD-KL 1')}, which costs error, {FIRST.gap('iii', 'FD-KL 1')}."
    yield "The 30 % in (i)"


def upgrade_large_claims():
    yield f"FD-KL 1: {LARGE.cut('elodi', 'FD-KL 1')} at 16 pixels (error {LARGE.gap('elodi', 'FD-KL 1')})"
    yield f"{LARGE.share('full', 'FD-KL 1')} at 24 (error {LARGE.gap('full', 'FD-KL 1')})"
    yield f"LDI 1 at 24: {LARGE.both('full', 'LDI 1')}."
    yield f"had {FIRST.cut('i', 'FD-KL 1')} and {FIRST.share('i', 'LDI 1')} with the same arms"
    yield f"filter** at 24: {LARGE.cut('full', 'KD 1')}, FD-LM 0.3: {LARGE.cut('full', 'FD-LM 0.3')}."
    new, both = "ELODI new side, share 0.8", "ELODI both sides, share 0.8"
    yield f"more errors than plain training**, {LARGE.gap('elodi', new)} points"
    yield f"it flips more than plain, {LARGE.cut('elodi', new)}, on both sides less, {LARGE.cut('elodi', both)}."
    yield f"expected**: error {LARGE.gap('elodi', STUDENT)}, {LARGE.cut('elodi', STUDENT)} on the new side"
    yield f"and {LARGE.share('elodi', BOTH)} on both sides."
    yield f"It keeps {LARGE.kept('elodi', STUDENT, 'ensembles 4')} of the ensembles' gain in error"
    yield f"their NFR is {LARGE.share('elodi', 'ensembles 4')}."
    yield f"(FD-LM 0.3 on top): {LARGE.both('elodi', JOINT)}"
    worse = LARGE.gap("elodi", JOINT, STUDENT)
    yield f"without it NFR {LARGE.gap('elodi', JOINT, STUDENT, 'nfr')} points and error {worse}."
    yield f"flips less than it, by {LARGE.gap('elodi', JOINT, 'FD-KL 1', 'nfr')} points."
    yield "The 30 % is"
    yield "cut contain 30 %"


def elodi_claims():
    own = [(("two teachers", 0.3), " points against plain training"), (("FD-KL", 0.3), ";")]
    for arm, end in own:
        yield f"had {SMALL.cut('A', arm)} and error {SMALL.gap('A', arm)}{end}"
    yield f"on all of CIFAR-10 {LARGE.cut('elodi', JOINT)} and error {LARGE.gap('elodi', JOINT)}:"
    yield f"({LARGE.cut('elodi', 'FD-KL 1')} against {LARGE.share('elodi', STUDENT)})"
    yield f"in that setting to {SMALL.cut('A', ('two teachers, from old weights', 0.3))}."


def small_table_claims(printed):
    yield from (line for line in printed.splitlines() if line.startswith("- ("))
    yield f"keeps {SMALL.kept('A', ('ensemble alone (LM)', 1.0), ('ensembles, both sides', 8))} of the ensemble's gain"


def readme_claims():
    """What README.md says of its five minutes, and a rate that follows from the confidence of the intervals."""
    five, images = Source("five_minutes", "v2_plain"), raw("five_minutes")["images"]
    plain, safe = (images * of("five_minutes", "digits", arm, "nfr") for arm in ("v2_plain", "v2"))
    seeds = raw("five_minutes")["seeds"]
    yield f"Over seeds {seeds[0]} to {seeds[-1]}, {images} test images each"
    yield f"breaks {plain.sum():.0f} of {len(seeds) * images:,} answers, the safe one {safe.sum():.0f}"
    yield f"{five.gap('digits', 'v2', measure='nfr')} points"
    yield f"its error is {five.gap('digits', 'v2')} points"
    first, last = (100 * of("five_minutes", "digits", arm, "error").mean() for arm in ("v1", "v2"))
    yield f"from {first:.1f} to {last:.1f} wrong in a hundred"
    student, plain = (accuracies("distill_quick", arm) for arm in ("distilled", "labels alone"))
    shares = f"{100 * student.mean():.1f} % of the test images, the same network on the labels alone on"
    yield f"right on {shares} {100 * plain.mean():.1f} %: {said(student - plain, 2)} points more (95 %, paired"
    yield "a negative flip rate of 2 %"
    yield "in at most 2.5 % of the cases"


def flat(text):
    return " ".join(text.split())


def findings(text, begin, end):
    return flat(text.partition(begin)[2].partition(end)[0])


def check(text, claims):
    for claim in sorted(map(flat, claims), key=len, reverse=True):
        assert claim in text
        text = text.replace(claim, "")
    return NUMBER.findall(text)


@pytest.mark.parametrize(
    ("page", "claims"), [("evidence/upgrade.md", upgrade_claims), ("evidence/upgrade_large.md", upgrade_large_claims)]
)
def test_findings_follow_from_the_records(page, claims):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert check(findings(text, "<!-- findings -->", "<!-- tables -->"), claims()) == []


def test_the_card_of_elodi_quotes_the_records():
    text = flat((DOCS / "methods/elodi.md").read_text(encoding="utf-8"))
    assert check(text, elodi_claims()) == []


@pytest.mark.parametrize(
    "page",
    [*sorted((DOCS / "methods").glob("*.md")), DOCS / "choose.md", DOCS.parent / "README.md"],
    ids=lambda p: p.stem,
)
def test_other_pages_claim_no_figures(page):
    if page.stem != "elodi":
        assert check(flat(page.read_text(encoding="utf-8")), readme_claims() if page.stem == "README" else ()) == []


def test_the_verdicts_of_the_five_minutes_are_those_of_readme():
    rows = {row["name"]: row.get("verdicts") for row in raw("five_minutes")["settings"]["digits"]}
    assert rows == {"v1": None, "v2_plain": ["not enough images", "not enough images", "ship"], "v2": ["ship"] * 3}


def test_claims_of_a_fall_have_intervals_clear_of_zero():
    def falls(arm, setting, name="upgrade"):
        gap = of(name, setting, arm, "nfr") - of(name, setting, "none", "nfr")
        return ttest_1samp(gap, 0).confidence_interval(0.95).high < 0

    rows = {part: [row["name"] for row in raw("upgrade")["settings"][part][1:]] for part in ("i", "ii", "iii")}
    named = {"naive 1", "KD 1", "FD-KL 1", "FD-KL 3", "LDI 1", "CNA 0.3", "interpolation 0", "interpolation 0.01"}
    named |= {"ELODI both sides 0.5", "ELODI both sides 0.8", "ensembles 8"}
    assert {arm for arm in rows["i"] if falls(arm, "i")} == named
    missing = {"LDI 0.3", "BCT 1", "ELODI new side 0.5", "ELODI new side 0.8", "ELODI both sides 0.5"}
    assert {arm for arm in rows["ii"] if not falls(arm, "ii")} == missing
    assert all(falls(arm, "iii") for arm in rows["iii"])


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(DOCS / "evidence"))
    import small_table
    import upgrade
    import upgrade_large

    yield {"small_table": small_table, "upgrade": upgrade, "upgrade_large": upgrade_large}
    sys.path.remove(str(DOCS / "evidence"))
    for name in ("small_table", "upgrade", "upgrade_large"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def printed(scripts):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        scripts["small_table"].print_tables(raw("small_table"))
    return out.getvalue()


@pytest.mark.parametrize("name", ["upgrade", "upgrade_large"])
def test_tables_are_those_of_the_records(scripts, name):
    page = (DOCS / "evidence" / f"{name}.md").read_text(encoding="utf-8")
    tables = scripts["upgrade"].markdown(raw(name), scripts[name].TITLES)
    assert page.partition("<!-- tables -->\n")[2] == f"{tables}\n"


def test_the_small_table_shows_what_its_script_prints(printed):
    page = (DOCS / "evidence/small_table.md").read_text(encoding="utf-8")
    lines = [line for line in printed.splitlines() if line and line != "## Directions"]
    assert len(lines) > 300
    assert [line for line in lines if line not in page] == []


def test_findings_of_the_small_table_follow_from_the_records(printed):
    text = (DOCS / "evidence/small_table.md").read_text(encoding="utf-8")
    assert check(findings(text, "## What holds", "## Beyond the papers"), small_table_claims(printed)) == []


def test_counts_of_the_small_table_follow_from_the_records(scripts):
    text = (DOCS / "evidence/small_table.md").read_text(encoding="utf-8")
    text, records = findings(text, "## Beyond the papers", "## Tables"), raw("small_table")["records"]
    mixed, started = "two teachers, on mixtures", "two teachers, on mixtures, from old weights"

    def front(recipe, setting, task=7):
        return scripts["small_table"].dominance(records, recipe, setting=setting, task=task)

    def same(recipe, setting):
        found = front(recipe, setting)
        return f"{found['same_step_beaten']} of {found['same_step_points']}"

    def area(found):
        return f"{found['area_gain']:+.2f} [{', '.join(f'{end:+.2f}' for end in found['area_gain_interval'])}]"

    a, b, a_old = front(mixed, "A", 11), front(mixed, "B", 11), front(started, "A", 11)
    counts = {key: [front(recipe, key)["beaten"] for recipe in (mixed, started)] for key in "AB"}
    claims = [
        f"beats {same(mixed, 'A')} published one-network points in A and {same(mixed, 'B')} in B",
        f"from old weights {same(started, 'A')} and {same(started, 'B')}.",
        f"({counts['A'][0]} and {counts['A'][1]} of {front(mixed, 'A')['points']}; "
        f"{counts['B'][0]} and {counts['B'][1]} of {front(mixed, 'B')['points']})",
        f"it beats {b['beaten']} of {b['points']} points in B ({b['clearly']} with both intervals clear of zero; "
        f"area below the front {area(b)} over the union",
        f"and {a['beaten']} of {a['points']} in A, all but BCWI's",
        f"from old weights {a_old['beaten']} of {a_old['points']} in A ({a_old['clearly']} clear; area {area(a_old)})",
    ]
    assert check(text, claims) == []
    assert all(point.startswith("BCWI") for point in a["left"])
    assert a_old["left"] == ["BCWI 0.5", "BCWI 0.75"]


def test_what_the_small_table_says_of_whole_arms():
    records = raw("small_table")["records"]
    arms = list(dict.fromkeys((r["setting"], r["arm"], r["weight"]) for r in records if r["task"] == 7))
    mean = {(s, *arm): {m: of("small_table", s, arm, m).mean() for m in ("error", "nfr")} for s, *arm in arms}
    for setting in "ABC":
        ensemble = mean[setting, "ensembles, both sides", 8]
        same_step = [key for key in mean if key[0] == setting and "task weight 4" not in key[1]]
        assert min(mean[key]["error"] for key in same_step) == ensemble["error"]
        assert any(mean[key]["nfr"] < ensemble["nfr"] for key in same_step)
        pulls, matching = ([key for key in same_step if key[1] == name] for name in ("LDI", "FD-LM"))
        for key in pulls:
            assert any(all(mean[rival][m] < mean[key][m] for m in ("error", "nfr")) for rival in matching)


def test_a_wrong_figure_or_a_new_one_is_noticed():
    text = "FD-KL 1: NFR -22 % [-37, -6]. Another arm: NFR -99 % at an error of +1.20 [0.10, 2.30]."
    assert check(text, [f"FD-KL 1: {FIRST.cut('i', 'FD-KL 1')}"]) == ["-99 %", "+1.20", "[0.10, 2.30]"]
    with pytest.raises(AssertionError):
        check(text.replace("-37", "-36"), [f"FD-KL 1: {FIRST.cut('i', 'FD-KL 1')}"])
