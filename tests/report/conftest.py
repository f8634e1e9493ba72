"""A small comparison with hostile names: six images, three classes, two models with logits."""

import dataclasses
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from modelheir.analysis.compare import compare
from modelheir.analysis.flipped import flipped
from modelheir.analysis.gate.bounds import GateConfig
from modelheir.analysis.gate.verdict import HOLD, Check, Verdict
from modelheir.types import Predictions

CLASSES = ("<script>alert(1)</script>", "</script>", "=cmd & \"quoted\" 'too'")


def predictions(ids, label, guess, **more):
    logits = np.full((len(ids), 3), 0.0, np.float32)
    logits[np.arange(len(ids)), guess] = np.log(np.float32(8.0))  # softmax of (8, 1, 1): 80%, 10%, 10%
    return Predictions(
        sample_id=np.array(ids),
        label=np.array(label),
        prediction=np.array(guess),
        logits=logits,
        classes=CLASSES,
        **more,
    )


@pytest.fixture
def pair():
    """Return old and new: one new mistake, two mended, one changed mistake, one right in both, one wrong alike."""
    ids, label = ["a", "b", "c", "d", "e", "f"], [0, 1, 2, 0, 1, 2]
    old = predictions(ids, label, [0, 0, 1, 1, 1, 0])
    new = predictions(ids, label, [1, 1, 2, 2, 1, 0])
    return old, new


@pytest.fixture
def result(pair):
    """Compare the two, with a verdict in hostile words."""
    words = "class <b>x</b> breaks 50%, bound 5%"
    check = Check("max_class_nfr", HOLD, words, bound=0.05, value=0.5, interval=(0.4, 0.6))
    return dataclasses.replace(compare(*pair), gate=Verdict(HOLD, (), (check,), GateConfig()))


@pytest.fixture
def chosen(pair):
    """Choose the flipped images of the two."""
    return flipped(*pair)


@pytest.fixture
def images():
    """Return a source of pictures that has all but ``c``."""

    def read(ids):
        found = {}
        for name in ids:
            if name != "c":
                store = io.BytesIO()
                Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(store, "PNG")
                found[name] = store.getvalue()
        return found

    return read


class Outline(HTMLParser):
    """Elements with attributes, and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._inside = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)

    def all(self, tag, **want):
        return [attrs for name, attrs in self.elements if name == tag and want.items() <= attrs.items()]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def outline():
    return lambda path: Outline(path.read_text(encoding="utf-8"))
