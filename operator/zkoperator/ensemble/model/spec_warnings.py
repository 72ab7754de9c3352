"""Warnings about risks of a valid spec, as sentences for conditions and Events. Pure.

Versions and their defects are from the release notes of ZooKeeper 3.8.5, 3.8.6, 3.9.2 to 3.9.5.
"""

import re
from collections.abc import Iterable

from zkoperator.api.cluster import SingleMember, StorageType, ZooKeeperClusterSpec
from zkoperator.api.service import ServiceType
from zkoperator.api.tls import Plaintext

_VERSION = re.compile(r":v?(?P<version>[0-9]+\.[0-9]+\.[0-9]+)(?:[-@].*)?$")
Version = tuple[int, int, int]

_DANGERS: tuple[tuple[Version, Version, str], ...] = (
    ((3, 0, 0), (3, 8, 5), "may lose a transaction in a DIFF sync (ZOOKEEPER-4785); use 3.8.6 or 3.9.5"),
    ((3, 9, 0), (3, 9, 2), "may lose a transaction in a DIFF sync (ZOOKEEPER-4785); use 3.9.5"),
    ((3, 9, 0), (3, 9, 4), "may lose data (ZOOKEEPER-4925), and snapshots lack a permission check (CVE-2025-58457)"),
    ((3, 8, 5), (3, 8, 6), "has CVE-2026-24281 and CVE-2026-24308; use 3.8.6"),
    ((3, 9, 4), (3, 9, 5), "has CVE-2026-24281 and CVE-2026-24308; use 3.9.5"),
)
"""First affected version, first version with the fix, and the defect."""


def image_version(image: str) -> Version | None:
    """Return the version in the tag of the image, None when the tag names none."""
    found = _VERSION.search(image)
    if found is None:
        return None
    major, minor, patch = map(int, found["version"].split("."))
    return major, minor, patch


def version_warnings(image: str) -> tuple[str, ...]:
    """Return the known defects of the version in the tag of the image."""
    version = image_version(image)
    return _dangers(version) if version is not None else ()


def observed_warnings(image: str, versions: Iterable[str]) -> tuple[str, ...]:
    """Return the known defects of the versions that members report. Empty when the tag of the image has a version."""
    if image_version(image) is not None:
        return ()
    found = (image_version(f":{version}") for version in sorted(set(versions)))
    return tuple(danger for version in found if version is not None for danger in _dangers(version))


def _dangers(version: Version) -> tuple[str, ...]:
    text = ".".join(map(str, version))
    return tuple(f"ZooKeeper {text} {why}" for first, end, why in _DANGERS if first <= version < end)


def warnings_of(spec: ZooKeeperClusterSpec, image: str) -> tuple[str, ...]:
    """Return every warning about a valid spec."""
    found = list(version_warnings(image))
    if spec.replicas % 2 == 0:
        survives, odd = (spec.replicas - 1) // 2, spec.replicas - 1
        found.append(f"{spec.replicas} voters survive the loss of {survives}, no more than {odd} would")
    if held := held_nodes(spec):
        found.append(held)
    if spec.service.type is not ServiceType.CLUSTER_IP:
        found.append(
            f"spec.service.type is {spec.service.type.value}: whoever reaches it from outside may read and write "
            "every znode that has no ACL; admit known addresses only"
        )
    found += _outside_warnings(spec)
    if spec.storage.type is StorageType.EPHEMERAL:
        found.append("Ephemeral storage is gone with the pod: the data is lost when a majority of the pods is")
    return tuple(found)


def _outside_warnings(spec: ZooKeeperClusterSpec) -> tuple[str, ...]:
    """Return what people should know whose clients come from outside."""
    access = spec.external_access
    if access is None:
        return ()
    tracker = (
        "spec.externalAccess: Curator clients outside the cluster need ensembleTracker(false), or they go to names of "
        "members that lead there inside the cluster alone"
    )
    open_door = (
        "spec.externalAccess.plaintext is Allowed: whoever reaches it from outside may read and write every znode that "
        "has no ACL; admit known addresses only"
    )
    return (tracker, *((open_door,) if access.plaintext is Plaintext.ALLOWED else ()))


def held_nodes(spec: ZooKeeperClusterSpec) -> str:
    """Return why no node that has a member can be drained, empty when one at a time can."""
    if spec.replicas == 1 and spec.disruption.single_member is SingleMember.HOLD:
        return (
            "a single member holds its node: kubectl drain waits until somebody deletes the pod; scale to 3, or set "
            "spec.disruption.singleMember to Allow where a gap is acceptable"
        )
    if spec.replicas == 2:
        return "2 voters hold their nodes, as both are needed: kubectl drain waits for ever; scale to 3"
    return ""
