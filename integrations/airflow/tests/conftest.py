"""An Airflow of the tests' own, and doubles of what landfall is called by."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# Read when Airflow is imported, which the tests do; deleted with this process.
HOME = tempfile.TemporaryDirectory(prefix="airflow-provider-landfall-")
os.environ["AIRFLOW_HOME"] = HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

ROOT = pathlib.Path(__file__).resolve().parents[3]

Answer = tuple[int, Any]


class Server:
    """Answers as `landfall serve` does what a test has put down, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                name = self.path.strip("/")
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = server.answer(name, body, self.headers.get("Authorization"))
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:  # noqa: N802
                self.send_response(server.get_status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.get_status = 405
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def answer(self, name: str, body: dict[str, Any], authorization: str | None) -> Answer:
        with self._lock:
            self.asked.append((name, body, authorization))
            answers = self.answers[name]
            # The last one is the answer from then on.
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def functions(self) -> list[str]:
        return [name for name, _, _ in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """`landfall serve`, as the Airflow connection `landfall_default`."""
    server = Server()
    connection = {
        "conn_type": "landfall",
        "host": "127.0.0.1",
        "port": server.port,
        "schema": "http",
        "password": "sesame",
    }
    monkeypatch.setenv("AIRFLOW_CONN_LANDFALL_DEFAULT", json.dumps(connection))
    yield server
    server.stop()


@pytest.fixture
def program(tmp_path: pathlib.Path) -> Callable[[str], str]:
    """Makes a program of some lines of Python in the place of `landfall`."""

    def make(lines: str) -> str:
        path = tmp_path / "landfall"
        path.write_text(f"#!/usr/bin/env python3\nimport json, os, sys, time\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make
