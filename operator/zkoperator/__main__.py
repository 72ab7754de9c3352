"""`python -m zkoperator`."""

import sys

from zkoperator.cli import main

if __name__ == "__main__":
    sys.exit(main())
