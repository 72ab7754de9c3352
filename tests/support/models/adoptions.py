"""What becomes of two sides that differ at the first sync, by adoption policy: one table for fakes and real servers.

Before: znodes `same` 1, `differs` zk and `theirs` 1; keys `same` 1, `differs` cm and `mine` 1.
"""

ZNODES = {"same": "1", "differs": "zk", "theirs": "1"}
KEYS = {"same": "1", "differs": "cm", "mine": "1"}
ADOPTIONS = [
    ("Union", "Conflict", {"same": b"1", "differs": b"cm", "mine": b"1", "theirs": b"1"}),
    ("PreferZooKeeper", "InSync", {"same": b"1", "differs": b"zk", "mine": b"1", "theirs": b"1"}),
    ("PreferConfigMap", "InSync", {"same": b"1", "differs": b"cm", "mine": b"1", "theirs": b"1"}),
    ("RequireEqual", "Conflict", {"same": b"1", "differs": b"cm", "mine": b"1"}),
]
"""Policy, reason of Ready, and the ConfigMap afterwards."""


def znodes_after(policy: str) -> dict[str, bytes | None]:
    """Return what `mine` and `differs` are in ZooKeeper afterwards."""
    return {
        "mine": None if policy == "RequireEqual" else b"1",
        "differs": b"cm" if policy == "PreferConfigMap" else b"zk",
    }
