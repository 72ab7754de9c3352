"""The journal numbers writes over both sides, and its trap springs exactly once, at the chosen moment."""

import pytest

from tests.support.faults.proxies.journal import Journal, Phase, Side, Trap, TrapSprungError


def test_writes_of_both_sides_share_one_numbering() -> None:
    journal = Journal()
    journal.end(journal.begin(Side.KUBERNETES, "apply", "configmaps/demo/shop"), 200, "7")
    journal.end(journal.begin(Side.ZOOKEEPER, "multi", "set:/a"), 0, "1f")
    assert [(w.number, w.side, w.outcome, w.revision) for w in journal.writes] == [
        (1, Side.KUBERNETES, 200, "7"),
        (2, Side.ZOOKEEPER, 0, "1f"),
    ]


def test_what_the_clock_drives_has_no_number() -> None:
    journal = Journal()
    journal.begin(Side.KUBERNETES, "patch", "leases/system/zkoperator")
    journal.begin(Side.KUBERNETES, "apply", "configmaps/demo/shop")
    assert [write.number for write in journal.writes] == [1]
    assert [write.number for write in journal.everything] == [0, 1]


@pytest.mark.parametrize("phase", Phase)
def test_a_trap_springs_once_in_its_phase(phase: Phase) -> None:
    journal, sprung = Journal(), []
    journal.set_trap(Trap(2, phase, lambda: sprung.append(True)))
    journal.end(journal.begin(Side.KUBERNETES, "create", "configmaps/demo"), 201)
    with pytest.raises(TrapSprungError):
        journal.end(journal.begin(Side.ZOOKEEPER, "set", "/a"), 0)
    journal.end(journal.begin(Side.ZOOKEEPER, "set", "/a"), 0)
    assert sprung == [True]
    assert journal.sprung is not None
    assert journal.sprung.number == 2
    assert [write.outcome for write in journal.writes][1] == (None if phase is Phase.BEFORE else 0)


def test_an_answer_from_before_a_fresh_start_is_forgotten() -> None:
    journal = Journal()
    handle = journal.begin(Side.ZOOKEEPER, "set", "/a")
    journal.start_over()
    journal.end(handle, 0)
    assert journal.writes == ()
