"""ministack as it is, which also writes down what it was asked to allow: the caller, the action, the resource.

usage: recording.py FILE; otherwise as ministack.
"""

import json
import sys
import threading

from ministack import app
from ministack.core import iam_evaluator


def recorded(path: str) -> None:
    """Puts a record behind every decision of IAM; the decision is ministack's own."""
    enforce, known, lock = iam_evaluator.enforce, set(), threading.Lock()
    out = open(path, "a", encoding="utf-8", buffering=1)

    def enforced(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        call = (iam_evaluator._request_caller_arn.get(), iam_action, resource_arn, denied is None)
        with lock:
            if call not in known:
                known.add(call)
                out.write(json.dumps(dict(zip(("caller", "action", "resource", "allowed"), call))) + "\n")
        return denied

    iam_evaluator.enforce = enforced


if __name__ == "__main__":
    recorded(sys.argv.pop(1))
    app.main()
