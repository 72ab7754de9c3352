"""What `audit` prints."""

from zkoperator.backup.comparison import Aspect, Audit, Difference
from zkoperator.cli.view.audit_text import page, summary, to_json
from zkoperator.cli.view.terminal import Style

PLAIN = Style(colours=False, width=None)
ZXIDS = {"main-zk-0": 0x10000002B, "main-zk-1": 0x10000002A}
COUNTS = {"main-zk-0": 12, "main-zk-1": 11}
DIFFERENCES = (
    Difference("/a", Aspect.ABSENT, (("main-zk-0",), ("main-zk-1",))),
    Difference("/b", Aspect.ACL, (("main-zk-0",), ("main-zk-1",))),
)


def audited(*differences: Difference, unsettled: int = 0, is_complete: bool = True) -> Audit:
    return Audit(ZXIDS, COUNTS, differences, unsettled, is_complete)


def test_each_member_and_each_difference_has_a_line_and_the_copies_come_first() -> None:
    text = page(audited(*DIFFERENCES), PLAIN, 100)
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "MEMBER ZXID ZNODES",
        "main-zk-0 0x10000002b 12",
        "main-zk-1 0x10000002a 11",
        "",
        "PATH DIFFERENCE GROUPS",
        "/a is not on all main-zk-0 | main-zk-1",
        "/b ACL differs main-zk-0 | main-zk-1",
        "",
        "2 znodes differ",
        text.splitlines()[-1],
    ]
    assert "Save a copy of one volume of each group before" in text


def test_what_is_not_shown_or_not_known_is_said() -> None:
    assert summary(audited(*DIFFERENCES), 1) == "2 znodes differ, 1 are shown"
    assert summary(audited(DIFFERENCES[0]), 1) == "1 znode differs"
    assert summary(audited(*DIFFERENCES, is_complete=False), 9) == "at least 2 znodes differ"
    unsettled = (
        "all members have the same znodes, values and ACLs; 3 were changed too often to be compared: run it again"
    )
    assert summary(audited(unsettled=3), 9) == unsettled


def test_programs_get_all_of_it() -> None:
    assert to_json(audited(DIFFERENCES[1], unsettled=1)) == {
        "members": [
            {"name": "main-zk-0", "zxid": "0x10000002b", "znodes": 12},
            {"name": "main-zk-1", "zxid": "0x10000002a", "znodes": 11},
        ],
        "differences": [{"path": "/b", "difference": "acl", "groups": [["main-zk-0"], ["main-zk-1"]]}],
        "unsettled": 1,
        "complete": True,
    }
