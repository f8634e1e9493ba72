"""Methods that continue from the snapshots of a training."""
