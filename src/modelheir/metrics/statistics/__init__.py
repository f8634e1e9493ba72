"""Statistics of counts: intervals of rates and of differences, tests of them, and corrections for many."""
