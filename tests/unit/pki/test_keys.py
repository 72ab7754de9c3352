"""What becomes of the keys that people deliver, and the keys that the operator makes."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.models.foreign_pki import new_key, pkcs8, traditional
from zkoperator.pki import keys


def random(byte: int) -> bytes:
    return bytes([byte]) * keys.KEY_BYTES


def test_a_key_follows_from_its_random_bytes_and_is_another_for_others() -> None:
    one, again, other = (keys.pkcs8(keys.key_of(random(byte))) for byte in (1, 1, 2))
    assert one == again != other
    assert one.startswith(b"-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize("byte", [0, 255])
def test_every_random_bytes_make_a_key(byte: int) -> None:
    assert isinstance(keys.key_of(random(byte)).curve, ec.SECP256R1)


def test_too_few_random_bytes_make_no_key() -> None:
    with pytest.raises(ValueError, match="48 random bytes"):
        keys.key_of(b"1" * 32)


@pytest.mark.parametrize("kind", ["ec", "ec521", "rsa"])
def test_the_encodings_of_cert_manager_and_openssl_become_pkcs8(kind: str) -> None:
    key = new_key(kind)
    for delivered in (traditional(key), pkcs8(key), pkcs8(key).replace(b"\n", b"\r\n"), b"a text\n" + pkcs8(key)):
        assert keys.pkcs8(keys.read_key(delivered)) == pkcs8(key)


def test_the_curve_that_openssl_writes_before_a_key_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", file], check=True)
    assert file.read_text().startswith("-----BEGIN EC PARAMETERS-----")
    assert isinstance(keys.read_key(file.read_bytes()), ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        (pkcs8(new_key("ed25519")), r"refuse a key of this kind \(Ed25519\); make one of EC P-256 or RSA 2048"),
        (pkcs8(new_key("k1")), r"\(EC secp256k1\)"),
        (pkcs8(new_key("rsa1024")), r"\(RSA 1024\)"),
        (pkcs8(new_key(), b"secret"), "the key is encrypted; decrypt it: openssl pkey"),
        (b"nonsense", "no private key in PEM can be read"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM can be read"),
        (b"", "no private key in PEM can be read"),
    ],
)
def test_a_key_that_java_or_clients_refuse_is_refused_with_what_to_do(delivered: bytes, said: str) -> None:
    with pytest.raises(keys.KeyRefusedError, match=said):
        keys.read_key(delivered)


def test_a_curve_written_out_parameter_by_parameter_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run([*command, "-pkeyopt", "ec_param_enc:explicit", "-out", file], check=True)
    try:
        read = keys.read_key(file.read_bytes())
    except keys.KeyRefusedError:
        return
    assert b"prime-field" not in keys.pkcs8(read) and len(keys.pkcs8(read)) == len(pkcs8(new_key()))
