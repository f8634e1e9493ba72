"""One fuzzing process: makes inputs, runs the command line on each, and holds exit code, memory and time to bounds."""

import contextlib
import importlib
import io
import json
import os
import random
import resource
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def run(words):
    """Run the command line; return its exit code and what it said."""
    from modelheir.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            code = main(words)
        except SystemExit as left:
            code = int(left.code or 0)
    return code, out.getvalue(), err.getvalue()


def check(code, out, err):
    """Say what is wrong with an answer, or nothing."""
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in out + err:
        return "a traceback"
    if any(ord(letter) < 32 and letter != "\n" for letter in out + err):
        return "a control character"
    if code == 2 and (err.count("\n") != 1 or len(err) > 2200):
        return "more than a sentence"
    if "out of memory" in err:
        return "out of memory"
    return ""


def main(target, count, seed, seconds, gigabytes, folder):
    """Try ``count`` inputs of a module ``target_TARGET``."""
    module = importlib.import_module(f"target_{target}")
    os.chdir(folder)
    made = module.Maker(Path(folder))
    run(made.words(random.Random(0)))  # imports, before memory is counted
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    bound = size + int(float(gigabytes) * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (bound, resource.getrlimit(resource.RLIMIT_AS)[1]))
    codes = Counter()
    for number in range(int(count)):
        Path("last").write_text(f"{target} {seed}/{number}")
        words = made.words(random.Random(f"{seed}/{number}"))
        signal.setitimer(signal.ITIMER_PROF, float(seconds))  # processor time: a busy machine is no fault; kills
        code, out, err = run(words)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if wrong := check(code, out, err):
            sys.exit(f"{wrong}: {target} {seed}/{number} {words}\n{out[-1000:]}\n{err[-1500:]}")
        codes[code] += 1
    Path("report.json").write_text(json.dumps({"tried": sum(codes.values()), "codes": dict(sorted(codes.items()))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
