"""``python -m modelheir.cli`` is ``modelheir``."""

import sys

from modelheir.cli import main

if __name__ == "__main__":
    sys.exit(main())
