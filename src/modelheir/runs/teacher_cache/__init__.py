"""The cache of what teachers said, as files: any process writes a shard of it, anything reads it."""
