"""landfall's functions, called by HTTP: `landfall serve`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import httpx

from landfall_provider.airflow_versions import BaseHook
from landfall_provider.errors import LandfallError


class LandfallHook(BaseHook):
    """Calls the functions that `landfall serve` serves.

    The connection's host and port are where it listens; its schema is `https` (the default) or `http`; its password is
    the server's `LANDFALL_SERVE_SECRET`.

    :param landfall_conn_id: the Airflow connection
    :param timeout: how many seconds a call may take: more than the server's `--seconds`
    """

    conn_name_attr = "landfall_conn_id"
    default_conn_name = "landfall_default"
    conn_type = "landfall"
    hook_name = "landfall serve"

    def __init__(self, landfall_conn_id: str = default_conn_name, timeout: float = 960) -> None:
        super().__init__()
        self.landfall_conn_id = landfall_conn_id
        self.timeout = timeout

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        return {
            "hidden_fields": ["login", "extra"],
            "relabeling": {"password": "Secret (LANDFALL_SERVE_SECRET)", "schema": "https or http"},
            "placeholders": {"host": "landfall.example.com", "port": "8080", "schema": "https"},
        }

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What an HTTP client is made with. It holds the secret."""
        connection = self.get_connection(self.landfall_conn_id)
        if not connection.host:
            message = f"the Airflow connection {self.landfall_conn_id} names no host: set where landfall serve listens"
            raise LandfallError("InvalidConfig", message)
        scheme, host = connection.schema or "https", connection.host
        url = host if "://" in host else f"{scheme}://{host}"
        if connection.port:
            url += f":{connection.port}"
        headers = {"Authorization": f"Bearer {connection.password}"} if connection.password else {}
        return {"base_url": url, "headers": headers, "timeout": httpx.Timeout(self.timeout, connect=30)}

    @cached_property
    def client(self) -> httpx.Client:
        return httpx.Client(**self.settings)

    def get_conn(self) -> httpx.Client:
        return self.client

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Calls a function once; what it returns."""
        try:
            return _answer(function, self.client.post(f"/{function}", json=event))
        except httpx.HTTPError as error:
            raise self._unreachable(function, error) from None

    async def call_async(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """The same, where nothing may block. `settings` must have been read."""
        try:
            async with httpx.AsyncClient(**self.settings) as client:
                return _answer(function, await client.post(f"/{function}", json=event))
        except httpx.HTTPError as error:
            raise self._unreachable(function, error) from None

    def test_connection(self) -> tuple[bool, str]:
        """Whether the server answers, and knows the secret. Nothing is called."""
        try:
            # Only POST calls a function, and only who knows the secret is told so.
            status = self.client.get("/submit").status_code
        except (httpx.HTTPError, LandfallError) as error:
            return False, str(error) or type(error).__name__
        return {
            405: (True, "landfall serve answers"),
            401: (False, "landfall serve does not know the secret: set the connection's password"),
        }.get(status, (False, f"what answers (with {status}) is not landfall serve"))

    def _unreachable(self, function: str, error: httpx.HTTPError) -> LandfallError:
        said = str(error) or type(error).__name__
        message = f"{function} was not answered by the Airflow connection {self.landfall_conn_id}: {said}"
        return LandfallError("SourceUnavailable", message, retryable=True)


def _answer(function: str, response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == 200 and isinstance(body, dict):
        return body
    if isinstance(body, dict) and "errorType" in body:
        message = body.get("errorMessage") or "no reason is given"
        if response.status_code == 401:
            message += ": set the connection's password to the server's LANDFALL_SERVE_SECRET"
        raise LandfallError(
            body["errorType"], message, retryable=bool(body.get("retryable")), wait_seconds=body.get("wait_seconds")
        )
    # A gateway before the server: it may come back, and what it has cut short goes on at the next call.
    is_gateway = response.status_code in (408, 425, 429, 500, 502, 503, 504)
    message = f"{response.url} answered {response.status_code}, and not as landfall serve does"
    raise LandfallError("SourceUnavailable" if is_gateway else "InvalidConfig", message)
