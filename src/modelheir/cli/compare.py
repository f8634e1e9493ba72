"""Compare an old model with a new one: new mistakes, gains, and the verdict of the release gate."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any, NoReturn

from modelheir import analysis, assemble, runs
from modelheir.address import predictions_place
from modelheir.checks import InputError, nearest
from modelheir.cli.comparison_text import show
from modelheir.cli.spec import flag_name
from modelheir.runs.files import write_json
from modelheir.runs.outputs import check_outputs, page_files
from modelheir.screen import say

__all__ = ["Parser", "main", "parser"]

_EPILOG = """\
OLD and NEW are run folders (their predictions on the test split, else on val)
or files of predictions from any framework: Parquet or CSV with sample_id,
label, prediction, and optionally logits (a list column) or logit_0.. or
prob_0.. columns. Rows are joined by sample_id.

Exit code: 0 ship (or no bounds were set), 1 hold, 2 bad input, 3 not enough
images to tell; the output says how many more a decision needs.

examples:
  modelheir compare runs/v1 runs/v2 --max-nfr 0.02 --html report.html
  modelheir compare old.csv new.csv --policy gate.yaml

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
    gate.add_argument("--min-class-count", type=int, metavar="N", help="judge no class or slice with fewer (default 1)")
    gate.add_argument("--confidence", type=float, metavar="F", help="of all intervals (default 0.95)")
    gate.add_argument(
        "--point", action="store_true", default=None, help="judge the estimates, not the unfavourable ends of intervals"
    )
    gate.add_argument("--undecided", choices=("ship", "hold"), help="what to do instead of exit code 3")
    view = made.add_argument_group("what to look at")
    view.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="also by value of a column; repeatable"
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
    words = sys.argv[1:] if argv is None else argv
    given = parser().parse_args(words)
    named = {field.name for field in dataclasses.fields(analysis.GateConfig)} | {"slice"}
    gate, slices = analysis.make_gate(
        given.policy, {key: value for key, value in vars(given).items() if key in named - {"policy"}}
    )
    if given.max_flips is not None and given.max_flips < 0:
        raise InputError(f"--max-flips {given.max_flips}: must be >= 0.")
    if not slices and any(of.max_slice_nfr is not None for of in (gate, gate.advisory)):
        raise InputError("max_slice_nfr judges the values of a column: name one with --slice COLUMN.")
    if given.data and not given.html:
        raise InputError("--data finds the pictures of the page: give --html FILE with it.")
    classes = _class_list(given.classes) if given.classes else None
    places = [predictions_place(place) for place in (given.old, given.new, *given.also)]
    files, note = runs.find_files(places, given.split)
    pages = page_files(given.html) if given.html else ()
    check_outputs(
        [*pages, *([given.json] if given.json else [])],
        [*files, *(path for path in (given.classes, given.policy) if path)],
    )
    names = runs.short_names(places)
    runs.require_columns(files[:2], slices)
    found = {
        name: runs.read_predictions(file, classes=classes, columns=slices)
        for name, file in zip(names, files, strict=True)
    }
    old, new = found[names[0]], found[names[1]]
    result = analysis.compare.compare(
        old,
        new,
        slices=slices,
        confidence=gate.confidence,
        gate=gate,
        errors_of=given.bec,
        correction=given.correction,
        max_flips=given.max_flips,
        names=(str(files[0]), str(files[1])),
    )
    others = analysis.plane(old, {name: found[name] for name in names[2:]}, confidence=gate.confidence)
    result = dataclasses.replace(result, old=str(files[0]), new=str(files[1]), note=note, others=tuple(others))
    show(result, names=(names[0], names[1]))
    if given.json:
        write_json(given.json, result)
        say(f"Numbers: {given.json}")
    if given.html:
        folders = {name: place for name, place in zip(names, places, strict=True) if place.is_dir()}
        assemble.comparison_page(
            given.html,
            result,
            analysis.flipped.flipped(old, new),
            names=(names[0], names[1]),
            runs=folders,
            data=given.data or "",
            command=["modelheir", "compare", *words],
        )
        say(*map("{}: {}".format, ("Page", "Table"), pages))
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
