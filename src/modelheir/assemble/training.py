"""Train one method from its settings to a finished run folder."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir.assemble.declared import Opened, declared_models, declared_sources, open_sources
from modelheir.assemble.destination import check_destination
from modelheir.assemble.publish import publish
from modelheir.assemble.resolved import choose, resolved, write_config
from modelheir.assemble.same_run import accept_read, accept_settings
from modelheir.checks import InputError, unknown, validate
from modelheir.classes import BY_NAME
from modelheir.config.unread import refuse_unread
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.seal import check_seal, seal

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.inference.runtime import Runtime
    from modelheir.methods import Method

__all__ = ["train"]


def train(method: str, config: TrainConfig, method_config: Any = None, *, command: Sequence[str] = ()) -> Path:
    """Train ``method`` and return its run folder; run again with the same settings and data, it resumes.

    Args:
        method: A name of ``methods.METHODS``.
        config: Data, model, old models, seeds and the groups ``inputs``, ``network``, ``fit``.
        method_config: The method's own ``Config``; ``None`` takes its defaults.
        command: What was typed, for ``environment.json``.

    Raises:
        InputError: If something the user gave does not fit (before the first batch where possible), or the folder
            cannot be written to without harm: it holds other files, the data, an old model, a damaged run, or a run
            with other settings or on other data. Such a folder is left as it is.
    """
    from modelheir.methods import METHODS

    if method not in METHODS:
        raise unknown("method", method, METHODS)
    chosen = METHODS[method]
    settings = chosen.config() if method_config is None else method_config
    validate(config)
    validate(settings, "method")
    refuse_unread(settings, chosen.config(), "method")
    if chosen.needs_old and not config.old:
        raise InputError(
            f"train {method} needs --old, the model in production: run:DIR, file:PATH, tv:NAME, timm:NAME."
        )
    sources, models = declared_sources(chosen, settings), declared_models(chosen, settings)
    if config.classes != BY_NAME and not (config.old or sources or models):
        raise InputError(f"classes = {config.classes!r} is about the classes of --old, and there is no --old.")

    from modelheir.data import open_splits
    from modelheir.inference.runtime import Runtime

    runtime = Runtime(config.device)
    folder = RunFolder(config.out or f"runs/{method}")
    if runtime.main:
        read = [config.data, *(use.address for use in sources.values())]
        check_destination(folder, read, [*config.old, *(one for use in models.values() for one in use.addresses)])
        check_seal(folder)
    splits = open_splits(config.data, config.inputs)
    asked, config = config.model, choose(config, splits["train"], chosen.start(settings, config.old))
    wanted = resolved(method, config, settings)
    if runtime.main:
        accept_settings(folder, wanted, resolved(method, type(config)(), type(settings)()), splits["train"])
    opened = Opened(splits, open_sources(sources, config, splits["train"].classes), tuple(config.old), models)
    work = functools.partial(_train, chosen, config, asked, settings, folder, runtime, opened)
    if not runtime.main:
        runtime.wait()  # until the main process holds the folder
        return work()
    accept_read(folder, opened.held)
    with folder.locked():
        if folder.status().get("state") == "finished":
            runtime.wait()
            return folder.path
        try:
            folder.set_status("running")
            write_config(folder, wanted)
            runtime.wait()
            path = work(command)
            folder.set_status("finished", files=seal(folder))
        except KeyboardInterrupt:
            folder.set_status("interrupted")
            raise
        except Exception as error:
            _stop(folder, error)
            raise
        return path


def _stop(folder: RunFolder, error: Exception) -> None:
    """Leave nothing behind where nothing is trained yet and the user can mend it; else say what happened."""
    if isinstance(error, InputError) and folder.fresh and not folder.begun:
        folder.clear()
        return
    with contextlib.suppress(InputError):  # a full disk: what stopped the run says more
        folder.set_status("failed", reason=str(error))


def _train(
    method: Method,
    config: TrainConfig,
    asked: str,
    settings: Any,
    folder: RunFolder,
    runtime: Runtime,
    opened: Opened,
    command: Sequence[str] = (),
) -> Path:
    if folder.status().get("state") == "finished":
        return folder.path
    from modelheir.assemble.announce import announced, check_teacher
    from modelheir.assemble.handing import make_given
    from modelheir.engine.progress import make_progress
    from modelheir.engine.stages import run_plan
    from modelheir.runs.environment import environment
    from modelheir.runs.trackers import Trackers

    given = make_given(config, opened, runtime, asked=asked)
    seeds = {"seed": config.seed, "init_seed": given.model.seed, "data_seed": given.data.seed}
    about = environment(
        command=command,
        device=str(runtime.device),
        processes=runtime.world,
        seeds=seeds,
        **opened.held,
    )
    if runtime.main:
        write_json(folder.environment, about)
    with make_progress(quiet=config.quiet or not runtime.main) as progress:
        for teachers in (given.old, *given.models.values()):
            if len(teachers) and teachers.teaches:
                check_teacher(teachers, progress.note, allow_weak=config.allow_weak_teacher)
        plan = announced(method.plan(settings, given), given, config.data, progress.note)
        with Trackers(config.trackers if runtime.main else (), folder.path if runtime.main else None, about) as log:
            done = run_plan(
                plan, folder, runtime=runtime, fit_config=config.fit, seed=config.seed, log=log, progress=progress
            )
    if runtime.main:
        publish(folder, [one for one in done.values() if not one.skipped][-1])
    runtime.wait()
    return folder.path
