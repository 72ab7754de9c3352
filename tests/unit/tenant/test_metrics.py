"""What the metrics say of ZNodes."""

from tests.support.worlds.tenants import NAMESPACE, SHOP
from zkoperator.kube.port import Manifest
from zkoperator.metrics import Metrics
from zkoperator.runtime.keys import Key


def _status(reason: str, count: int, size: int, world_writable: int) -> Manifest:
    condition = {"type": "Ready", "status": "True" if reason == "InPlace" else "False", "reason": reason}
    usage = {"count": count, "bytes": size}
    return {"conditions": [condition], "usage": usage, "worldWritable": world_writable}


def test_znodes_are_counted_by_reason_and_their_sizes_are_summed_until_they_are_gone() -> None:
    metrics = Metrics()

    def value(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"zkoperator_znode_{name}", labels) or 0.0

    def sums() -> tuple[float, ...]:
        return value("usage_znodes"), value("usage_bytes"), value("world_writable")

    orders, basket = Key(NAMESPACE, SHOP), Key(NAMESPACE, "basket")
    metrics.tenants.status_known(orders, _status("InPlace", 3, 100, 1))
    metrics.tenants.status_known(basket, _status("QuotaNotEnforced", 4, 200, 0))
    assert value("conditions", condition="Ready", status="True", reason="InPlace") == 1
    assert value("conditions", condition="Ready", status="False", reason="QuotaNotEnforced") == 1
    assert sums() == (7, 300, 1)
    metrics.tenants.status_known(basket, {"conditions": []})
    metrics.tenants.object_gone(orders)
    assert value("conditions", condition="Ready", status="True", reason="InPlace") == 0
    assert sums() == (0, 0, 0)
