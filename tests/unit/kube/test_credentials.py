"""Where credentials come from, and that they show nowhere."""

from pathlib import Path

import pytest
import yaml

from zkoperator.errors import InvalidError
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


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("hunter2\n")
    authority.write_text("a certificate")
    loader = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(authority))
    found = CredentialSource().current()
    assert (found.server, found.authorization) == ("https://10.0.0.1:443", "Bearer hunter2")
    assert found.ca_file == str(authority)


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


def test_credentials_do_not_print_their_secrets() -> None:
    found = Credentials("https://api.example", authorization="Bearer hunter2", key_file="/secret/key")
    assert "hunter2" not in repr(found)
