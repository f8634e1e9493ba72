"""What teachers say, written once: a cache's writing, and what a run takes from it."""
