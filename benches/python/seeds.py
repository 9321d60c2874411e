"""Unpacks an archive into an object store the way that scripts do: download to disk, extract to disk, upload each file.

usage: seeds.py put_object|upload_file|oci ENDPOINT ARCHIVE_URL FOLDER BUCKET
"""

import pathlib
import sys
import zipfile
from collections.abc import Callable
from urllib.parse import urlparse

import requests

MIB = 1 << 20

Upload = Callable[[pathlib.Path, str], None]


def main(way: str, endpoint: str, archive_url: str, folder: pathlib.Path, bucket: str) -> None:
    archive = folder / pathlib.PurePosixPath(urlparse(archive_url).path).name
    download(archive_url, archive)
    extracted = folder / "extracted"
    extract(archive, extracted)
    upload = {"put_object": by_put_object, "upload_file": by_upload_file, "oci": by_oci}[way](endpoint, bucket, folder)
    for path in sorted(extracted.rglob("*")):
        if path.is_file():
            upload(path, f"seeds/{path.relative_to(extracted)}")


def download(url: str, path: pathlib.Path) -> None:
    with requests.get(url, stream=True, timeout=120) as response:
        response.raise_for_status()
        with path.open("wb") as file:
            for piece in response.iter_content(chunk_size=MIB):
                file.write(piece)


def extract(archive: pathlib.Path, folder: pathlib.Path) -> None:
    folder.mkdir()
    base = folder.resolve()
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if not (folder / member.filename).resolve().is_relative_to(base):
                raise RuntimeError(f"{member.filename} would leave its folder")
        opened.extractall(folder)


def s3(endpoint: str):
    import boto3
    from botocore.config import Config

    # As landfall does it over TLS, and to this very machine: the payload's SHA-256 would be paid for nothing.
    config = Config(s3={"addressing_style": "path", "payload_signing_enabled": False}, retries={"mode": "standard"})
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=config,
        aws_access_key_id="bench", aws_secret_access_key="bench",
    )


def by_put_object(endpoint: str, bucket: str, _: pathlib.Path) -> Upload:
    client = s3(endpoint)

    def upload(path: pathlib.Path, key: str) -> None:
        with path.open("rb") as file:
            client.put_object(Bucket=bucket, Key=key, Body=file)

    return upload


def by_upload_file(endpoint: str, bucket: str, _: pathlib.Path) -> Upload:
    client = s3(endpoint)
    return lambda path, key: client.upload_file(str(path), bucket, key)


def by_oci(endpoint: str, bucket: str, folder: pathlib.Path) -> Upload:
    import oci
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    key_file = folder / "key.pem"
    key_file.write_bytes(pem)
    config = {
        "user": "ocid1.user.oc1..bench", "tenancy": "ocid1.tenancy.oc1..bench", "region": "us-ashburn-1",
        "fingerprint": ":".join(["00"] * 16), "key_file": str(key_file),
    }
    client = oci.object_storage.ObjectStorageClient(config, service_endpoint=endpoint)

    def upload(path: pathlib.Path, key: str) -> None:
        with path.open("rb") as file:
            client.put_object("bench", bucket, key, file)

    return upload


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4]), sys.argv[5])
