"""Many settings of one small network, trained together: the grid of a stage and the ways to run it."""
