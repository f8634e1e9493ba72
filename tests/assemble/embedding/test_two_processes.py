"""Two processes (gloo on the CPU) share the shards of a part, and write what one writes."""

from modelheir.assemble import embed


def launch(config, copies):
    words = ["embed", "--data", config.data, "--encoder", *config.encoder, "--out", config.out, "--device", "cpu"]
    words += ["--batch_size", "8", "--shard_images", "16", "--dtype", config.dtype, "--quiet"]
    return copies.command(*words, world=2)


def test_two_processes_write_what_one_writes(settings, files, tmp_path, copies):
    done = launch(settings("two"), copies)
    assert done.returncode == 0, done.stderr
    assert "6 of 6" in done.stdout
    assert done.stdout.partition("Next:")[0].count("run-") == 1  # one of them prints
    for made in embed(settings("one")):
        assert made.computed == 6
        assert files(made.folder) == files(tmp_path / "two" / made.folder.name)
