"""Train one method from its settings to a finished run folder."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import interrupts
from modelheir.assemble.caching.used import take_views
from modelheir.assemble.declared import Opened, declared_models, declared_sources, flag_of, open_sources
from modelheir.assemble.destination import check_destination
from modelheir.assemble.publish import publish
from modelheir.assemble.resolved import choose, resolved, write_config
from modelheir.assemble.same_run import accept_read, accept_settings
from modelheir.checks import InputError, unknown, validate
from modelheir.classes import BY_NAME
from modelheir.config.unread import refuse_unread
from modelheir.extras import need_train
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.seal import check_seal, seal

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.inference.peers import Peers
    from modelheir.inference.runtime import Runtime
    from modelheir.methods import Method
    from modelheir.methods.declared import ModelUse, SourceUse

__all__ = ["train"]


def train(
    method: str,
    config: TrainConfig,
    method_config: Any = None,
    *,
    command: Sequence[str] = (),
    opened: Callable[[Mapping[str, ImageSet]], None] | None = None,
) -> Path:
    """Train ``method`` and return its run folder; run again with the same settings and data, it resumes.

    Args:
        method: A name of ``methods.METHODS``.
        config: Data, model, old models, seeds and the groups ``inputs``, ``network``, ``fit``.
        method_config: The method's own ``Config``; ``None`` takes its defaults.
        command: What was typed, for ``environment.json``.
        opened: Called with the data's splits once they are open.

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
            f"train {method} needs --old, the model in production: run:DIR, file:PATH, tv:NAME, timm:NAME, pkg:NAME."
        )
    chosen.accept(settings, config)
    sources, models = declared_sources(chosen, settings), declared_models(chosen, settings)
    if config.classes != BY_NAME and not (config.old or sources or models):
        raise InputError(f"classes = {config.classes!r} is about the classes of --old, and there is no --old.")

    need_train("training")
    from modelheir.inference.peers import Peers
    from modelheir.inference.runtime import Runtime

    runtime = Runtime(config.device)
    folder = RunFolder(config.out or f"runs/{method}")
    try:
        peers = Peers(runtime)
        with peers.watched():
            _take_and_train(chosen, config, settings, sources, models, folder, runtime, peers, command, opened)
    except interrupts.PeerLost:
        with contextlib.suppress(InputError):
            folder.settle()  # where it was the main process that died
        raise
    return folder.path


def _take_and_train(
    chosen: Method,
    config: TrainConfig,
    settings: Any,
    sources: Mapping[str, SourceUse],
    models: Mapping[str, ModelUse],
    folder: RunFolder,
    runtime: Runtime,
    peers: Peers,
    command: Sequence[str],
    note: Callable[[Mapping[str, ImageSet]], None] | None,
) -> None:
    from modelheir.data import open_splits

    runtime.by_main(lambda: _check(folder, config, sources, models))
    splits = open_splits(config.data, config.inputs)
    if note is not None:
        note(splits)
    config = take_views(config, [*config.old, *(one for use in models.values() for one in use.addresses)])
    draws_head = functools.partial(chosen.draws_head, settings)
    start = chosen.start(settings, config.old)
    asked, config = config.model, choose(config, splits["train"], start, draws_head)
    settings = chosen.settle(settings, config)
    wanted = resolved(chosen.name, config, settings)
    usual = resolved(chosen.name, type(config)(), type(settings)(), every=True)
    opened = Opened(
        splits,
        open_sources(sources, config, splits["train"].classes),
        tuple(config.old),
        models,
        flags={name: flag_of(name, use) for name, use in sources.items()},
    )

    def take() -> bool:
        """Hold the folder, on the main process; tell whether there is nothing left to do."""
        accept_settings(folder, wanted, usual, splits["train"])
        accept_read(folder, opened.held)
        held.enter_context(folder.locked())
        if folder.status().get("state") == "finished":
            return True
        held.enter_context(interrupts.last_words(lambda: _unfinished(folder)))
        held.enter_context(_told(folder))
        held.enter_context(peers.watched())  # so that it is told what it was
        folder.set_status("running")
        write_config(folder, wanted)
        return False

    with contextlib.ExitStack() as held:
        if not runtime.by_main(take):
            _train(chosen, config, asked, settings, folder, runtime, opened, command)
            runtime.by_main(lambda: folder.set_status("finished", files=seal(folder)))


def _check(
    folder: RunFolder, config: TrainConfig, sources: Mapping[str, SourceUse], models: Mapping[str, ModelUse]
) -> None:
    """Refuse a place where a run would do harm, and a finished run that is damaged."""
    read = [config.data, *(use.address for use in sources.values())]
    check_destination(folder, read, [*config.old, *(one for use in models.values() for one in use.addresses)])
    check_seal(folder)


@contextlib.contextmanager
def _told(folder: RunFolder) -> Iterator[None]:
    """Write down what stopped a run."""
    try:
        yield
    except (KeyboardInterrupt, interrupts.PeerLost):
        folder.set_status("interrupted")
        raise
    except Exception as error:
        _stop(folder, error)
        raise


def _unfinished(folder: RunFolder) -> None:
    """Say that a run was interrupted, unless it just became finished."""
    if folder.status().get("state") != "finished":
        folder.set_status("interrupted")


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
    command: Sequence[str],
) -> None:
    from modelheir.assemble.announce import announced, check_teacher
    from modelheir.assemble.handing import make_given
    from modelheir.engine.progress import make_progress
    from modelheir.engine.stages import run_plan
    from modelheir.inference.device import cuda_settings, settings_in_force
    from modelheir.runs.environment import environment
    from modelheir.runs.trackers import Trackers

    with cuda_settings(runtime.device, tf32=config.fit.tf32, cudnn_benchmark=config.fit.cudnn_benchmark):
        given = make_given(config, opened, runtime, asked=asked)
        seeds = {"seed": config.seed, "init_seed": given.model.seed, "data_seed": given.data.seed}
        about = environment(
            command=command,
            device=str(runtime.device),
            settings=settings_in_force(runtime.device),
            processes=runtime.world,
            seeds=seeds,
            **opened.held,
        )
        runtime.by_main(lambda: write_json(folder.environment, about))
        with make_progress(quiet=config.quiet or not runtime.main) as progress:
            for teachers in (given.old, *given.models.values()):
                if len(teachers) and teachers.teaches:
                    check_teacher(teachers, progress.note, allow_weak=config.allow_weak_teacher)

            def say(line: str) -> None:
                progress.close()  # the stage before says its results first
                progress.note(line)

            plan = announced(method.plan(settings, given), given, config.data, say)
            with Trackers(config.trackers if runtime.main else (), folder.path if runtime.main else None, about) as log:
                done = run_plan(
                    plan, folder, runtime=runtime, fit_config=config.fit, seed=config.seed, log=log, progress=progress
                )
        runtime.by_main(lambda: publish(folder, [one for one in done.values() if not one.skipped][-1]))
