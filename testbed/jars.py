"""ZooKeeper releases as the jars that Maven Central has of them."""

from pathlib import Path

from testbed.cache import artefact
from testbed.processes import require, run

VERSIONS = ("3.9.3", "3.9.4")
"""Releases that the testbed offers, oldest first: an upgrade needs two."""

_POM = Path(__file__).parent / "zookeeper" / "pom.xml"
_FOREIGN = "osx-aarch_64,osx-x86_64,windows-x86_64"


def release(version: str) -> Path:
    """Return the directory that holds all jars of a release."""
    pom = _POM.read_text().replace("@VERSION@", version)

    def download(directory: Path) -> None:
        require("mvn", "install Maven 3.8 or newer (Debian: apt-get install maven)")
        (directory / "pom.xml").write_text(pom)
        run(
            "mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime",
            f"-DoutputDirectory={directory / 'lib'}", f"-DexcludeClassifiers={_FOREIGN}",
            cwd=directory, what=f"download of ZooKeeper {version} from Maven Central",
        )  # fmt: skip

    return artefact(f"zookeeper-jars-{version}", (pom, _FOREIGN), download) / "lib"
