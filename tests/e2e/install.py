"""`python -m tests.e2e.install`: the README's section `Install`, command by command, with the image that is there."""

import sys
import tempfile
from pathlib import Path

from tests.support.models.documents import Shell, documented, image_under_test, substituted

ELSEWHERE = ("docker build", "docker push")
"""The testbed has built the image and put it on the nodes."""


def main() -> int:
    name, tag = image_under_test()
    instead = {
        "registry.example.com/zkoperator": name,
        "newTag: 0.1.0": f"newTag: {tag}",
        # The same manifests, with a ZooKeeper release as the default that the testbed can build.
        "resources: [../manifests]": "resources: [../testbed/overlay]",
    }
    shown = documented("README.md", "Install")
    first_ensemble = next(number for number, command in enumerate(shown) if "manifests/samples" in command)
    with tempfile.TemporaryDirectory() as directory:
        shell = Shell(Path(directory))
        for command in shown[:first_ensemble]:
            if not command.startswith(ELSEWHERE):
                run = substituted(command, instead)
                print(f"$ {run}", flush=True)
                print(shell.run(run), end="", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
