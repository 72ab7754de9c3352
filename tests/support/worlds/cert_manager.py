"""A small signer in the place of cert-manager: its kind Certificate, and what it writes for one, in one namespace.

The schema has the fields of the public API reference of cert-manager.io/v1 that a request for a leaf may have; others
would be pruned, as by the real one.
"""

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import Any, Self

from aiohttp import ClientResponseError

from tests.support.machines.api_client import ApiClient, Manifest
from tests.support.models.foreign_pki import authority, secret_of
from tests.support.waiting import eventually

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NAME = "certificates.cert-manager.io"
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_EVERY_S = 0.5


def _object(required: tuple[str, ...] = (), **properties: Any) -> Manifest:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


def _one_of(*values: str) -> Manifest:
    return {"type": "string", "enum": list(values)}


_SPEC = _object(
    ("secretName", "issuerRef"),
    secretName=_TEXT,
    issuerRef=_object(("name",), name=_TEXT, kind=_TEXT, group=_TEXT),
    commonName=_TEXT,
    dnsNames=_TEXTS,
    duration=_TEXT,
    renewBefore=_TEXT,
    isCA={"type": "boolean"},
    usages={
        "type": "array",
        "items": _one_of(
            "any", "digital signature", "content commitment", "key encipherment", "server auth", "client auth"
        ),
    },
    privateKey=_object(
        algorithm=_one_of("RSA", "ECDSA", "Ed25519"),
        encoding=_one_of("PKCS1", "PKCS8"),
        rotationPolicy=_one_of("Never", "Always"),
        size={"type": "integer"},
    ),
)
_CONDITION = _object(
    ("type", "status"),
    type=_TEXT,
    status=_one_of("True", "False", "Unknown"),
    reason=_TEXT,
    message=_TEXT,
    lastTransitionTime={"type": "string", "format": "date-time"},
    observedGeneration={"type": "integer", "format": "int64"},
)
_STATUS = _object(
    conditions={
        "type": "array",
        "items": _CONDITION,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    },
    notBefore={"type": "string", "format": "date-time"},
    notAfter={"type": "string", "format": "date-time"},
    revision={"type": "integer"},
)
DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": _NAME},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "Certificate", "plural": "certificates", "shortNames": ["cert", "certs"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": _object(spec=_SPEC, status=_STATUS)},
            }
        ],
    },
}


class CertManager:
    """Signs the Certificates of a namespace whose issuer is `company`, until the end of the `async with` block.

    Each is signed when it is new or its spec has changed. Key, certificate and CA are written into its Secret at once.
    """

    ISSUER = "company"

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._certificates = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates"
        self._authority = authority(self.ISSUER)
        self._signed: dict[str, int] = {}
        self.serials: dict[str, list[int]] = {}
        """The serial numbers of what was signed, by Certificate."""

    async def __aenter__(self) -> Self:
        with suppress(ClientResponseError):  # another test may have made it
            await self._api.create(_CRDS, DEFINITION)
        await eventually(self._is_served, within_s=60)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def get(self, name: str) -> Manifest:
        """A Certificate."""
        found: Manifest = await self._api.get(f"{self._certificates}/{name}")
        return found

    async def renew(self, name: str) -> int:
        """Sign it once more; returns the serial number of the new certificate."""
        await self._sign(await self.get(name))
        return self.serials[name][-1]

    async def _is_served(self) -> bool:
        try:
            return await self._api.find(self._certificates) is not None
        except ClientResponseError as error:
            if error.status != 429:
                raise
            return False  # a kind that is new is announced before it can be stored

    async def _run(self) -> None:
        while True:
            with suppress(ClientResponseError):  # it was changed or deleted meanwhile: the next look sees it
                for each in (await self._api.get(self._certificates))["items"]:
                    meta = each["metadata"]
                    asked = each["spec"]["issuerRef"]["name"] == self.ISSUER
                    if asked and self._signed.get(meta["name"]) != meta["generation"]:
                        await self._sign(each)
            await asyncio.sleep(_EVERY_S)

    async def _sign(self, asked: Manifest) -> None:
        name, spec = asked["metadata"]["name"], asked["spec"]
        assert spec["privateKey"]["encoding"] == "PKCS8"
        leaf = self._authority.signs(spec["dnsNames"])
        data = {key: b64encode(pem).decode() for key, pem in secret_of(leaf, self._authority).items()}
        await self._write(spec["secretName"], data)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "Certificate is up to date and has not expired",
        }
        await self._api.merge(f"{self._certificates}/{name}/status", {"status": {"conditions": [ready]}})
        self._signed[name] = asked["metadata"]["generation"]
        self.serials.setdefault(name, []).append(leaf.certificate.serial_number)

    async def _write(self, name: str, data: dict[str, str]) -> None:
        secrets = f"/api/v1/namespaces/{self._namespace}/secrets"
        if await self._api.find(f"{secrets}/{name}") is not None:
            await self._api.merge(f"{secrets}/{name}", {"data": data})
            return
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls"}
        await self._api.create(secrets, {**made, "data": data})
