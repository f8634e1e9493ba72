"""Compare an old model with a new one: new mistakes, gains, and the verdict of the release gate."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from modelheir import analysis, assemble, report, runs
from modelheir.checks import InputError, nearest
from modelheir.cli.comparing.comparison_text import show
from modelheir.cli.comparing.labelling import by_labels, wants_labels
from modelheir.cli.spec import flag_name
from modelheir.runs.files import write_json
from modelheir.runs.outputs import page_files
from modelheir.screen import say

__all__ = ["Parser", "main", "parser"]

_EPILOG = """\
OLD and NEW are run folders (their predictions on the test split, else on val)
or files of predictions from any framework: Parquet or CSV with sample_id,
label, prediction, and optionally logits (a list column) or logit_0.. or
prob_0.. columns. Rows are joined by sample_id.

--find-slices reads a list column features of NEW or OLD (training with
--fit.save_features true or predict with --features true writes it) or FILE:
Parquet with sample_id and a list column, or X.npy of shape (images, features)
with X.parquet or X.csv, whose sample_id names its rows.

Exit code: 0 ship (or no bounds were set), 1 hold, 2 bad input, 3 not enough
images to tell; the output says how many more a decision needs.

examples:
  modelheir compare runs/v1 runs/v2 --max-nfr 0.02 --html report.html
  modelheir compare old.csv new.csv --policy gate.yaml
  modelheir compare runs/v1 runs/v2 --columns meta.csv --slice country
  modelheir compare runs/v2 runs/v3 --replay flips.parquet --remember flips.parquet
  modelheir compare old.csv new.csv --label-budget 500 --ask ids.csv
  modelheir compare old.csv new.csv --labels labels.csv --max-nfr 0.02

gate.yaml:
  required: {max_nfr: 0.02, min_accuracy_gain: 0.0}
  advisory: {max_churn: 0.1}
  undecided: hold
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence and whose flags may have underscores, as in every other command."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Read words, with each flag in the spelling that the help shows."""
        words = list(sys.argv[1:] if args is None else args)
        shown = {flag_name(option): option for option in self._option_string_actions if option.startswith("--")}
        flags = words[: words.index("--")] if "--" in words else words
        for number, word in enumerate(flags):
            flag, equals, value = word.partition("=")
            if flag.startswith("--") and flag_name(flag) in shown:
                words[number] = shown[flag_name(flag)] + equals + value
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise :class:`InputError`; for an unknown option with the nearest known one."""
        known = [option for action in self._actions for option in action.option_strings]
        word = message.removeprefix("unrecognized arguments: ").split(" ")[0].split("=")[0]
        hint = nearest(word, known) if message.startswith("unrecognized") else ""
        raise InputError(f"{message}.{hint} See `{self.prog} --help`.")


def parser() -> argparse.ArgumentParser:
    """Make the parser of this command."""
    made = Parser(
        prog="modelheir compare",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("old", metavar="OLD", help="run folder or predictions of the model in production")
    add("new", metavar="NEW", help="run folder or predictions of the model that is to replace it")
    gate = made.add_argument_group("bounds of the gate (fractions, such as 0.02)")
    gate.add_argument("--policy", type=Path, metavar="FILE", help="YAML file of bounds, required and advisory ones")
    gate.add_argument("--max-nfr", type=float, metavar="F", help="largest negative flip rate over all images")
    gate.add_argument("--max-class-nfr", type=float, metavar="F", help="largest negative flip rate of any class")
    gate.add_argument(
        "--max-slice-nfr", type=float, metavar="F", help="largest negative flip rate of any --slice value"
    )
    gate.add_argument(
        "--min-accuracy-gain", type=float, metavar="F", help="smallest new minus old accuracy; may be < 0"
    )
    gate.add_argument("--min-kept", type=float, metavar="F", help="smallest share of right answers that are kept")
    gate.add_argument("--max-churn", type=float, metavar="F", help="largest share of predictions that changed")
    gate.add_argument("--max-ece", type=float, metavar="F", help="largest calibration error of the new model")
    gate.add_argument(
        "--max-replayed", type=float, metavar="F", help="largest share of the images of --replay that are wrong again"
    )
    gate.add_argument("--min-class-count", type=int, metavar="N", help="judge no class or slice with fewer (default 1)")
    gate.add_argument("--confidence", type=float, metavar="F", help="of all intervals (default 0.95)")
    gate.add_argument(
        "--point", action="store_true", default=None, help="judge the estimates, not the unfavourable ends of intervals"
    )
    gate.add_argument(
        "--sequential", action="store_true", default=None, help="intervals that allow to look early and often; wider"
    )
    gate.add_argument("--undecided", choices=("ship", "hold"), help="what to do instead of exit code 3")
    few = made.add_argument_group("fewer labels (only images on which the models disagree need one)")
    few.add_argument("--label-budget", type=int, metavar="N", help="labels to ask for, drawn among the disagreements")
    few.add_argument("--ask", type=Path, metavar="FILE", help="write the ids to label as CSV, and judge nothing")
    few.add_argument(
        "--labels", type=Path, metavar="FILE", help="judge by these labels (sample_id, label) and those in OLD and NEW"
    )
    view = made.add_argument_group("what to look at")
    view.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="also by value of a column; repeatable"
    )
    view.add_argument(
        "--columns", type=Path, metavar="FILE", help="Parquet or CSV with sample_id and columns to slice by"
    )
    view.add_argument(
        "--replay", type=Path, metavar="FILE", help="list of images that earlier releases broke: which are wrong again?"
    )
    view.add_argument(
        "--find-slices", action="store_true", help="find groups of like images that break more; needs features"
    )
    view.add_argument(
        "--features", type=Path, metavar="FILE", help="features of the images (default: those of NEW, else of OLD)"
    )
    view.add_argument("--split", metavar="NAME", help="split to read from run folders (default: test, else val)")
    view.add_argument("--classes", type=Path, metavar="FILE", help="class names, one a line, for files without them")
    view.add_argument("--bec", choices=("new", "old"), default="new", help="whose errors BEC counts (default: new)")
    view.add_argument(
        "--correction",
        choices=("holm", "benjamini_hochberg"),
        default="holm",
        help="of p-values for many classes (default: holm)",
    )
    out = made.add_argument_group("output")
    out.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    out.add_argument(
        "--remember", type=Path, metavar="FILE", help="add the images that NEW broke to a list (Parquet) for --replay"
    )
    out.add_argument("--summary", type=Path, metavar="FILE", help="write Markdown for a pull request")
    out.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML: a test case for every bound")
    out.add_argument("--max-flips", type=int, metavar="N", help="ids listed of each kind of flip (default: all)")
    out.add_argument("--html", type=Path, metavar="FILE", help="write a page, and beside it its table (.table.csv)")
    out.add_argument("--data", metavar="SPEC", help="where the page finds pictures, such as folder:DIR")
    out.add_argument("--also", nargs="+", default=[], metavar="RUN", help="further models for the page's plane")
    return made


def main(argv: list[str] | None = None) -> int:
    """Compare, print, write; return 0 to ship or without bounds, 1 to hold, 3 where there are not enough images.

    Raises:
        InputError: If what was given cannot be compared; the dispatcher turns it into code 2.
    """
    words, began = sys.argv[1:] if argv is None else argv, time.perf_counter()
    given = parser().parse_args(words)
    named = {field.name for field in dataclasses.fields(analysis.GateConfig)} | {"slice"}
    gate, slices = analysis.make_gate(
        given.policy, {key: value for key, value in vars(given).items() if key in named - {"policy"}}
    )
    if wants_labels(given):
        assemble.refuse_slices(slices)
        return by_labels(given, parser(), gate, _class_list(given.classes) if given.classes else None)
    if given.max_flips is not None and given.max_flips < 0:
        raise InputError(f"--max-flips {given.max_flips}: must be >= 0.")
    if not slices and any(of.max_slice_nfr is not None for of in (gate, gate.advisory)):
        raise InputError("max_slice_nfr judges the values of a column: name one with --slice COLUMN.")
    if given.features and not given.find_slices:
        raise InputError("--features FILE is read to find slices: give --find-slices with it.")
    if given.data and not given.html:
        raise InputError("--data finds the pictures of the page: give --html FILE with it.")
    classes = _class_list(given.classes) if given.classes else None
    pages = page_files(given.html) if given.html else ()
    made = assemble.compare_models(
        [given.old, given.new, *given.also],
        gate=gate,
        slices=slices,
        columns=given.columns,
        replay=given.replay,
        find_slices=given.find_slices,
        features=given.features,
        remember=given.remember,
        split=given.split,
        classes=classes,
        errors_of=given.bec,
        correction=given.correction,
        max_flips=given.max_flips,
        outputs=[*pages, *(path for path in (given.json, given.summary, given.junit) if path)],
        inputs=[path for path in (given.classes, given.policy) if path],
    )
    result, places = made.result, [one.place for one in made.sources if one.place]
    names = runs.short_names(places)
    show(result, names=(names[0], names[1]))
    if given.remember:
        say(f"Remembered: {given.remember}, {made.remembered[0]:,} images added, {made.remembered[1]:,} in all")
    if given.json:
        write_json(given.json, result)
        say(f"Numbers: {given.json}")
    if given.html:
        folders = {name: place for name, place in zip(names, places, strict=True) if place.is_dir()}
        assemble.comparison_page(
            given.html,
            result,
            analysis.flipped.flipped(made.old, made.new),
            names=(names[0], names[1]),
            runs=folders,
            data=given.data or "",
            command=["modelheir", "compare", *words],
        )
        say(*map("{}: {}".format, ("Page", "Table"), pages))
    if given.summary:
        report.write_summary(given.summary, result, names=(names[0], names[1]))
        say(f"Summary: {given.summary}")
    if given.junit:
        report.write_junit(given.junit, result, names=(names[0], names[1]), seconds=time.perf_counter() - began)
        say(f"Test cases: {given.junit}")
    return result.gate.exit_code


def _class_list(path: Path) -> list[str]:
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the class list {path} cannot be read: {error}.") from error
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise InputError(f"the class list {path} is empty: it needs one name a line.")
    return names
