"""A function with requests and boto3 on Lambda's custom runtime API, as small as one can be: for its cold start.

usage: function.py ENDPOINT BUCKET KEY
"""

import http.client
import json
import os
import sys

import boto3
import requests
from botocore.config import Config

API = "/2018-06-01/runtime/invocation"


def handle(event: dict) -> dict:
    endpoint, bucket, key = sys.argv[1:]
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}),
        aws_access_key_id="bench", aws_secret_access_key="bench",
    )
    record = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    return {"job": record["job_request_id"], "session": requests.Session().headers["User-Agent"], "event": event}


def main() -> None:
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        runtime.request("GET", f"{API}/next")
        invocation = runtime.getresponse()
        event = json.loads(invocation.read())
        result = json.dumps(handle(event))
        runtime.request("POST", f"{API}/{invocation.headers['Lambda-Runtime-Aws-Request-Id']}/response", result)
        runtime.getresponse().read()


if __name__ == "__main__":
    main()
