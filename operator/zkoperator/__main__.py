"""`python -m zkoperator`."""

import os
import signal
import sys

if sys.argv[1:2] == ["run"]:
    # While everything is imported: process 1 of a container would ignore a signal that nobody handles.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from zkoperator.cli import main

if __name__ == "__main__":
    sys.exit(main())
