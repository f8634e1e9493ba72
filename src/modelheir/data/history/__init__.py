"""Labelled images over time: sequences made of shifts, real ones cut by a column, and how steps are pooled."""
