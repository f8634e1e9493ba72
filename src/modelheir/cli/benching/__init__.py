"""The benchmark's parts on the command line."""
