"""TLS on real pods: clients that move, clients as others write them, certificates of others, and what users read."""

import asyncio
import json
import re
import ssl
import tarfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.e2e.conftest import IMAGE, Client, Space, cluster, kubectl, sync
from tests.support.models.documents import ROOT, Shell
from tests.support.models.foreign_pki import DAY, NOW, Signed, authority, new_key, pkcs8, secret_of, traditional
from tests.support.waiting import eventually
from tests.support.worlds.cert_manager import CertManager
from tests.support.worlds.doors import TLS_PORT, Wire
from tests.support.worlds.ensemble_story import Ensemble
from tests.support.worlds.strangers import Stranger
from zkoperator.cli.view.shell_pod import shell_pod

IS_TLS = pytest.mark.parametrize("wire", [Wire.TLS])
OWN: dict[str, Any] = {"certificate": {"selfSigned": {}}}
PAGE = ROOT / "docs/howto-tls.md"
CA = {"ca": {"configMap": {"name": "main-zk-ca", "items": [{"key": "ca.crt", "path": "ca.pem"}]}}}


async def open_ports(main: Ensemble) -> set[tuple[str, int]]:
    """The ports for clients that are reached from outside of the pods, by pod."""

    async def is_open(address: str, port: int) -> bool:
        try:
            async with asyncio.timeout(3):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    pods = await main.pods()
    asked = [(name, pod["status"]["podIP"], port) for name, pod in pods.items() for port in (2180, 2181, 2281)]
    answers = await asyncio.gather(*(is_open(address, port) for _, address, port in asked))
    return {(name, port) for (name, _, port), answer in zip(asked, answers, strict=True) if answer}


async def served(main: Ensemble, pod: str = "main-zk-0", name: str = "") -> x509.Certificate:
    """The certificate that a member shows at its TLS port, verified by the published CA and under its name."""
    address, context = (await main.pods())[pod]["status"]["podIP"], await main.context()
    _, writer = await asyncio.open_connection(address, TLS_PORT, ssl=context, server_hostname=name or main.host(pod))
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown)


async def metric(main: Ensemble, name: str) -> list[float]:
    """The value that each member's metrics have for a name."""

    async def scraped(pod: Mapping[str, Any]) -> str:
        reader, writer = await asyncio.open_connection(pod["status"]["podIP"], 7000)
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        return text

    texts = await asyncio.gather(*map(scraped, (await main.pods()).values()))
    return [float(value) for text in texts for value in re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)]


async def test_clients_move_to_tls_and_back_and_a_config_sync_follows_by_itself(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)

    async def travels(value: str, *, secure: bool) -> None:
        await space.api.merge(space.path("configmaps", "shop"), {"data": {"colour": value}})
        async with Client(space, secure=secure) as zk:

            def arrived() -> bool:
                return zk.exists("/apps/shop/colour") is not None and zk.get("/apps/shop/colour")[0] == value.encode()

            await eventually(lambda: asyncio.to_thread(arrived), within_s=120, every_s=0.2)

    async with Client(space) as zk:
        await asyncio.to_thread(zk.create, "/apps/shop/colour", b"red", makepath=True)
    await space.apply(sync("/apps/shop"))
    await space.until("configsyncs", "shop", "Ready", "True")

    async with main.written(secure=False):
        await main.edit(tls={"client": {**OWN, "plaintext": "Allowed"}, "quorum": {}})
        await main.says("Progressing", reason="ChangingTLS")
        status = await main.ready(3)
        assert status["endpoint"] == f"{main.service}:2181"
        told = status["tls"]
        assert (told["phase"], told["caBundle"]) == ("QuorumTLS", "main-zk-ca")
        assert told["client"]["members"] == 3
        assert told["client"]["endpoint"] == f"{main.service}:2281" and told["client"]["hosts"].count(":2281") == 3
        assert told["client"]["notAfter"] and told["quorum"]["notAfter"]
        assert f"{space.name}/main " in told["client"]["issuer"]
        # Probes that never finished one would be dozens by now; on a busy machine a few run out of their time.
        assert max(await metric(main, "unsuccessful_handshake")) < 10, "probes and operator finish handshakes"
        assert await open_ports(main) == {(pod, port) for pod in await main.pods() for port in (2181, 2281)}

        async def counted() -> bool:
            return bool((await main.status())["tls"]["client"]["plaintextClients"] > 0)

        await eventually(counted, within_s=120)
        await travels("green", secure=True)

    pods = await main.uids()
    async with main.written(secure=True):
        await main.edit(tls={"client": {"plaintext": "Refused"}})
        status = await main.ready(3)
        assert status["endpoint"] == f"{main.service}:2281" and status["hosts"].count(":2281") == 3
        assert await open_ports(main) == {(pod, 2281) for pod in pods}
        service = await space.get("services", "main-zk")
        assert service is not None and [port["port"] for port in service["spec"]["ports"]] == [2281]
        await travels("blue", secure=True)
        await space.until("configsyncs", "shop", "Ready", "True")
        await main.edit(tls={"client": {"plaintext": "Allowed"}})
        assert (await main.ready(3))["endpoint"] == f"{main.service}:2181"
        await travels("white", secure=False)
    assert await main.uids() == pods, "plaintext is closed and opened without a restart"


ROW = re.compile(r"^\| (?P<client>\w+) \| `(?P<how>[^`]*)`", re.MULTILINE)
ROOT_LISTED = re.compile(r"^\[(?:.*, )?zookeeper\]\r?$", re.MULTILINE)
"""What the Java client answers to `ls /`; the name is the last of those that tests make."""
KAZOO = """
import sys
from kazoo.client import KazooClient
for hosts in sys.argv[1:]:
    client = {how}
    try:
        client.start(timeout=20 if hosts[0].isdigit() else 90)
        print(hosts, client.exists("/zookeeper") is not None)
        client.stop()
    except Exception as error:
        print(hosts, type(error).__name__)
"""


def operator_image() -> str:
    return kubectl("-n", "zkoperator-system", "get", "deploy", "zkoperator", "-o", "jsonpath={..containers[0].image}")


@IS_TLS
async def test_openssl_the_java_client_and_kazoo_come_in_as_the_page_says_and_look_at_names(shared: Space) -> None:
    page = {row["client"]: row["how"].replace("demo", shared.name) for row in ROW.finditer(PAGE.read_text())}
    openssl = page["openssl"].replace("ca.crt", "/ca/ca.pem")
    wrong = openssl.replace(f"-verify_hostname main-zk.{shared.name}.svc", "-verify_hostname zk.example.com")
    assert wrong != openssl
    # A shell whose machine is busy gives up before its handshake is done; it is started again, not for ever.
    names = ("main-zk", f"main-zk.{shared.name}.svc")
    shells = "; ".join(f"for n in 1 2 3 4 5; do zkCli.sh -server {name}:2281 ls / && break; done" for name in names)
    script = f"{openssl} </dev/null; echo right=$?; {wrong} </dev/null; echo wrong=$?; {shells}"
    flags = f"{page['Java']} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
    java = Stranger(shared, IMAGE, mounts=CA, environment={"CLIENT_JVMFLAGS": flags})
    program = KAZOO.format(how=page["kazoo"].replace("ca.crt", "ca.pem"))
    python = Stranger(shared, operator_image(), mounts=CA)
    address = (await Ensemble(shared).pods())["main-zk-0"]["status"]["podIP"]
    hosts = f"main-zk.{shared.name}:2281", "main-zk:2281", f"{address}:2281"
    told, said = await asyncio.gather(java.runs("sh", "-c", script), python.runs("python", "-c", program, *hosts))
    assert "right=0" in told and "Verify return code: 0 (ok)" in told, told
    assert "wrong=1" in told and "ostname mismatch" in told, told
    assert len(ROOT_LISTED.findall(told)) == len(names), told
    answers = [line.partition(" ")[2] for line in said.splitlines() if line.startswith(hosts)]
    assert answers == ["True", "True", "KazooTimeoutError"], f"a certificate has names and no addresses: {said}"


@IS_TLS
async def test_the_command_line_reads_and_reports_an_ensemble_that_refuses_plaintext(
    shared: Space, tmp_path: Path
) -> None:
    main, shell = Ensemble(shared), Shell(tmp_path)
    place = ["--namespace", shared.name]

    async def run(command: str) -> str:
        return await asyncio.to_thread(shell.run, command)

    async def advised() -> str:
        """What the shell prints whose pod is advised; without a terminal its end is waited for."""
        command = shell_pod(place, await main.get(), IMAGE)
        assert " --rm -it " in command
        await run(command.replace(" --rm -it ", " ") + " ls /")
        await run(f"kubectl {where} wait --for=jsonpath='{{.status.phase}}'=Succeeded pod/zkcli --timeout=3m")
        printed = await run(f"kubectl {where} logs zkcli")
        await run(f"kubectl {where} delete pod zkcli --wait=false")
        return printed

    where = " ".join(place)
    shown, planned, listed, inside = await asyncio.gather(
        run(f"kubectl zk status main {where}"),
        run(f"kubectl zk plan main {where}"),
        run(f"kubectl zk cli main {where} -- ls /"),
        advised(),
    )
    assert f"{main.service}:2281, verified by ca.crt of ConfigMap main-zk-ca; 3 members" in shown
    assert re.search(r"quorum TLS +QuorumTLS; certificate of \S", shown)
    assert "nothing to do" in planned, planned
    assert ROOT_LISTED.search(listed) and ROOT_LISTED.search(inside), listed + inside
    deployment = "kubectl exec -n zkoperator-system deploy/zkoperator -- python -m zkoperator"
    assert json.loads(await run(f"{deployment} audit main {where} -o json"))["differences"] == []

    await run(f"kubectl zk report main {where} --file {tmp_path}/report.tar.gz")
    with tarfile.open(tmp_path / "report.tar.gz") as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive}
        texts = {name.partition("/")[2]: file.read().decode() for name, file in files.items() if file is not None}
    assert "BEGIN CERTIFICATE" in texts["configmaps/main-zk-ca.yaml"]
    assert not [name for name, text in texts.items() if "PRIVATE KEY" in text]
    assert not [name for name in texts if name.startswith("secrets/")]
    assert "unsuccessful_handshake" in texts["metrics/main-zk-0.txt"]
    assert json.loads(texts["about.json"])["missing"] == []


def hosts_of(space: Space, name: str, *pods: int) -> list[str]:
    """The names that members' certificates have."""
    members = [f"{name}-zk-{pod}.{name}-zk-members.{space.name}.svc.cluster.local" for pod in pods]
    return [f"{name}-zk.{space.name}.svc.cluster.local", *members]


def secret(name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    encoded = {key: b64encode(content).decode() for key, content in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": encoded}


def delivered(name: str) -> dict[str, Any]:
    """A cluster whose clients meet the certificate in the Secret of its own name."""
    tls = {"client": {"certificate": {"secretName": name}, "plaintext": "Refused"}}
    return cluster(1, name, tls=tls)


async def test_a_secret_that_members_cannot_use_is_refused_with_its_cure_and_taken_once_it_is_cured(
    space: Space, tmp_path: Path
) -> None:
    company = authority("company")

    def leaf(name: str, **flaws: Any) -> Signed:
        return company.signs(hosts_of(space, name, 0), **flaws)

    ended = {"begin": NOW - 9 * DAY, "end": NOW - DAY}
    incomplete = secret_of(leaf("incomplete"), company)
    del incomplete["ca.crt"]
    secrets = {
        "foreign": secret_of(leaf("foreign"), company, key=pkcs8(new_key())),
        "ended": secret_of(leaf("ended", **ended), company),
        "nameless": secret_of(company.signs(hosts_of(space, "nameless")), company),
        "incomplete": incomplete,
    }
    says = {
        "foreign": ("Secret foreign, tls.key: it fits no certificate in tls.crt", "write both from one issue: kubectl"),
        "ended": ("Secret ended, tls.crt: it has expired at 20", "renew it"),
        "nameless": (
            "it does not cover nameless-zk-0.nameless-zk-members.",
            "issue it with the DNS names nameless-zk-0.",
        ),
        "incomplete": ("Secret incomplete, ca.crt: it is missing or empty", "kubectl -n"),
        "absent": ("Secret absent does not exist", "make it: kubectl -n"),
    }
    await space.apply(*(secret(name, data) for name, data in secrets.items()), *map(delivered, says))
    for name, texts in says.items():
        for text in texts:
            await Ensemble(space, name).says("Degraded", reason="CertificateInvalid", text=text)
        shown = await asyncio.to_thread(kubectl, "-n", space.name, "get", "zk", name, "-o", "wide")
        assert "no member starts before it is there" in shown and texts[0] in shown, shown
        assert "PRIVATE" not in shown
    assert await space.items("pods") == [], "no member starts without a certificate"

    # The cure is what the message says, with a key as cert-manager writes it by default.
    good = leaf("absent")
    for file, content in secret_of(good, company, key=traditional(good.key)).items():
        (tmp_path / file).write_bytes(content)
    told = (await Ensemble(space, "absent").condition("Degraded"))["message"]
    command = re.search(r"make it: (kubectl [^;]*)", told)
    assert command is not None
    await asyncio.to_thread(Shell(tmp_path / "home").run, f"cd {tmp_path} && {command[1]}")
    absent = Ensemble(space, "absent")
    await absent.ready(1)
    assert (await served(absent, "absent-zk-0")).serial_number == good.certificate.serial_number


async def test_cert_manager_is_asked_and_what_it_renews_reaches_clients_without_a_restart(space: Space) -> None:
    main = Ensemble(space)
    issued = {"certificate": {"issuerRef": {"name": CertManager.ISSUER}}, "plaintext": "Allowed"}
    async with CertManager(space.api, space.name) as signer:
        await space.apply(cluster(1, tls={"client": issued}))
        await main.ready(1)
        asked = await signer.get("main-zk-client")
        assert asked["spec"]["secretName"] == "main-zk-client-tls"
        assert f"*.main-zk-members.{space.name}.svc.cluster.local" in asked["spec"]["dnsNames"]
        assert (await served(main)).serial_number == signer.serials["main-zk-client"][-1]
        assert "company" in (await main.status())["tls"]["client"]["issuer"]
        pods, restarts = await main.uids(), await main.restarts()

        async with main.written(secure=True):
            await main.edit(tls={"client": {"additionalNames": ["zk.example.com"]}})

            async def signed_again() -> bool:
                return len(signer.serials["main-zk-client"]) > 1

            await eventually(signed_again, within_s=120)
            renewed = await signer.renew("main-zk-client")

            async def is_served() -> bool:
                try:
                    return (await served(main, name="zk.example.com")).serial_number == renewed
                except ssl.SSLError:
                    return False

            # A minute until the Secret is read, and one until the kubelet has written the file.
            await eventually(is_served, within_s=420, every_s=2)
        assert (await main.uids(), await main.restarts()) == (pods, restarts)
