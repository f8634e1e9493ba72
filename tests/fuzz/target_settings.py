"""Settings files through ``train --print_config``, which reads and checks and starts nothing."""

import mutate

GOOD = """\
train: finetune
data: digits
seed: 3
model: convnet
trainable: head
fit: {epochs: 2, lr: 1.0e-3, schedule: cosine, batch_size: 32}
inputs:
  image_size: 8
  augment: none
method:
  reinit_linear: true
"""
BOMB = "x: &x [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"y{k}: &x [*x, *x, *x, *x, *x, *x, *x]\n" for k in range(20))
SNIPPETS = [
    "a: &a [*a]",
    "b: &b {c: *b}",
    "? [x]\n: 1",
    "1: 2",
    "~: 1",
    "seed: !!int abc",
    "seed: 2023-13-45",
    "seed: 2023-01-01",
    "seed: " + "9" * 5000,
    "seed: 0x" + "f" * 5000,
    "fit: [",
    "fit: {epochs: {epochs: 1}}",
    "fit: null",
    "fit: 3",
    "data: !!binary x",
    "data: !!python/object/apply:os.system [ls]",
    "data: !!set {a, b}",
    "<<: {seed: 1}",
    "<<: 3",
    "<<: [1, 2]",
    'data: "\\e[2J"',
    "out: [" * 300,
    "inputs: " + "{a: " * 60,
    "fit.lr: 1e400",
    "fit.lr: .inf",
    "fit.lr: .nan",
    "---",
    "...",
    "%YAML 9.9",
    "\t- x",
    "fit: &f {epochs: 1}\ninputs: *f",
    "x: &x [1,1,1,1,1,1,1,1,1,1]\n" + "".join(f"y{k}: &x [*x, *x, *x, *x, *x, *x, *x]\n" for k in range(20)),
    "seed: 1e5",
    "seed: 1:2:3",
    "old: [1, {a: b}]",
    "classes: {a: b}",
    "data: |\n  x\n  y",
    "out: '\\ud800'",
    'out: "\\ud800"',
    "? a",
    "- a",
]


class Maker:
    """Writes ``s.yaml``."""

    def __init__(self, folder):
        self.folder = folder

    def words(self, rng):
        text = GOOD
        if rng.random() < 0.6:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(SNIPPETS))
            text = "\n".join(lines)
        if rng.random() < 0.5:
            text = mutate.lines_of(rng, text)
        content = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.2:
            content = mutate.bytes_of(rng, content)
        (self.folder / "s.yaml").write_bytes(content)
        return ["train", "--config", "s.yaml", "--print_config"]
