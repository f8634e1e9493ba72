"""The training loop and what it stands on: processes, optimisers, evaluation, resuming. Knows no method."""
