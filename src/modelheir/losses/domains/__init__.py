"""Objectives over several domains, such as the steps of a sequence in time: scalars of a batch from each."""
