"""ZooKeeper releases as the jars that Maven Central has of them."""

from pathlib import Path

from testbed.cache import artefact
from testbed.processes import require, run

VERSIONS = ("3.8.6", "3.9.4", "3.9.5")
"""Releases that the testbed offers, oldest first: upgrades lead from each to the next, and the last is the default."""

_POM = Path(__file__).parent / "zookeeper" / "pom.xml"
_JLINE = {"3.9.4": "jline"}
"""The group of the shell's library; 3.8.6 and 3.9.5 moved to its successor."""
_METRICS = {"3.8.6": "3.8.3", "3.9.5": "3.9.4"}
"""The release of the metrics provider, where not every mirror of Maven Central has that of the server.

It is a plugin of the server, whose interface is the same within a minor version.
"""
_FOREIGN = "osx-aarch_64,osx-x86_64,windows-x86_64"


def release(version: str) -> Path:
    """Return the directory that holds all jars of a release."""
    pom = _pom(version)

    def download(directory: Path) -> None:
        require("mvn", "install Maven 3.8 or newer (Debian: apt-get install maven)")
        (directory / "pom.xml").write_text(pom)
        run(
            "mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime",
            f"-DoutputDirectory={directory / 'lib'}", f"-DexcludeClassifiers={_FOREIGN}",
            cwd=directory, what=f"download of ZooKeeper {version} from Maven Central",
        )  # fmt: skip

    return artefact(f"zookeeper-jars-{version}", (pom, _FOREIGN), download) / "lib"


def _pom(version: str) -> str:
    """Return the project whose dependencies are the jars of a release."""
    words = {"VERSION": version, "METRICS": _METRICS.get(version, version), "JLINE": _JLINE.get(version, "org.jline")}
    pom = _POM.read_text()
    for word, meaning in words.items():
        pom = pom.replace(f"@{word}@", meaning)
    return pom
