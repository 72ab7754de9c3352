"""Where credentials come from, and that they show nowhere."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from zkoperator.errors import InvalidError, TransientError
from zkoperator.kube.credentials import Credentials, CredentialSource


def write(path: Path, user: dict[str, object], server: str = "https://api.example:6443") -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a service account, with a token and an authority."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("hunter2\n")
    (tmp_path / "ca.crt").write_text("a certificate")
    loader = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    return tmp_path


def test_a_token_becomes_a_bearer_header(tmp_path: Path) -> None:
    found = CredentialSource(write(tmp_path / "config", {"token": "hunter2"})).current()
    assert (found.server, found.authorization) == ("https://api.example:6443", "Bearer hunter2")


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", write(tmp_path / "config", {"token": "hunter2"}))
    assert CredentialSource().current().server == "https://api.example:6443"


def test_a_token_file_is_read_again_when_renewed(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    source = CredentialSource(write(tmp_path / "config", {"tokenFile": str(token)}))
    assert source.current().authorization == "Bearer old"
    token.write_text("new")
    assert source.renew().authorization == "Bearer new"


def test_a_pod_uses_its_service_account(pod: Path) -> None:
    found = CredentialSource().current()
    assert (found.server, found.authorization) == ("https://10.0.0.1:443", "Bearer hunter2")
    assert found.ca_file == str(pod / "ca.crt")


def test_in_a_pod_too_a_kubeconfig_that_is_named_wins(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", write(pod / "config", {"token": "hunter2"}))
    assert CredentialSource().current().server == "https://api.example:6443"


def test_an_empty_name_of_a_kubeconfig_names_none(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    assert CredentialSource("").current().server == "https://10.0.0.1:443"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_file_that_is_away_for_a_moment_is_transient_after_a_first_login(pod: Path, name: str) -> None:
    source = CredentialSource()
    source.current()
    (pod / name).rename(pod / "elsewhere")
    with pytest.raises(TransientError):
        source.renew()
    (pod / "elsewhere").rename(pod / name)
    assert source.renew().authorization == "Bearer hunter2"


CUT = (
    "",
    "apiV",
    "apiVersion: v1\ncontexts: [",
    "contexts:\n- name",
    "users: {a: 1}\nclusters: [1]",
    "\x00",
    "a: b: c",
)


@pytest.mark.parametrize("text", CUT)
def test_a_kubeconfig_that_is_half_written_is_transient_after_a_first_login(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    source = CredentialSource(write(path, {"token": "hunter2"}))
    source.current()
    path.write_text(text)
    with pytest.raises(TransientError):
        source.renew()
    assert source.current().authorization == "Bearer hunter2", "what was good stays in use"
    write(path, {"token": "new"})
    assert source.renew().authorization == "Bearer new"


@pytest.mark.parametrize("text", CUT)
def test_a_kubeconfig_that_never_was_one_is_invalid(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(InvalidError, match="KUBECONFIG"):
        CredentialSource(str(tmp_path / "config")).current()


def test_an_error_never_quotes_the_kubeconfig(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "config", {}))
    path.write_text(path.read_text().replace("user: {}", "token: hunter2"))
    with pytest.raises(InvalidError) as raised:
        CredentialSource(str(path)).current()
    assert "hunter2" not in str(raised.value)


def test_without_any_configuration_the_error_says_what_to_do() -> None:
    with pytest.raises(InvalidError, match="KUBECONFIG"):
        CredentialSource().current()


def test_a_plugin_gives_the_token(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    answer = '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"hunter2"}}'
    plugin.write_text(f"#!/bin/sh\necho '{answer}'\n")
    plugin.chmod(0o755)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    found = CredentialSource(write(tmp_path / "config", {"exec": run})).current()
    assert found.authorization == "Bearer hunter2"


def test_a_plugin_that_fails_is_transient_and_does_not_turn_us_into_nobody(tmp_path: Path) -> None:
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false", "interactiveMode": "Never"}
    source = CredentialSource(write(tmp_path / "config", {"exec": run}))
    with pytest.raises(TransientError, match="plugin"):
        source.current()
    write(tmp_path / "config", {"token": "hunter2"})
    assert source.current().authorization == "Bearer hunter2"


@pytest.mark.parametrize(
    ("excepted", "proxy"),
    [("", "http://proxy:3128"), ("10.0.0.0/8,.svc", None), ("10.0.0.2", "http://proxy:3128"), ("*", None)],
)
@pytest.mark.usefixtures("pod")
def test_a_server_that_the_environment_excepts_is_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, excepted: str, proxy: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert CredentialSource().current().proxy == proxy


@pytest.mark.parametrize("name", ["half.pem", "missing.pem"])
def test_tls_files_that_cannot_be_used_are_transient(tmp_path: Path, name: str) -> None:
    (tmp_path / "half.pem").write_text("-----BEGIN CERT")
    path = str(tmp_path / name)
    for login in (Credentials("https://api", ca_file=path), Credentials("https://api", cert_file=path)):
        with pytest.raises(TransientError, match=name):
            login.ssl_context()


async def test_a_server_is_known_by_the_name_that_the_kubeconfig_gives_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.internal").configure_cert(tls)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]

    async def greet(name: str | None) -> None:
        known = Credentials("https://127.0.0.1", ca_file=str(tmp_path / "ca.crt"), tls_server_name=name)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=known.ssl_context())
        writer.close()

    await greet("api.internal")
    with pytest.raises(ssl.SSLCertVerificationError):
        await greet(None)
    with pytest.raises(ssl.SSLCertVerificationError):
        await greet("api.external")
    server.close()


def test_credentials_do_not_print_their_secrets() -> None:
    found = Credentials("https://api.example", authorization="Bearer hunter2", key_file="/secret/key")
    assert "hunter2" not in repr(found)
