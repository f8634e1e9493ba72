"""What the documents say is true: code runs, links lead somewhere, settings files and commands parse."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

#: hosts of package registries, in parts so that this file does not name them itself
NAMES = [("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("npmjs", "org")]
HOSTS = [".".join(parts) for parts in NAMES]
MACHINE = re.compile(r"(?<![\w.~$}-])/(?:home|work|tmp|Users|mnt|private)/[\w.-]")


def page_name(path):
    return str(path.relative_to(ROOT))


def fences(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```", text, re.M | re.S)


def commands(page):
    """Every line of a fence that calls modelheir, continuation lines joined, comments dropped."""
    for block in fences(page, r"(?:bash|sh|shell|console)?"):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"^\$ ", "", line.strip())
            if line.startswith("modelheir "):
                yield line.split("  #")[0].strip()


def spans(page):
    """Every command of modelheir inside a sentence."""
    return re.findall(r"(?<!`)`(modelheir [^`\n]+)`(?!`)", page.read_text(encoding="utf-8"))


BLOCKS = [(page, n, code) for page in PAGES for n, code in enumerate(fences(page, "python"))]
LINES = sorted({(page, line) for page in PAGES for line in commands(page)})


def test_there_is_something_to_check():
    assert len(PAGES) >= 8
    assert len(BLOCKS) >= 1
    assert len(LINES) >= 5


@pytest.mark.parametrize(("page", "number", "code"), BLOCKS, ids=[f"{page_name(p)}-{n}" for p, n, _ in BLOCKS])
def test_python_in_documents_runs(page, number, code, tmp_path, copies):
    for name in ("tests", "docs", "configs", "examples"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    done = copies.program(code, cwd=tmp_path)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def test_explain_is_given_a_method_and_nothing_else():
    from modelheir.methods import METHODS

    lines = [line.split() for page in PAGES for line in [*commands(page), *spans(page)]]
    asked = [words[2:] for words in lines if words[1] == "explain"]
    assert ["METHOD"] in asked
    assert [words for words in asked if words != ["METHOD"] and (len(words) != 1 or words[0] not in METHODS)] == []


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page_name(p)}: {line}" for p, line in LINES])
def test_commands_in_documents_parse(page, line):
    from modelheir.cli import COMMANDS
    from modelheir.cli.train import parse_train

    if re.search(r"\.\.\.|\b[A-Z]{3,}\b(?!=)", line.split("|")[0]):
        words = line.split()  # a pattern with METHOD or ... for the reader to fill in
        assert words[1] in COMMANDS or words[1].startswith(("-", "[")) or words[1].isupper(), line
        return
    words = shlex.split(line)[1:]
    assert words[0] in COMMANDS or words[0].startswith("-"), line
    if words[0] == "train" and "--help" not in words:
        parse_train([str(ROOT / word) if word.startswith("configs/") else word for word in words[1:]])
    elif words[0] == "compare" and "--help" not in words:
        from modelheir.cli.compare import parser

        parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    broken = []
    for target in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.exists():
            broken.append(target)
        elif anchor and place.suffix == ".md":
            heads = re.findall(r"^#+ +(.+)$", place.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            if anchor not in slugs:
                broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", CONFIGS, ids=page_name)
def test_settings_file_parses(path):
    """As the command line reads it; the folder names the method."""
    from modelheir.cli.train import parse_train

    relative = path.relative_to(ROOT / "configs")
    method, *_ = parse_train([relative.parts[0], "--config", str(path)])
    assert method == relative.parts[0]


def test_every_method_has_settings_files():
    from modelheir.methods import METHODS

    assert len(CONFIGS) >= len(METHODS) > 0
    assert {path.relative_to(ROOT / "configs").parts[0] for path in CONFIGS} == set(METHODS)


def test_no_registry_and_no_machine_in_shipped_files(shipped):
    found = []
    for path in shipped:
        if path.name == ".gitignore" or path.suffix in (".png", ".jpg", ".parquet", ".safetensors"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host in text]
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in MACHINE.finditer(text)]
    assert found == []
