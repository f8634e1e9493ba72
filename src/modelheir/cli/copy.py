"""Copy a run folder or a file to or from a store: s3://, gs://, abfs://, hdfs://, or any path."""

from __future__ import annotations

import dataclasses

from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.runs.places import copy
from modelheir.screen import say

__all__ = ["CopyConfig", "main"]


@dataclasses.dataclass(frozen=True)
class CopyConfig:
    """Settings of ``copy``."""

    overwrite: bool = False  #: write over files that are there already


SPEC = Spec(
    command="copy",
    about=(
        "Copy SOURCE (a run folder or a file) to TARGET; either may be an address such as s3://bucket/v1.\n"
        "Fetch an old model: modelheir copy s3://bucket/v1 runs/v1. Publish a new one: the other way round.\n"
        "Links that lead out of SOURCE or to folders are not followed, but named."
    ),
    configs={"": CopyConfig},
    words="SOURCE TARGET",
    epilog="Keys come from the store's usual places (for S3 the AWS_* variables or ~/.aws).",
)


def main(argv: list[str]) -> int:
    """Copy and say how much."""
    said = parse(SPEC, argv)
    done = copy(said.words[0], said.words[1], overwrite=said.configs[""].overwrite)
    say(f"{done.files:,} files, {done.size / 1e6:,.1f} MB")
    for link in done.skipped:
        say(f"Left out, a link that is no file of the folder: {link}")
    return 0
