"""The runbook has an entry for every alert and every reason, and for nothing else; links lead somewhere."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from zkoperator.api.reasons import BackupReason, ClusterReason, ScheduleReason, SyncReason, ZNodeReason

ROOT = Path(__file__).parents[3]
DOCS = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)]+)\)")


def entries(section: str) -> dict[str, str]:
    """Heading -> text of the entries of one section."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    body = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    parts = re.split(r"^### (\w+)(?: \((?:ConfigSync|ZooKeeper\w+|ZNode)\))?$", body, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_has_an_entry() -> None:
    groups = yaml.safe_load((ROOT / "manifests/monitoring/rules.yaml").read_text())["spec"]["groups"]
    assert set(entries("Alerts")) == {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize(
    ("section", "reasons"),
    [
        ("Conditions of a ZooKeeperCluster", ClusterReason),
        ("Conditions of a ConfigSync", SyncReason),
        ("Conditions of a ZooKeeperBackup", BackupReason),
        ("Conditions of a ZooKeeperBackupSchedule", ScheduleReason),
        ("Conditions of a ZNode", ZNodeReason),
    ],
)
def test_every_reason_has_an_entry(section: str, reasons: type[StrEnum]) -> None:
    assert set(entries(section)) == {reason.value for reason in reasons}


def test_no_entry_is_empty() -> None:
    kinds = ("ZooKeeperCluster", "ConfigSync", "ZooKeeperBackup", "ZooKeeperBackupSchedule", "ZNode")
    for section in ("Alerts", *(f"Conditions of a {kind}" for kind in kinds)):
        assert [name for name, text in entries(section).items() if len(text) < 10] == []


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_found_from_the_index() -> None:
    index = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - index == {"README.md"}
