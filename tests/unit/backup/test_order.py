"""The JSON between the operator and its backup Jobs."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkoperator.backup.order import (
    RESULT_LIMIT_BYTES,
    S3,
    BackupOrder,
    Cluster,
    Complete,
    DeleteOrder,
    Facts,
    Failed,
    Folder,
    HostName,
    LoginFiles,
    Order,
    Reason,
    Result,
    Source,
    TlsFiles,
    VerifyOrder,
    order_from_json,
    order_to_json,
    result_from_json,
    result_to_json,
)
from zkoperator.errors import InvalidError

ORDER = BackupOrder(
    uid="b-1",
    source=Source(
        hosts=("zk-0:2281", "zk-1:2281"),
        cluster=Cluster("demo", "main", "c-1"),
        tls=TlsFiles("/tls/ca.crt", None, (HostName("zk-0", "main-zk.demo"),)),
        login=LoginFiles("/login/username", "/login/password"),
    ),
    store=S3("backups", server_side_encryption="aws:kms"),
    directory="demo/main/c-1",
)
FACTS = Facts(
    zxid="0x100000a2b",
    epoch=1,
    znodes=5,
    bytes=1000,
    stored_bytes=500,
    digest="0xffff",
    sha256="ab" * 32,
    location="demo/main/c-1/20261130T120000Z-100000a2b",
    member="zk-0:2181",
    version="3.9.4",
    types_kept=False,
    ephemerals_left_out=0,
    started_at="2026-11-30T12:00:00Z",
    completed_at="2026-11-30T12:00:01Z",
    verified_at=None,
)
ORDERS: st.SearchStrategy[Order] = (
    st.from_type(BackupOrder) | st.from_type(VerifyOrder) | st.from_type(DeleteOrder) | st.just(ORDER)
)
RESULTS: st.SearchStrategy[Result] = st.from_type(Complete)


@given(ORDERS)
def test_every_order_comes_back_as_it_was(order: Order) -> None:
    assert order_from_json(order_to_json(order)) == order


@given(RESULTS)
def test_every_result_comes_back_as_it_was(result: Result) -> None:
    assert result_from_json(result_to_json(result)) == result


def test_an_order_is_written_as_users_know_their_fields() -> None:
    plain = json.loads(order_to_json(ORDER))
    assert plain["store"]["serverSideEncryption"] == "aws:kms"
    assert plain["source"]["cluster"] == {"kind": "Cluster", "namespace": "demo", "name": "main", "uid": "c-1"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"uid": 1}, "$.uid"),
        ({"deadlineS": True}, "$.deadlineS"),
        ({"verification": "Drill"}, "$.verification"),
        ({"store": {"kind": "Tape"}}, "$.store.kind"),
        ({"store": {"kind": "Folder", "path": "/b", "size": 1}}, "$.store.size"),
        ({"store": {"kind": "Folder"}}, "$.store.path"),
        ({"store": None}, "$.store"),
        ({"kind": "Restore"}, "$.kind"),
        ({"source": {**json.loads(order_to_json(ORDER))["source"], "hosts": "a:1"}}, "$.source.hosts"),
    ],
)
def test_what_is_no_order_is_refused_by_its_field(change: dict[str, object], named: str) -> None:
    plain = json.loads(order_to_json(ORDER)) | change
    with pytest.raises(InvalidError) as refused:
        order_from_json(json.dumps(plain))
    assert [error.path for error in refused.value.errors] == [named]


@pytest.mark.parametrize("text", ["", "{", "[]", "killed", '{"kind":"Complete"}', "null"])
def test_what_a_killed_container_leaves_is_no_result(text: str) -> None:
    with pytest.raises(InvalidError):
        result_from_json(text)


@given(st.text(min_size=1) | st.sampled_from(['"', "\\", "\n", "\x7f", "é", "\U0001f600", "\ue000"]))
def test_a_message_of_any_length_fits_into_a_termination_message(text: str) -> None:
    message = (text * 5000)[:5000]
    written = result_to_json(Failed(Reason.UNREACHABLE, message))
    assert len(written.encode()) <= RESULT_LIMIT_BYTES
    assert isinstance(result_from_json(written), Failed)


def test_facts_with_the_longest_names_fit_into_a_termination_message() -> None:
    longest = replace(FACTS, location=f"{'n' * 63}/{'m' * 253}/{'u' * 36}/{'t' * 40}", member=f"{'h' * 253}:65535")
    assert len(result_to_json(Complete(longest)).encode()) <= RESULT_LIMIT_BYTES


def test_a_folder_is_no_bucket() -> None:
    order = replace(ORDER, store=Folder("/backups"))
    assert order_from_json(order_to_json(order)) == order
