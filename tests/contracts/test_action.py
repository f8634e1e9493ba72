"""The steps of action.yml, run by bash as they stand there, on the example predictions; all but the installing."""

import os
import re
import subprocess
import sys

import pytest
import yaml

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@pytest.fixture(scope="module")
def action(root):
    return yaml.safe_load((root / "action.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workflow(root):
    return yaml.safe_load((root / ".github" / "workflows" / "gate.yml").read_text(encoding="utf-8"))


def filled(text, known):
    """Put values in place of the expressions of a text."""
    return EXPRESSION.sub(lambda found: known[found[1]], text)


class Runner:
    """Runs the steps of a composite action in a folder, as GitHub's runner does."""

    def __init__(self, action, root, folder):
        self.action, self.root, self.folder = action, root, folder
        self.work = folder / "work"
        self.files = {name: folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        programs = folder / "bin"
        for place in (self.work, programs, folder / "temp"):
            place.mkdir()
        self.program("modelheir", f'exec "{sys.executable}" -m modelheir.cli "$@"')
        self.program("gh", 'for word; do printf "%s\\n" "$word"; done >> "$GH_LOG"; printf "%s" "$GH_SAYS"')
        for name in ("old", "new"):
            (self.work / f"{name}.csv").write_bytes((root / "examples" / "data" / f"{name}.csv").read_bytes())
        self.shown = ""

    def program(self, name, line):
        path = self.folder / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\n{line}\n")
        path.chmod(0o755)

    def run(self, *, event="push", says="", **inputs):
        """Run every step but the installing, and return the exit code of the first that fails, or 0."""
        given = {name: str(one.get("default", "")) for name, one in self.action["inputs"].items()}
        given |= {"old": "old.csv", "new": "new.csv", **inputs}
        known = {f"inputs.{name}": value for name, value in given.items()}
        known |= {"github.token": "secret", "github.event.pull_request.number": "7"}
        for path in self.files.values():
            path.write_text("")
        for step in self.action["runs"]["steps"]:
            if step["id"] == "install" or (
                step["id"] == "comment" and (given["comment"], event) != ("true", "pull_request")
            ):
                continue
            outputs = dict(line.split("=", 1) for line in self.files["GITHUB_OUTPUT"].read_text().splitlines())
            known |= {f"steps.compare.outputs.{name}": value for name, value in outputs.items()}
            env = {key: filled(value, known) for key, value in step.get("env", {}).items()}
            done = self.step(step["run"], {**env, "GH_SAYS": says})
            if done.returncode and not step.get("continue-on-error"):
                return done.returncode
        return 0

    def step(self, script, env):
        path = self.folder / "step.sh"
        path.write_text(script)
        python = os.pathsep.join([str(self.root / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", path],
            cwd=self.work,
            env={
                **{"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": python},
                **{"RUNNER_TEMP": str(self.folder / "temp"), "GITHUB_REPOSITORY": "org/repo", "OMP_NUM_THREADS": "1"},
                **{name: str(place) for name, place in self.files.items()},
                **{"GH_LOG": str(self.folder / "gh_log"), "HOME": str(self.folder), **env},
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.shown += done.stdout + done.stderr
        return done

    @property
    def summary(self):
        return self.files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")


@pytest.fixture
def runner(action, root, tmp_path):
    return Runner(action, root, tmp_path)


@pytest.mark.parametrize(
    ("args", "undecided", "code", "head"),
    [
        ("--max-nfr 0.1\n--min-accuracy-gain 0", "fail", 0, "✅ SHIP"),
        ("--max-nfr 0.01", "fail", 1, "❌ HOLD"),
        ("--max-nfr 0.01", "ship", 1, "❌ HOLD"),
        ("--max-nfr 0.05 --slice country", "fail", 3, "⚠️ NOT ENOUGH IMAGES"),
        ("--max-nfr 0.05", "ship", 0, "⚠️ NOT ENOUGH IMAGES"),
        ("--max-nfr 0.05", "hold", 1, "⚠️ NOT ENOUGH IMAGES"),
        ("", "fail", 0, "⬜ NO VERDICT"),
    ],
)
def test_the_steps_fail_by_the_verdict_and_show_the_summary(runner, args, undecided, code, head):
    assert runner.run(args=args, undecided=undecided) == code
    assert runner.summary.startswith(f"## {head}: `old` → `new`\n")
    assert "| Accuracy | 85.00%" in runner.summary
    assert not (runner.folder / "gh_log").exists()


def test_a_policy_decides(runner):
    (runner.work / "a policy.yaml").write_text("required: {max_nfr: 0.01}\n")
    assert runner.run(policy="a policy.yaml") == 1
    assert "Policy `a policy.yaml`, SHA-256 `" in runner.summary


@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_bad_input_is_code_two_without_a_summary(runner, event):
    assert runner.run(old="gone.csv", comment="true", event=event) == 2
    assert "gone.csv does not exist" in runner.shown
    assert runner.summary == ""
    assert not (runner.folder / "gh_log").exists()
    assert runner.run(undecided="perhaps") == 2
    assert "The input undecided must be fail, ship or hold." in runner.shown


@pytest.mark.parametrize("name", ["old", "new", "policy", "args", "undecided"])
def test_no_input_is_run_as_a_command(runner, name):
    text = '"; touch harmed; $(touch harmed) `touch harmed` | touch harmed #\n--json=*'
    assert runner.run(**{name: text}) == 2
    assert sorted(path.name for path in runner.work.iterdir()) == ["new.csv", "old.csv"]


def test_a_name_that_looks_like_an_option_is_a_name(runner):
    (runner.work / "old.csv").rename(runner.work / "--json.csv")
    assert runner.run(old="--json.csv", args="--max-nfr 0.1") == 0
    assert runner.summary.startswith("## ✅ SHIP: `--json` → `new`\n")


def test_names_in_the_files_are_no_commands_to_the_runner(runner):
    rows = "sample_id,label,prediction\n1,::add-mask::x,::add-mask::x\n2,b,b\n"
    (runner.work / "old.csv").write_text(rows)
    (runner.work / "new.csv").write_text(rows.replace("x,::add-mask::x", "x,b"))
    assert runner.run() == 0
    opened = re.search(r"^::stop-commands::(\w{32})$", runner.shown, re.M)
    place = runner.shown.index("::add-mask::")
    assert opened.end() < place < runner.shown.index(f"\n::{opened[1]}::\n")


@pytest.mark.parametrize(("says", "method"), [("", "POST"), ("11\n12\n", "PATCH")])
def test_the_summary_is_put_under_a_pull_request_once(runner, says, method):
    assert runner.run(comment="true", event="pull_request", says=says, args="--max-nfr 0.01") == 1
    words = (runner.folder / "gh_log").read_text().splitlines()
    body = runner.folder / "temp" / "modelheir-comment.md"
    where = "repos/org/repo/issues/comments/12" if says else "repos/org/repo/issues/7/comments"
    assert words[:3] == ["api", "--paginate", "repos/org/repo/issues/7/comments"]
    assert words[5:] == ["api", "--silent", "--method", method, where, "-F", f"body=@{body}"]
    assert body.read_text(encoding="utf-8") == f"<!-- modelheir gate -->\n{runner.summary}"


def test_a_comment_that_fails_hides_no_verdict(runner):
    runner.program("gh", "exit 1")
    assert runner.run(comment="true", event="pull_request", args="--max-nfr 0.01") == 1
    assert runner.run(comment="true", event="pull_request", args="--max-nfr 0.1") == 0


def test_scripts_hold_no_expression(action):
    """What stands in an expression would be pasted into the script before bash reads it."""
    steps = action["runs"]["steps"]
    assert [step["id"] for step in steps] == ["install", "compare", "comment", "verdict"]
    assert all(step["shell"] == "bash" and "uses" not in step for step in steps)
    assert [step["id"] for step in steps if "${{" in step["run"]] == []
    assert steps[2]["if"] == "inputs.comment == 'true' && github.event_name == 'pull_request'"
    used = {found for step in steps for value in step.get("env", {}).values() for found in EXPRESSION.findall(value)}
    assert {one.removeprefix("inputs.") for one in used if one.startswith("inputs.")} == set(action["inputs"]) - {
        "comment"
    }


def test_the_example_workflow_ships(runner, workflow, action):
    (step,) = (step for step in workflow["jobs"]["gate"]["steps"] if step["uses"] == "./")
    assert set(step["with"]) <= set(action["inputs"])
    assert all((runner.root / step["with"][name]).is_file() for name in ("old", "new"))
    given = {**step["with"], **{name: str(runner.root / step["with"][name]) for name in ("old", "new")}}
    assert runner.run(**given) == 0
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert "pull_request" in workflow[True]  # YAML 1.1 reads `on` so
