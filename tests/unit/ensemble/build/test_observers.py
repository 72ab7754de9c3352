"""What is built for observers, and that nothing of it touches the voters."""

from typing import Any

import pytest

from tests.support.machines.member_volume import DOMAIN, MEMBERS, Volume, voters
from tests.support.models.ensemble_simulation import NAMES, raw_cluster, valid
from tests.support.models.seeds import Seed, replaced, rewritten
from zkoperator.ensemble.build import children, disruption_budget, services, statefulset
from zkoperator.ensemble.build.children import Child, Desired
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.model.certificate_names import client_names
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.errors import InvalidError
from zkoperator.kube.port import Manifest

TWO: dict[str, Any] = {"replicas": 2}
_OF_ALL = {"voter": NAMES.pod(1), "observer": NAMES.pod(101)}


def built(child: Child, **spec: Any) -> Manifest:
    servers = tuple(server_of(NAMES, member) for member in (1, 2, 3))
    return child.build(valid(raw_cluster(**spec)), Desired(servers, 3, observers=2, secret_id="s"))


def labels(child: Child, **spec: Any) -> dict[str, str]:
    found: dict[str, str] = built(child, **spec)["spec"]["template"]["metadata"]["labels"]
    return found


def selected(selector: dict[str, str]) -> set[str]:
    """Who has the labels, of a voter's pod and an observer's."""
    pods = {"voter": labels(Child.STATEFUL_SET, observers=TWO), "observer": labels(Child.OBSERVERS, observers=TWO)}
    return {name for name, has in pods.items() if selector.items() <= has.items()}


async def each_service_leads_where_it_says() -> None:
    def of(child: Child, observers: dict[str, Any]) -> set[str]:
        return selected(built(child, observers=observers)["spec"]["selector"])

    for observers in (TWO, {**TWO, "service": "Shared"}):
        assert of(Child.READ_SERVICE, observers) == {"observer"}
        assert of(Child.MEMBERS_SERVICE, observers) == {"voter", "observer"}, "members need the names of all"
    assert of(Child.CLIENT_SERVICE, TWO) == {"voter"}
    assert of(Child.CLIENT_SERVICE, {**TWO, "service": "Shared"}) == {"voter", "observer"}


async def no_pod_has_two_budgets() -> None:
    def of(child: Child) -> set[str]:
        return selected(built(child, observers=TWO)["spec"]["selector"]["matchLabels"])

    assert (of(Child.DISRUPTION_BUDGET), of(Child.OBSERVERS_BUDGET)) == ({"voter"}, {"observer"})
    assert built(Child.OBSERVERS_BUDGET, observers=TWO)["spec"]["maxUnavailable"] == 1


async def each_group_is_spread_by_itself() -> None:
    for child, who in ((Child.STATEFUL_SET, "voter"), (Child.OBSERVERS, "observer")):
        spread = built(child, observers=TWO)["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert [selected(each["labelSelector"]["matchLabels"]) for each in spread] == [{who}, {who}]


async def the_selector_of_the_voters_stays_as_it_was() -> None:
    """It cannot be changed, and the older one takes no pod of the observers, as they bear another name."""
    assert built(Child.STATEFUL_SET)["spec"]["selector"] == {"matchLabels": NAMES.selector}
    assert selected(built(Child.OBSERVERS, observers=TWO)["spec"]["selector"]["matchLabels"]) == {"observer"}


async def they_restart_no_voter_by_coming() -> None:
    plain, asked = (
        valid(raw_cluster()),
        valid(raw_cluster(observers={**TWO, "resources": {"limits": {"memory": "2Gi"}}})),
    )
    assert revision(plain, "s") == revision(asked, "s")
    assert built(Child.STATEFUL_SET) == built(Child.STATEFUL_SET, observers=TWO)
    assert revision(plain, "s") != revision(valid(raw_cluster(observers={**TWO, "masterPort": True})), "s")


async def they_have_what_the_spec_gives_them_and_no_claim() -> None:
    own = {
        "resources": {"limits": {"memory": "2Gi"}},
        "storage": {"size": "3Gi"},
        "pod": {"nodeSelector": {"disk": "ssd"}, "labels": {"team": "read"}},
    }
    pod = {"env": [{"name": "COLOR", "value": "red"}], "nodeSelector": {"disk": "hdd"}}
    made = built(Child.OBSERVERS, observers={**TWO, **own}, pod=pod)
    spec = made["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "2Gi"}
    assert {"name": "data", "emptyDir": {"sizeLimit": "3Gi"}} in spec["volumes"]
    assert "volumeClaimTemplates" not in made["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert {"name": "COLOR", "value": "red"} in spec["containers"][0]["env"], "what is not apart is as in spec.pod"
    assert labels(Child.OBSERVERS, observers={**TWO, **own})["team"] == "read"
    bare = built(Child.OBSERVERS)
    assert "volumeClaimTemplates" not in bare["spec"], "they are gone, and what was made for them has no claims either"


async def the_master_port_is_open_between_members_alone() -> None:
    spec = {"observers": {**TWO, "masterPort": True}}
    assert "observerMasterPort=2191" in built(Child.CONFIG_MAP, **spec)["data"]["zoo.cfg"]
    rules = built(Child.NETWORK_POLICY, **spec)["spec"]["ingress"]
    ports = {port["port"]: rule.get("from") for rule in rules for port in rule["ports"]}
    assert ports[2191] is not None and ports[2191] == ports[2888]
    assert selected(ports[2191][0]["podSelector"]["matchLabels"]) == {"voter", "observer"}


STORIES = (
    each_service_leads_where_it_says,
    no_pod_has_two_budgets,
    each_group_is_spread_by_itself,
    the_selector_of_the_voters_stays_as_it_was,
    they_restart_no_voter_by_coming,
    they_have_what_the_spec_gives_them_and_no_claim,
    the_master_port_is_open_between_members_alone,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_what_is_built(story: Any) -> None:
    await story()


def _planted(module: Any, name: str, old: str, new: str) -> Any:
    """The bug in a builder, for the table of children too, which has it by its name."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        if hasattr(children, name):
            patch.setattr(children, name, getattr(module, name))

    return bug


SEEDS = (
    Seed(
        "the client Service leads to voters",
        _planted(services, "client_selector", "else cluster.names.labels", "else cluster.names.selector"),
        (each_service_leads_where_it_says,),
    ),
    Seed(
        "the budget is for voters",
        _planted(disruption_budget, "disruption_budget", "cluster.names.labels}", "cluster.names.selector}"),
        (no_pod_has_two_budgets,),
    ),
    Seed(
        "each group is spread by itself",
        _planted(statefulset, "_spread", "cluster.names.labels_of(cluster.component)", "cluster.names.selector"),
        (each_group_is_spread_by_itself,),
    ),
    Seed(
        "a selector is never changed",
        replaced(statefulset, "_selector", lambda cluster: cluster.names.labels_of(cluster.component)),
        (the_selector_of_the_voters_stays_as_it_was,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)


def test_an_observer_starts_with_an_id_of_its_own_and_without_a_vote(volume: Volume) -> None:
    volume.first_id = "101"
    dynamic = volume.start("main-zk-observers-1", word="", permitted="u")
    assert f"server.102=main-zk-observers-1.{DOMAIN}:2888:3888:observer;0.0.0.0:2181" in dynamic
    assert voters(dynamic) == ["server.1", "server.2", "server.3"]
    assert (volume.data / "myid").read_text() == "102\n"
    volume.put("200000000", f"{MEMBERS}server.102=main-zk-observers-1.{DOMAIN}:2888:3888:observer;0.0.0.0:2181\n")
    assert "server.102" in volume.start("main-zk-observers-1"), "a restart of its container keeps what it has"


def test_the_certificate_names_the_service_for_reads_only_where_there_is_one() -> None:
    assert "main-zk-read.demo.svc" not in client_names(NAMES)
    assert {"main-zk-read", "main-zk-read.demo.svc", "main-zk.demo.svc"} <= set(client_names(NAMES, observers=True))


def test_too_little_memory_for_observers_is_refused_by_their_field() -> None:
    with pytest.raises(InvalidError, match=r"spec\.observers\.resources\.limits\[memory\].*write more"):
        valid(raw_cluster(observers={**TWO, "resources": {"limits": {"memory": "64Mi"}}}))
    with pytest.raises(InvalidError, match=r"spec\.observers\.resources\.requests\[cpu\].*at most the limit"):
        valid(raw_cluster(observers={**TWO, "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}))
