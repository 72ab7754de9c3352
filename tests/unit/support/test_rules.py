"""Rules are values: they print as their own source, and each `when` names its occurrences."""

import re

import pytest

from tests.support.faults.proxies import rules
from tests.support.faults.proxies.kube_requests import KubeRequest, parse
from tests.support.faults.proxies.rules import (
    Answer,
    DropReply,
    DropRequest,
    Every,
    First,
    From,
    Kube,
    KubeEvent,
    Nth,
    Rule,
    RuleBook,
    When,
    Zk,
)
from tests.support.faults.proxies.zk_frames import ZkRequest

APPLY = KubeRequest("apply", "configmaps", "demo", "shop", "/api/v1/namespaces/demo/configmaps/shop")
OLD = rules.Snapshot((("configmaps", "{}"),))


@pytest.mark.parametrize(
    "rule",
    [
        Rule(Kube("apply", "configmaps"), DropReply(), Nth(2)),
        Rule(Zk("multi|set", "/a*"), rules.Hold("late", reply=True)),
        Rule(Kube("watch"), rules.ErrorEvent(410, after=3), First(1)),
        Rule(KubeEvent("DELETED"), rules.Discard(), From(2)),
        Rule(Kube(), Answer(429, retry_after_s=1), Every()),
    ],
)
def test_a_rule_prints_as_the_source_that_makes_it(rule: Rule) -> None:
    assert eval(repr(rule), vars(rules)) == rule


@pytest.mark.parametrize(
    ("when", "due"),
    [(Every(), [1, 2, 3, 4]), (Nth(2), [2]), (First(2), [1, 2]), (From(3), [3, 4])],
)
def test_when_names_its_occurrences(when: When, due: list[int]) -> None:
    book = RuleBook()
    rule = Rule(Kube("apply"), DropReply(), when)
    book.add(rule)
    assert [n for n in range(1, 5) if book.pick(APPLY) is rule] == due
    assert book.fired(rule) == len(due)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Kube(), True),
        (Kube("create|apply"), True),
        (Kube("create"), False),
        (Kube(resource="config*"), True),
        (Kube(resource="configmaps/status"), False),
        (Kube(namespace="other"), False),
        (Kube(name="shop"), True),
        (Zk(), False),
        (KubeEvent(), False),
    ],
)
def test_a_match_looks_at_every_part(match: rules.Match, fits: bool) -> None:
    assert match.fits(APPLY) is fits


def test_two_informers_of_one_kind_are_told_apart_by_their_selectors() -> None:
    def watch(selector: str) -> KubeRequest:
        return parse("GET", "/api/v1/configmaps", {"watch": "1", "labelSelector": selector}, "")

    targets = Kube("watch", "configmaps", labels="zkoperator.dev/sync*")
    assert targets.fits(watch("zkoperator.dev/sync"))
    assert not targets.fits(watch("app.kubernetes.io/name=zookeeper"))
    assert not targets.fits(watch(""))
    assert Kube("watch", "configmaps").fits(watch("app.kubernetes.io/name=zookeeper"))


@pytest.mark.parametrize(
    ("match", "action", "why"),
    [
        (Kube(), rules.ZkError(-4), "what is done to Kube is DropRequest"),
        (Kube(), rules.KillSession(), "what is done to Kube"),
        (Kube("watch"), rules.Discard(), "what is done to Kube"),
        (Kube("watch"), rules.Swap(), "what is done to Kube"),
        (Kube("watch"), rules.Duplicate(), "what is done to Kube"),
        (Kube(), rules.FreezeWatch(), "write the verb watch"),
        (Kube("list|watch"), rules.ErrorEvent(), "write the verb watch"),
        (Kube("list"), rules.CutLine(), "write the verb watch"),
        (Kube("get"), rules.CutWatch(), "write the verb watch"),
        (Kube("apply", "configmaps"), rules.ServeSnapshot(OLD), "get, list and watch alone"),
        (Kube(resource="configmaps"), rules.ServeSnapshot(OLD), "get, list and watch alone"),
        (Kube("get", "configmaps|secrets"), rules.ServeSnapshot(OLD), "holds no secrets"),
        (Kube("list"), rules.ServeSnapshot(OLD), "holds no *"),
        (KubeEvent(), DropReply(), "what is done to KubeEvent is Discard"),
        (KubeEvent(), rules.FreezeWatch(), "what is done to KubeEvent"),
        (KubeEvent(), rules.Hold("x", reply=True), "an event has no reply"),
        (Zk(), Answer(500), "what is done to Zk is"),
        (Zk(), rules.Duplicate(), "what is done to Zk is"),
        (rules.ZkEvent(), rules.Swap(), "what is done to ZkEvent is"),
        (rules.ZkEvent(), rules.KillSession(), "what is done to ZkEvent is"),
        (rules.ZkEvent(), rules.Delay(1, reply=True), "an event has no reply"),
    ],
)
def test_a_rule_that_no_proxy_carries_out_cannot_be_made(match: rules.Match, action: rules.Action, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Rule(match, action)


def test_a_snapshot_is_served_to_reads_of_what_it_holds() -> None:
    assert Rule(Kube("get|list|watch", "configmaps"), rules.ServeSnapshot(OLD)).when == Every()


def test_a_multi_fits_by_any_of_its_paths() -> None:
    multi = ZkRequest("multi", ("/a", "/b"), 1, ("check", "set"))
    assert Zk("multi", "/b").fits(multi)
    assert not Zk("multi", "/c").fits(multi)
    assert multi.target == "check:/a set:/b"


def test_the_first_rule_that_is_due_wins_and_all_count() -> None:
    book = RuleBook()
    second, first = Rule(Kube(), DropReply(), Nth(2)), Rule(Kube(), DropRequest(), Every())
    book.add(second, first)
    assert [book.pick(APPLY), book.pick(APPLY), book.pick(APPLY)] == [first, second, first]


def test_equal_rules_are_counted_apart() -> None:
    book = RuleBook()
    one, other = Rule(Kube(), DropReply(), Nth(1)), Rule(Kube(), DropReply(), Nth(1))
    book.add(one)
    book.pick(APPLY)
    with book.active(other):
        assert book.pick(APPLY) is other
    assert book.fired(one) == book.fired(other) == 1
    assert not book.holds(other)


@pytest.mark.parametrize(
    ("method", "path", "query", "content_type", "expected"),
    [
        ("GET", "/api/v1/namespaces/demo/configmaps/shop", {}, "", ("get", "configmaps", "demo", "shop")),
        ("GET", "/api/v1/configmaps", {"watch": "true"}, "", ("watch", "configmaps", "", "")),
        ("GET", "/apis/apps/v1/namespaces/demo/statefulsets", {}, "", ("list", "statefulsets", "demo", "")),
        ("POST", "/api/v1/namespaces/demo/configmaps", {}, "", ("create", "configmaps", "demo", "")),
        ("GET", "/api/v1/namespaces/demo", {}, "", ("get", "namespaces", "", "demo")),
        ("PUT", "/api/v1/namespaces/demo/finalize", {}, "", ("update", "namespaces/finalize", "", "demo")),
        (
            "PATCH",
            "/apis/zkoperator.dev/v1alpha1/namespaces/demo/configsyncs/shop/status",
            {},
            "application/apply-patch+yaml",
            ("apply", "configsyncs/status", "demo", "shop"),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/demo/pods/p",
            {},
            "application/merge-patch+json",
            ("patch", "pods", "demo", "p"),
        ),
        ("DELETE", "/api/v1/namespaces/demo/pods", {}, "", ("deletecollection", "pods", "demo", "")),
        ("GET", "/version", {}, "", ("list", "", "", "")),
        ("GET", "/apis/apps/v1", {}, "", ("list", "", "", "")),
    ],
)
def test_a_request_line_is_read_as_the_api_server_reads_it(
    method: str, path: str, query: dict[str, str], content_type: str, expected: tuple[str, str, str, str]
) -> None:
    request = parse(method, path, query, content_type)
    assert (request.verb, request.resource, request.namespace, request.name) == expected


def test_dry_runs_and_questions_are_no_writes() -> None:
    assert not parse("PATCH", APPLY.path, {"dryRun": "All"}, "application/apply-patch+yaml").mutates
    assert not parse("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, "").mutates
    assert parse("POST", "/api/v1/namespaces/demo/pods", {}, "").mutates
