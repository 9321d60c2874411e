"""Runs an export and lands what it puts out, the way that scripts do: submit, poll, download to disk, extract, upload.

usage: end_to_end.py KIND STORE_ENDPOINT BUCKET CONNECTION.json PREFIX

FOLIO's record ids are in ids.csv, and everything is written to the working folder.
"""

import json
import pathlib
import sys
import time
import zipfile
from urllib.parse import quote, urlparse

import requests

import seeds

# What Oracle's example of a data extraction waits; of the other systems no document says how long.
FUSION_SECONDS = 10
POLL_SECONDS = 30
PAGE = 499


class Api:
    def __init__(self, settings: dict):
        self.base, self.session = settings["base_url"], requests.Session()

    def call(self, method: str, path: str, **arguments) -> requests.Response:
        answer = self.session.request(method, self.base + path, timeout=120, **arguments)
        answer.raise_for_status()
        return answer

    def download(self, path: str, file: pathlib.Path) -> pathlib.Path:
        with self.call("GET", path, stream=True) as answer, file.open("wb") as out:
            for piece in answer.iter_content(chunk_size=seeds.MIB):
                out.write(piece)
        return file


def with_token(settings: dict, scope: str) -> Api:
    api, auth = Api(settings), settings["auth"]
    form = {"grant_type": "client_credentials", "scope": settings["scopes"][scope]}
    answer = api.session.post(auth["token_url"], data=form, auth=(auth["client_id"], auth["client_secret"]), timeout=30)
    answer.raise_for_status()
    api.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return api


def fusion_extract(settings: dict, folder: pathlib.Path) -> list[pathlib.Path]:
    api = with_token(settings, "batch")
    jobs = "/api/saas-batch/jobscheduler/v1/jobRequests"
    parameters = {"submit.argument1": "SimpleCarriers", "submit.argument2": "Full Data Extract"}
    job = {"serviceName": "boss", "jobDefinitionName": "DataExport", "description": "SimpleCarriersSchedule"}
    answer = api.call("POST", jobs, json=job | {"requestParameters": parameters})
    job_id = answer.headers["Location"].rstrip("/").split("/")[-1]
    while (status := api.call("GET", f"{jobs}/{job_id}").json()["jobDetails"]["jobStatus"]) != "SUCCEEDED":
        if status in ("COMPLETED", "ERROR", "FAILED", "CANCELLED", "PAUSED", "WARNING"):
            raise RuntimeError(f"the job has ended as {status}")
        time.sleep(FUSION_SECONDS)
    listed = api.call("GET", f"/api/saas-batch/jobfilemanager/v1/jobRequests/{job_id}/outputFiles").json()["items"]
    links = [(pathlib.Path(item["fileName"]).name, item["$context"]["links"]["enclosure"]["href"]) for item in listed]
    return [api.download(urlparse(link).path, folder / name) for name, link in links]


def epm_job(settings: dict, folder: pathlib.Path) -> list[pathlib.Path]:
    api = Api(settings)
    api.session.auth = tuple(settings["basic"][name].encode() for name in ("username", "password"))
    job = {"jobType": "INTEGRATION", "jobName": "BESSAPP", "periodName": "{Jan-06}"}
    job_id = api.call("POST", "/aif/rest/V1/jobs", json=job | {"importMode": "Replace", "exportMode": "Merge"}).json()["jobId"]
    while (told := api.call("GET", f"/aif/rest/V1/jobs/{job_id}").json())["status"] in ("-1", -1):
        time.sleep(POLL_SECONDS)
    if told["status"] not in ("0", 0):
        raise RuntimeError(f"the job has ended as {told}")
    name = told["outputFileName"]
    path = f"/interop/rest/11.1.2.3.600/applicationsnapshots/{quote(name, safe='')}/contents"
    return [api.download(path, folder / pathlib.PurePosixPath(name).name)]


def folio_export(settings: dict, folder: pathlib.Path) -> list[pathlib.Path]:
    api = Api(settings)
    api.session.headers["x-okapi-tenant"] = settings["tenant"]
    login = api.call("POST", "/authn/login-with-expiry", json=settings["login"])
    # The cookie is for https alone, and so would not be sent.
    api.session.headers["x-okapi-token"] = next(it.value for it in login.cookies if it.name == "folioAccessToken")
    api.session.cookies.clear()
    wanted = "Default instances export job profile"
    profiles = api.call("GET", "/data-export/job-profiles?limit=1000").json()["jobProfiles"]
    profile = next(profile["id"] for profile in profiles if profile["name"] == wanted)
    made = api.call("POST", "/data-export/file-definitions", json={"fileName": "ids.csv"}).json()
    octets = {"Content-Type": "application/octet-stream"}
    ids = pathlib.Path("ids.csv").read_bytes()
    stored = api.call("POST", f"/data-export/file-definitions/{made['id']}/upload", data=ids, headers=octets).json()
    api.call("POST", "/data-export/export", json={"fileDefinitionId": made["id"], "jobProfileId": profile})
    job = stored["jobExecutionId"]
    while True:
        [told] = api.call("GET", f'/data-export/job-executions?query=id=="{job}"').json()["jobExecutions"]
        if told["status"] not in ("NEW", "IN_PROGRESS"):
            break
        time.sleep(POLL_SECONDS)
    if told["status"] != "COMPLETED":
        raise RuntimeError(f"the job has ended as {told['status']}")
    [file] = told["exportedFiles"]
    link = api.call("GET", f"/data-export/job-executions/{job}/download/{file['fileId']}").json()["link"]
    path = folder / file["fileName"]
    seeds.download(link, path)
    return [path]


def fusion_rest(settings: dict, folder: pathlib.Path) -> list[pathlib.Path]:
    api, rows, offset = with_token(settings, "rest"), folder / "invoices.ndjson", 0
    api.session.headers["REST-Framework-Version"] = "4"
    with rows.open("w") as out:
        while True:
            asked = {"limit": PAGE, "offset": offset, "onlyData": "true", "orderBy": "InvoiceId", "expand": "invoiceLines"}
            page = api.call("GET", "/fscmRestApi/resources/11.13.18.05/invoices", params=asked).json()
            out.writelines(json.dumps(row) + "\n" for row in page["items"])
            if not page["hasMore"]:
                return [rows]
            offset += PAGE


def main(kind: str, endpoint: str, bucket: str, settings: dict, prefix: str) -> None:
    downloaded = pathlib.Path("downloaded")
    downloaded.mkdir()
    run = {"fusion_extract": fusion_extract, "epm_job": epm_job, "folio_export": folio_export, "fusion_rest": fusion_rest}
    upload = seeds.by_put_object(endpoint, bucket, downloaded)
    for number, file in enumerate(run[kind](settings, downloaded)):
        if not zipfile.is_zipfile(file):
            upload(file, f"{prefix}/{file.name}")
            continue
        extracted = pathlib.Path(f"extracted-{number}")
        seeds.extract(file, extracted)
        for path in sorted(path for path in extracted.rglob("*") if path.is_file()):
            upload(path, f"{prefix}/{file.stem}/{path.relative_to(extracted)}")


if __name__ == "__main__":
    kind, endpoint, bucket, connection, prefix = sys.argv[1:]
    main(kind, endpoint, bucket, json.loads(pathlib.Path(connection).read_text()), prefix)
