"""`python -m tests.e2e.install`: the README's section `Install`, command by command, with the image that is there.

The rights for TLS are in it, as the page about TLS adds them. Without them is the installation for some namespaces.
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.support.models.documents import ROOT, Shell, documented, image_under_test, substituted

ELSEWHERE = ("docker build", "docker push")
"""The testbed has built the image and put it on the nodes."""


def rights_for_tls() -> str:
    """The line that the page about TLS puts into the kustomization of the README."""
    (line,) = re.findall(r"^components: .*", (ROOT / "docs/howto-tls.md").read_text(), re.MULTILINE)
    return str(line)


def main() -> int:
    name, tag = image_under_test()
    instead = {
        "registry.example.com/zkoperator": name,
        "newTag: 0.1.0": f"newTag: {tag}",
        # The same manifests, with a ZooKeeper release as the default that the testbed can build.
        "resources: [../manifests]": f"resources: [../testbed/overlay]\n{rights_for_tls()}",
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
