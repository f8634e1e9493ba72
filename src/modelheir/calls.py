"""The commands as Python calls: the same settings and meaning; values instead of printed tables.

Stands above every layer, as ``cli`` does. Importing it imports no torch; only the calls that need torch do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from modelheir import analysis, assemble
from modelheir.assemble import compare_labelled, evaluate, export, multiplier_search, predict, search, worth_labelling
from modelheir.checks import InputError, unknown
from modelheir.config.keywords import call_text, read_keywords
from modelheir.config.mapping import from_mapping
from modelheir.config.pilot import seconds_of
from modelheir.engine.progress import make_progress
from modelheir.methods import METHODS
from modelheir.runs.predictions import members_of
from modelheir.screen import say

if TYPE_CHECKING:
    from modelheir.analysis.comparison import Comparison
    from modelheir.analysis.ensemble import Ensemble
    from modelheir.assemble import Averaged, Embedded, Pilot, Selection

__all__ = [
    "average", "cache", "compare", "compare_labelled", "embed", "ensemble", "evaluate", "explain", "export",
    "multiplier_search", "predict", "search", "select", "train", "worth_labelling", "write_report",
]  # fmt: skip


@overload
def train(
    name: str, /, *, config: Path | str | None = None, epochs: int | None = None, pilot: None = None, **settings: Any
) -> Path: ...
@overload
def train(
    name: str, /, *, config: Path | str | None = None, epochs: int | None = None, pilot: str, **settings: Any
) -> Pilot: ...
def train(
    name: str,
    /,
    *,
    config: Path | str | None = None,
    epochs: int | None = None,
    pilot: str | None = None,
    **settings: Any,
) -> Path | Pilot:
    """Train by a method of the table and return the run folder; called again with the same settings, it resumes.

    Args:
        name: A key of ``modelheir.methods.METHODS``, such as ``upgrade``.
        config: A YAML file of settings; ``settings`` win over it.
        epochs: Short for the setting ``fit.epochs``.
        pilot: A time such as ``10m``: small runs forecast what the teacher gains, instead of the training, and a
            ``Pilot`` is returned (``found.forecast.gain``, ``.low``, ``.high``). For ``distill``.
        **settings: The settings of ``modelheir train``: ``data="folder:photos"``, ``old="run:runs/v1"``,
            ``teacher="run:runs/large"`` where the method has that flag, groups as
            mappings (``fit={"lr": 0.05}``, ``method={...}``) or dotted (``**{"fit.lr": 0.05}``).

    Raises:
        InputError: If a setting is unknown or not allowed, or the data and models do not fit each other.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    method = METHODS[name]
    settings = {method.flags.get(key, key): value for key, value in settings.items()}
    usual = {"out": f"runs/{name}", **method.defaults}
    of_run, own = read_keywords(name, method.config, settings, usual=usual, file=config, epochs=epochs)
    typed = {"config": config and str(config), "epochs": epochs, "pilot": pilot}
    call = call_text("train", name, **{key: value for key, value in typed.items() if value is not None}, **settings)
    if pilot is None:
        return assemble.train(name, of_run, own, command=[call])
    return assemble.pilot(name, of_run, own, seconds=seconds_of(pilot), command=[call])


def average(models: Sequence[str] = (), *, out: str | Path, **settings: Any) -> Averaged:
    """Average fine-tunes of one network, or the snapshots along one training, into ``out``, a run folder.

    Args:
        models: Addresses, ``run:DIR``, ``file:PATH``, ...; none with ``snapshots="run:DIR"``.
        out: The run folder to write; a finished one of the same average is read back.
        **settings: The other settings of ``modelheir average``, such as ``by=["greedy"]``, ``old=["run:runs/v1"]``.

    Raises:
        InputError: If a setting is not allowed, the models cannot be averaged, or the folder holds something else.
    """
    config = assemble.read_average({"models": list(models), "out": str(out), **settings})
    with make_progress(quiet=config.quiet) as progress:
        return assemble.average(config, progress, command=[call_text("average", models, out=out, **settings)])


def cache(teacher: str | Sequence[str], *, out: Path | str, **settings: Any) -> Path:
    """Write what teachers say of the training images, and return the folder; ``cache:FOLDER`` then teaches.

    Args:
        teacher: Addresses of the teachers, whose mean is stored: ``run:DIR``, ``file:PATH``, ``timm:NAME``, ...
        out: The folder; with the same settings it is gone on with.
        **settings: The settings of ``modelheir cache write``: ``data="folder:photos"``, ``unlabelled="folder:pool"``,
            ``views=8``, ``top_k=10``, ``shard="3/16"``, groups as mappings (``inputs={"augment_seed": 1}``) or dotted.

    Raises:
        InputError: If a setting is unknown or not allowed, or the folder holds a cache with other settings.
    """
    teachers = [teacher] if isinstance(teacher, str) else list(teacher)
    given = {"teacher": teachers, "out": str(out), **settings}
    return assemble.write_cache(from_mapping(assemble.CacheConfig, given))


def compare(
    old: Any,
    new: Any,
    *,
    split: str | None = None,
    max_nfr: float | None = None,
    max_class_nfr: float | None = None,
    max_slice_nfr: float | None = None,
    min_kept: float | None = None,
    min_accuracy_gain: float | None = None,
    max_churn: float | None = None,
    max_ece: float | None = None,
    max_replayed: float | None = None,
    policy: str | Path | None = None,
    min_class_count: int | None = None,
    confidence: float | None = None,
    point: bool | None = None,
    undecided: str | None = None,
    sequential: bool | None = None,
    slice: str | Sequence[str] = (),
    columns: str | Path | None = None,
    replay: str | Path | None = None,
    remember: str | Path | None = None,
    bec: str = "new",
    correction: str = "holm",
    max_flips: int | None = None,
    find_slices: bool = False,
    features: str | Path | None = None,
) -> Comparison:
    """Compare an old model with a new one: flips with intervals, by class and slice, and the verdict of the gate.

    Args:
        old: The model in production: a run folder, a file of predictions, predictions, or a table in memory with the
            columns of such a file: of pyarrow, a frame of pandas or polars, or a dict of NumPy arrays or lists.
        new: The model that is to replace it; either may be any of these.
        split: Split to read from run folders; ``None`` takes test, else val.
        max_nfr: Largest negative flip rate, a fraction; ``None`` sets no bound.
        max_class_nfr: Largest negative flip rate of any class, a fraction.
        max_slice_nfr: Largest negative flip rate of any slice, a fraction; needs slices.
        min_kept: Smallest share of the old model's right answers that are kept, a fraction.
        min_accuracy_gain: Smallest new minus old accuracy, a fraction; may be negative.
        max_churn: Largest share of predictions that changed, a fraction.
        max_ece: Largest calibration error of the new model, a fraction; needs its scores.
        max_replayed: Largest share of the images of ``replay`` that are wrong again, a fraction.
        policy: A YAML file of bounds, required and advisory ones; what it sets cannot be given here too.
        min_class_count: Classes and slices with fewer images are not judged; ``None`` is 1.
        confidence: Coverage of all intervals, between 0 and 1; ``None`` is 0.95.
        point: Judge the estimates, not the unfavourable ends of the intervals.
        undecided: ``ship`` or ``hold``: what ``gate.exit_code`` is where the images are too few; ``None`` is 3.
        sequential: Judge by intervals that hold at all looks together, so that one may look early and often; wider.
        slice: Column, or columns, whose every value gets a row of its own.
        columns: A Parquet or CSV file with ``sample_id`` and columns to slice by.
        replay: A list of images that earlier releases broke: which are wrong again stands in ``found.replay``.
        remember: A list that the images which ``new`` broke are added to; made where it is not there.
        bec: Whose errors BEC counts, ``new`` or ``old``.
        correction: ``holm`` or ``benjamini_hochberg``.
        max_flips: Sample ids listed of each kind of flip; ``None`` lists all.
        find_slices: Look for groups of like images in which the new model breaks more; needs features.
        features: A file of features (see ``modelheir compare --help``); ``None`` takes those of ``new``, else ``old``.

    Returns:
        The comparison; rates are fractions from 0 to 1. It reads as the mapping that ``modelheir compare --json``
        writes (``found["nfr"]``, ``found["gate"]["passed"]``) and by attributes (``found.rates.nfr.interval``);
        ``found.to_json()`` is a plain dict.

    Raises:
        InputError: If the two do not describe the same images, or a file cannot be read.
    """
    given = {
        **{"max_nfr": max_nfr, "max_class_nfr": max_class_nfr, "max_slice_nfr": max_slice_nfr, "min_kept": min_kept},
        **{"min_accuracy_gain": min_accuracy_gain, "max_churn": max_churn, "max_ece": max_ece},
        "max_replayed": max_replayed,
        **{"min_class_count": min_class_count, "confidence": confidence, "point": point, "undecided": undecided},
        "sequential": sequential,
        "slice": [slice] if isinstance(slice, str) else slice,
    }
    if features is not None and not find_slices:
        raise InputError("features are read to find slices: give find_slices=True with them.")
    gate, slices = analysis.make_gate(policy, given)
    made = assemble.compare_models(
        [old, new],
        gate=gate,
        slices=slices,
        columns=columns,
        replay=replay,
        find_slices=find_slices,
        features=features,
        remember=remember,
        split=split,
        errors_of=bec,
        correction=correction,
        max_flips=max_flips,
        inputs=[Path(policy)] if policy else [],
    )
    return made.result


def embed(encoder: str | Sequence[str], *, out: Path | str, **settings: Any) -> tuple[Embedded, ...]:
    """Compute views of a data set, as ``modelheir embed`` does; what is computed already is left as it is.

    Args:
        encoder: Addresses of frozen encoders: ``timm:NAME``, ``pkg:NAME``, ``run:DIR``, ``pixels:left``, ...
        out: The folder; each encoder gets one in it.
        **settings: The settings of ``modelheir embed``: ``data="folder:photos"``, ``shard="3/16"``,
            ``dtype="float32"``, groups as mappings (``inputs={"image_size": 112}``) or dotted.

    Returns:
        One a view: ``.folder``, ``.facts``, ``.missing`` (shards that are not computed yet).

    Raises:
        InputError: If a setting is unknown or not allowed, or a folder holds another view.
    """
    given = {"encoder": [encoder] if isinstance(encoder, str) else list(encoder), "out": str(out), **settings}
    return assemble.embed(from_mapping(assemble.EmbedConfig, given))


def ensemble(
    models: Sequence[Any],
    *,
    split: str | None = None,
    weights: Sequence[float] | None = None,
    by: str = "logits",
) -> Ensemble:
    """Average what models said about the same images.

    Args:
        models: Run folders, files of predictions (an average counts as its members), predictions, or tables in memory.
        split: Split to read from run folders; ``None`` takes test, else val.
        weights: One a model; ``None``: all models count alike.
        by: ``logits`` or ``probabilities``.

    Returns:
        ``(predictions, members, rows)``: the average, how many models are in it, and a row a model with its accuracy.

    Raises:
        InputError: If the models do not describe the same images or lack scores.
    """
    sources, _ = assemble.find_sources(models, split)
    names = [one.name for one in sources]
    held = [members_of(one.file) if one.file else 1.0 for one in sources]
    found = [one.read() for one in sources]
    if len(set(names)) < len(names):  # one file twice
        names = [f"{name} ({number + 1})" for number, name in enumerate(names)]
    return analysis.ensemble.ensemble(dict(zip(names, found, strict=True)), members=held, weights=weights, by=by)


def select(*, pool: str, teacher: str, out: str | Path, **settings: Any) -> Selection:
    """Select from a pool of unlabelled images, as ``modelheir select`` does.

    Args:
        pool: Where the images are: ``folder:DIR`` (any depth), ``list:FILE``, ``parquet:PATH``, ``manifest:FILE``.
        teacher: The model that scores them: ``run:DIR``, ``file:PATH``, ``tv:NAME``, ``timm:NAME`` or ``pkg:NAME``.
        out: Folder for the list, the page and the scores.
        **settings: The other settings of ``modelheir select``: ``data="folder:photos"``, ``top_k=100``,
            ``shard="1/4"``, groups as mappings (``dedup={"within": False}``) or dotted.

    Raises:
        InputError: If a setting is not allowed, something cannot be read, or no image is left.
    """
    given = {"pool": pool, "teacher": teacher, "out": str(out), **settings}
    config = assemble.read_selection(given)
    with make_progress(quiet=config.quiet) as progress:
        return assemble.select_images(config, progress, command=[call_text("select", **given)])


def explain(name: str) -> None:
    """Print the map of a method: what it is for, its paper, its files and its settings with limits."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    say(*assemble.explain_text(METHODS[name]).split("\n"))


def write_report(runs: Sequence[str | Path], **settings: Any) -> tuple[list[dict[str, Any]], Path]:
    """Put runs on one page, as ``modelheir report`` does.

    Args:
        runs: Run folders.
        **settings: ``html`` (the page), ``old``, ``split``, ``data``, ``max_nfr``, ``title``.

    Returns:
        One row a run, and the path of the page.

    Raises:
        InputError: If a folder holds no run, or no run has predictions.
    """
    places = [str(run) for run in runs]
    return assemble.report_runs(
        places, from_mapping(assemble.ReportConfig, settings), command=[call_text("write_report", places, **settings)]
    )
