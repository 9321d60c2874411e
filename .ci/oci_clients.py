"""A run whose state and landing are in OCI Object Storage, by its own API, judged by Oracle's own SDK and command line.

    .ci/oci_clients.py LANDFALL

They sign for themselves, put, list, read and delete as landfall does, and read back every object that landed, and the
manifest, to the byte. No variable of Amazon's is set."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import oci

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes

EVENT = "events/run-fusion-extract.json"
OCI_CLI = pathlib.Path(sys.executable).with_name("oci")


def main() -> None:
    landfall = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        data, printed = pathlib.Path(folder, "data"), pathlib.Path(folder, "oci.toml")
        with processes.simulated(landfall, data, printed, "--oci") as configuration:
            lake = configuration["destinations"]["lake"]
            run(landfall, printed, "landed")
            run(landfall, printed, "landed already")
            client = sdk(lake)
            namespace = client.get_namespace().data
            answers(client, namespace, lake["bucket"])
            print(f"{read_back(client, namespace, lake['bucket'], data)} objects are read back by Oracle's SDK to the byte")
            command_line(lake, namespace, data)


def run(landfall: pathlib.Path, config: pathlib.Path, expected: str) -> None:
    """A run of the main job, with nothing of Amazon's in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    said = subprocess.run(
        [landfall, "run", EVENT, "--config", config], env=environment, check=True, capture_output=True, text=True
    )
    assert expected.split()[-1] in said.stdout + said.stderr, (expected, said.stdout, said.stderr)


def sdk(bucket: dict) -> oci.object_storage.ObjectStorageClient:
    config = oci.config.from_file(bucket["config_file"])
    return oci.object_storage.ObjectStorageClient(
        config, service_endpoint=bucket["endpoint"], retry_strategy=oci.retry.NoneRetryStrategy()
    )


def refused(call) -> tuple[int, str]:
    try:
        call()
    except oci.exceptions.ServiceError as error:
        return error.status, error.code
    raise AssertionError("it is not refused")


def answers(client, namespace: str, bucket: str) -> None:
    """What landfall relies on, as Oracle's client sees it."""
    name = "sdk/a b/ü.csv"
    first = client.put_object(namespace, bucket, name, b"1", if_none_match="*").headers["etag"]
    assert refused(lambda: client.put_object(namespace, bucket, name, b"2", if_none_match="*")) == (412, "IfNoneMatchFailed")
    second = client.put_object(namespace, bucket, name, b"2", if_match=first).headers["etag"]
    assert refused(lambda: client.put_object(namespace, bucket, name, b"3", if_match=first)) == (412, "IfMatchFailed")
    assert refused(lambda: client.delete_object(namespace, bucket, name, if_match=first)) == (412, "IfMatchFailed")
    wrong = base64.b64encode(bytes(16)).decode()
    assert refused(lambda: client.put_object(namespace, bucket, name, b"3", content_md5=wrong)) == (400, "UnmatchedContentMD5")
    read = client.get_object(namespace, bucket, name)
    assert (read.data.content, read.headers["etag"]) == (b"2", second)
    large = os.urandom(10 << 20) * 2 + b"end"
    with tempfile.NamedTemporaryFile() as file:
        file.write(large)
        file.flush()
        manager = oci.object_storage.UploadManager(client, allow_parallel_uploads=True)
        manager.upload_file(namespace, bucket, "sdk/large", file.name, part_size=10 << 20)
    assert client.get_object(namespace, bucket, "sdk/large").data.content == large
    for object in (name, "sdk/large"):
        client.delete_object(namespace, bucket, object)
    assert refused(lambda: client.head_object(namespace, bucket, name))[0] == 404


def read_back(client, namespace: str, bucket: str, data: pathlib.Path) -> int:
    """Holds what the SDK reads against what is on the disk, and the manifest against both."""
    names, start = [], None
    while True:
        page = client.list_objects(namespace, bucket, limit=7, start=start, fields="name,size,etag").data
        names += [object.name for object in page.objects]
        start = page.next_start_with
        if start is None:
            break
    manifests = [name for name in names if name.endswith("/_manifest.json")]
    assert len(manifests) == 1, names
    manifest = json.loads(client.get_object(namespace, bucket, manifests[0]).data.content)
    assert sorted(object["key"] for object in manifest["objects"]) == sorted(set(names) - set(manifests))
    for name in names:
        content = client.get_object(namespace, bucket, name).data.content
        assert content == (data / bucket / name).read_bytes(), name
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        told = client.head_object(namespace, bucket, name).headers
        assert int(told["content-length"]) == len(content), name
        assert told.get("content-md5", md5) == md5, name
    return len(names)


def command_line(bucket: dict, namespace: str, data: pathlib.Path) -> None:
    """`oci os object list` and `get`."""
    common = ["--config-file", bucket["config_file"], "--endpoint", bucket["endpoint"], "-ns", namespace, "-bn", bucket["bucket"]]
    listed = subprocess.run([OCI_CLI, "os", "object", "list", *common, "--all"], check=True, capture_output=True)
    names = [object["name"] for object in json.loads(listed.stdout)["data"]]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "object")
        subprocess.run([OCI_CLI, "os", "object", "get", *common, "--name", names[0], "--file", file], check=True)
        assert file.read_bytes() == (data / bucket["bucket"] / names[0]).read_bytes()
    print(f"oci os object list shows {len(names)} objects, and get reads one")


if __name__ == "__main__":
    main()
