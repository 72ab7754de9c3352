#!/usr/bin/env python3
"""Runs `kubectl zk` from an unpacked archive of krew.

krew puts files into a directory and cannot install Python packages. So the first call makes a virtual environment
beside this file, from the versions and hashes in `requirements.txt`; krew removes it with the directory.
"""

import os
import subprocess
import sys
import tempfile
import venv

HOME = os.path.dirname(os.path.realpath(__file__))
ENVIRONMENT = os.path.join(HOME, "environment-{}.{}".format(*sys.version_info))  # a newer Python gets one of its own
PYTHON = os.path.join(ENVIRONMENT, "bin", "python")


def install() -> None:
    """Make the environment; what another call has made in the meantime is taken."""
    print("kubectl zk: installing its Python packages, once", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=HOME) as scratch:
        made = os.path.join(scratch, "environment")
        venv.create(made, with_pip=True)
        requirements = os.path.join(HOME, "requirements.txt")
        command = [
            os.path.join(made, "bin", "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*command, "--require-hashes", "-r", requirements], check=True, stdout=sys.stderr)
        try:
            os.rename(made, ENVIRONMENT)
        except OSError:
            if not os.path.exists(PYTHON):
                raise


def failed(message: str) -> int:
    """Say what is missing; return the exit status."""
    print(f"kubectl zk: {message}", file=sys.stderr)
    return 1


def main() -> int:
    """Run the command line, in the environment."""
    if sys.version_info < (3, 11):
        print(
            f"kubectl zk needs Python 3.11 or newer as python3, and this is {sys.version.split()[0]}", file=sys.stderr
        )
        return 1
    if os.path.realpath(sys.prefix) != ENVIRONMENT:
        if not os.path.exists(PYTHON):
            try:
                install()
            except (OSError, subprocess.CalledProcessError) as error:
                return failed(
                    f"its Python packages could not be installed: {error}\n"
                    "It needs Python's venv (Debian: apt install python3-venv) and pip's index of packages."
                )
        os.execv(PYTHON, [PYTHON, os.path.realpath(__file__), *sys.argv[1:]])
    from zkoperator.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
