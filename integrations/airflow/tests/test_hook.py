"""`landfall serve`, as an Airflow connection."""

from __future__ import annotations

import asyncio
import json

import pytest

from landfall_provider.errors import LandfallError
from landfall_provider.hooks.landfall import LandfallHook

JOB = {"connection": "pod", "job_request_id": "7"}


def failed(hook: LandfallHook) -> LandfallError:
    with pytest.raises(LandfallError) as raised:
        hook.call("publish", JOB)
    with pytest.raises(LandfallError) as also:
        asyncio.run(hook.call_async("publish", JOB))
    # Of a server that is not there, the two clients have different words.
    assert (also.value.error_type, also.value.is_final) == (raised.value.error_type, raised.value.is_final)
    return raised.value


def test_an_event_is_posted_with_the_secret(server) -> None:
    server.answers = {"publish": [(200, {"manifest_key": "k"})]}
    hook = LandfallHook()
    assert hook.call("publish", JOB) == {"manifest_key": "k"}
    assert asyncio.run(hook.call_async("publish", JOB)) == {"manifest_key": "k"}
    assert server.asked == [("publish", JOB, "Bearer sesame")] * 2


def test_an_error_is_the_servers(server) -> None:
    answer = {"errorType": "Throttled", "errorMessage": "slow down", "retryable": True, "wait_seconds": 61}
    server.answers = {"publish": [(429, answer)]}
    error = failed(LandfallHook())
    assert (error.error_type, error.message, error.retryable, error.wait_seconds) == (
        "Throttled",
        "slow down",
        True,
        61,
    )


def test_an_error_of_a_newer_server_is_as_retryable_as_it_says(server) -> None:
    server.answers = {"publish": [(503, {"errorType": "Tired", "errorMessage": "m", "retryable": True})]}
    assert not failed(LandfallHook()).is_final
    server.answers = {"publish": [(422, {"errorType": "Bored", "errorMessage": "m", "retryable": False})]}
    assert failed(LandfallHook()).is_final


def test_a_secret_that_is_not_known_is_said_and_final(server) -> None:
    answer = {"errorType": "Unauthorized", "errorMessage": "who are you", "retryable": False}
    server.answers = {"publish": [(401, answer)]}
    error = failed(LandfallHook())
    assert error.is_final
    assert "LANDFALL_SERVE_SECRET" in error.message
    assert "sesame" not in str(error)


@pytest.mark.parametrize(("status", "is_final"), [(502, False), (504, False), (404, True), (200, True)])
def test_what_is_no_answer_of_landfalls_is_said_to_be_none(server, status: int, is_final: bool) -> None:
    server.answers = {"publish": [(status, b"<html>\xff")]}
    error = failed(LandfallHook())
    assert error.is_final is is_final
    assert f"answered {status}" in error.message


def test_a_server_that_is_not_there_is_worth_a_retry(server) -> None:
    server.stop()
    error = failed(LandfallHook())
    assert not error.is_final
    assert "landfall_default" in error.message


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ({"host": "pod.example.com"}, "https://pod.example.com"),
        ({"host": "pod.example.com", "port": 8080, "schema": "http"}, "http://pod.example.com:8080"),
        ({"host": "http://pod.example.com", "port": 80}, "http://pod.example.com:80"),
    ],
)
def test_where_it_listens_is_the_connections(monkeypatch: pytest.MonkeyPatch, connection: dict, url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(connection | {"conn_type": "landfall"}))
    assert LandfallHook("elsewhere").settings["base_url"] == url


def test_a_connection_without_a_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps({"conn_type": "landfall"}))
    with pytest.raises(LandfallError, match="elsewhere names no host"):
        LandfallHook("elsewhere").call("publish", JOB)


@pytest.mark.parametrize(("status", "works"), [(405, True), (401, False), (200, False)])
def test_the_connection_is_tested_without_a_call(server, status: int, works: bool) -> None:
    server.get_status = status
    assert LandfallHook().test_connection()[0] is works
    assert server.asked == []
