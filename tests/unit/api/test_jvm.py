"""Flags of the JVM: a closed list of prefixes, in characters that no shell looks at."""

import pytest

from zkoperator.api.jvm import ALLOWED_PREFIXES, REFUSED_PREFIXES, refusal


@pytest.mark.parametrize(
    "flag",
    [
        "-XX:+UseZGC",
        "-XX:MaxGCPauseMillis=50",
        "-Xlog:gc",
        "-Xlog:gc+heap=debug:stdout:time,level",
        "-Xlog:safepoint::uptime",
        "-Xlog:gc:stderr",
        "-Xss512k",
        "-Djute.maxbuffer=4194304",
        "-Duser.timezone=UTC",
    ],
)
def test_tuning_of_memory_and_collection_is_allowed(flag: str) -> None:
    assert refusal(flag) is None


@pytest.mark.parametrize(
    "flag",
    [
        *("-Xmx1g", "-Dzookeeper.skipACL=yes", "-XX:OnError=x", "-javaagent:a.jar", "-XX:Flags=.hotspotrc"),
        *(
            "-XX:VMOptionsFile=x",
            "-XX:HeapDumpPath=/x",
            "-cp",
            "x.jar",
            "@file",
            "-XX:+UseG1GC;reboot",
            "-Xss1m\n-Xmx2g",
        ),
        *("-Xlog:gc:file=x", "-Xlog:gc:/data/gc.log", "-Xlog:gc:gc.log:time", "-Xlog:gc:STDOUT", "-Xlog:gc:stdout.log"),
        *("-Xlog:gc*", "${X}", "`x`", "-Djava.security.manager=x", ""),
    ],
)
def test_whatever_is_not_listed_is_refused(flag: str) -> None:
    assert refusal(flag) is not None


def test_no_flag_is_allowed_and_refused() -> None:
    for prefix, _ in REFUSED_PREFIXES:
        assert not prefix.startswith(ALLOWED_PREFIXES)
        assert not any(allowed.startswith(prefix) for allowed in ALLOWED_PREFIXES)


def test_the_reason_of_a_refusal_names_the_field_to_use() -> None:
    assert refusal("-Xmx2g") == "write spec.jvm.heapPercent and the memory limit instead"
