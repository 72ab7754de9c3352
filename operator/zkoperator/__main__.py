"""`python -m zkoperator`."""

import os
import signal
import sys

if sys.argv[1:2] == ["run"]:
    # While everything is imported: process 1 of a container would ignore a signal that nobody handles.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from zkoperator.cli import main

if __name__ == "__main__":
    code = main()
    if sys.argv[1:2] == ["backup-job"]:
        # Threads of the library for object stores may call into an interpreter that ends, which then aborts with 134.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
