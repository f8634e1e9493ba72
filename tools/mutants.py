"""Break the code on purpose, a line at a time, and see whether the tests notice.

    python tools/mutants.py                              # what differs from main
    python tools/mutants.py src/modelheir/metrics --sample 200

Each mutant is one small change: a comparison, an arithmetic or boolean operator, a number, a truth value, a condition,
a keyword left out, a call replaced by its argument, nothing returned. It is made in a copy of the project, never here.
The tests that import the file and its examples run first, then those of its folder; a mutant that both pass has
survived, and is printed as a diff. A survivor is a missing test, a line that nobody needs, or the same program.
"""

from __future__ import annotations

import argparse
import ast
import copy
import dataclasses
import difflib
import functools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTEST = ("-m", "pytest", "-q", "-x", "-m", "not slow", "--hypothesis-seed=0")
FEWEST_SECONDS = 30.0  # a mutant may take this long, or five times what the tests take unbroken

COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARED |= {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div}
COMPUTED |= {ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.MatMult: ast.Mult}
UNWRAPPED = {"abs", "clip", "max", "maximum", "min", "minimum", "round", "sorted", "sqrt"}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change: the bytes of ``path`` from ``start`` to ``end`` become ``text``."""

    path: Path  #: relative to the project
    start: int
    end: int
    text: str

    def apply(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """Return the change as a diff."""
        before, after = (text.decode().splitlines(keepends=True) for text in (source, self.apply(source)))
        return "".join(difflib.unified_diff(before, after, str(self.path), str(self.path), n=1))


def mutants(path: Path) -> list[Mutant]:
    """Return every mutant of a file, in the order of its lines."""
    source = (ROOT / path).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def make(node: Any, text: str) -> Mutant:
        start = starts[node.lineno - 1] + node.col_offset
        return Mutant(path, start, starts[node.end_lineno - 1] + node.end_col_offset, text)

    found = {make(node, text) for node in nodes(ast.parse(source)) for text in changes(node)}
    return sorted(found, key=lambda one: (one.start, one.end, one.text))


def nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the code that runs and decides: no annotations, decorators, error texts, exported names or type imports."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.Raise | ast.JoinedStr):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":  # zip's guard, which no sound input can show
            continue
        for child in value if isinstance(value, list) else [value]:
            typed = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            names = isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__"
            if isinstance(child, ast.AST) and not typed and not names:
                yield from nodes(child)


def changes(node: Any) -> Iterator[str]:
    """Yield the texts that a node may become."""

    def other(**fields: object) -> str:
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        text = ast.unparse(new)
        return f"({text})" if isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare) else text

    match node:
        case ast.Compare():
            for place, op in enumerate(node.ops):
                yield other(ops=[*node.ops[:place], COMPARED[type(op)](), *node.ops[place + 1 :]])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in COMPUTED:
            yield other(op=COMPUTED[type(node.op)]())
        case ast.BoolOp():
            yield other(op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool() as value):
            yield str(not value)
        case ast.Constant(value=int() | float() as value):
            yield repr(value + 1)
        case ast.Call():
            for place, given in enumerate(node.keywords):
                if given.arg != "strict":
                    yield other(keywords=node.keywords[:place] + node.keywords[place + 1 :])
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in UNWRAPPED:
                yield from (f"({ast.unparse(one)})" for one in node.args[:2] if not isinstance(one, ast.Starred))
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return None"
    if isinstance(node, ast.IfExp):
        yield f"({other(test=ast.UnaryOp(ast.Not(), node.test))})"


@functools.cache
def tests_of(path: Path) -> list[list[str]]:
    """Return what to run for a file: its examples and the tests that import it, then all tests of its folder."""
    folder = Path("tests") / path.relative_to("src/modelheir").parent
    named = re.compile(rf"^(from|import) .*\b{path.stem}\b|^    {path.stem},$", re.MULTILINE)
    files = (ROOT / folder).rglob("test_*.py") if folder != Path("tests") else (ROOT / folder).glob("test_*.py")
    own = [file for file in sorted(files) if file.stem == f"test_{path.stem}" or named.search(file.read_text("utf-8"))]
    wide = [[str(folder)]] if (ROOT / folder).is_dir() and folder != Path("tests") else []
    return [[str(path), *(str(file.relative_to(ROOT)) for file in own)], *wide]


def passes(house: Path, given: Sequence[str], seconds: float) -> bool:
    """Run the tests in a copy of the project; tell whether they pass in time."""
    env = os.environ | {"PYTHONPATH": str(house / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command, none = [sys.executable, *PYTEST, *given], subprocess.DEVNULL
    run = subprocess.Popen(command, cwd=house, env=env, stdout=none, stderr=none, start_new_session=True)
    try:
        return run.wait(seconds) in (0, 5)  # 5: a file without tests of its own
    except subprocess.TimeoutExpired:
        return False
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def copy_project(house: Path) -> None:
    """Copy what is under version control, or could be, to ``house``."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (house / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, house / name)


def changed_files() -> list[Path]:
    """Return the source files that differ from ``main``, new ones included."""
    asked = (["diff", "--name-only", "main", "--", "src"], ["ls-files", "--others", "--exclude-standard", "src"])
    ran = [subprocess.run(["git", "-C", str(ROOT), *one], capture_output=True, text=True, check=True) for one in asked]
    names = {name for one in ran for name in one.stdout.splitlines()}
    return sorted(Path(name) for name in names if name.endswith(".py") and (ROOT / name).is_file())


def judge(chosen: Sequence[Mutant], workers: int) -> dict[Mutant, bool]:
    """Return for each mutant whether a test noticed it."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        houses: Queue[Path] = Queue()
        for number in range(workers):
            copy_project(Path(folder) / str(number))
            houses.put(Path(folder) / str(number))
        took: dict[str, float] = {}  # what the tests need without a mutant
        for given in (given for path in {one.path for one in chosen} for given in tests_of(path)):
            if " ".join(given) not in took:
                began = time.monotonic()
                if not passes(Path(folder) / "0", given, 600.0):
                    sys.exit(f"{' '.join(given)} fails without any mutant: mend that first.")
                took[" ".join(given)] = time.monotonic() - began

        def noticed(one: Mutant) -> bool:
            house = houses.get()
            target = house / one.path
            source = target.read_bytes()
            try:
                target.write_bytes(one.apply(source))
                runs = ((given, max(FEWEST_SECONDS, 5 * took[" ".join(given)])) for given in tests_of(one.path))
                survived = all(passes(house, given, limit) for given, limit in runs)
            finally:
                target.write_bytes(source)
                houses.put(house)
            print(one.diff(source) if survived else ".", end="\n" if survived else "", flush=True)
            return not survived

        with ThreadPoolExecutor(workers) as pool:
            return dict(zip(chosen, pool.map(noticed, chosen), strict=True))


def main() -> None:
    """Mutate, test, and print the survivors as they are found; at the end the share noticed in each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="source files or folders; default: what differs from main")
    parser.add_argument("--sample", type=int, default=100, help="mutants to try, drawn at random; 0 tries all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    given = [path.resolve().relative_to(ROOT) for path in args.files] or changed_files()
    files = [f for path in given for f in (sorted((ROOT / path).rglob("*.py")) if (ROOT / path).is_dir() else [path])]
    every = [one for path in files for one in mutants((ROOT / path).relative_to(ROOT))]
    if not every:
        sys.exit("Nothing to mutate: no source file differs from main; name files or folders.")
    chosen = every
    if 0 < args.sample < len(every):
        kept = sorted(random.Random(args.seed).sample(range(len(every)), args.sample))
        chosen = [every[place] for place in kept]
    verdicts = judge(chosen, args.workers)
    print()
    tried, killed = (Counter(one.path.parent for one, said in verdicts.items() if said or not only) for only in (0, 1))
    for folder in sorted(tried):
        print(f"{folder}: {killed[folder]} of {tried[folder]} noticed ({killed[folder] / tried[folder]:.0%})")
    print(f"{len(chosen)} of {len(every)} mutants tried, seed {args.seed}")


if __name__ == "__main__":
    main()
