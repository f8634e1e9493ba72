"""Pages that people can look at: a comparison (:func:`write_compare`), runs, a selection from a pool.

The latter two by :func:`write_runs` and :func:`write_selection`. And what a pull request shows of a comparison:
Markdown (:func:`write_summary`) and JUnit XML (:func:`write_junit`).

Renders plain values and computes no statistics; every table is also written as comma-separated values beside the page.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
