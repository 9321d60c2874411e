"""What Airflow itself makes of the provider."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib

import airflow
import jsonschema

import landfall_provider
from landfall_provider.hooks.landfall import LandfallHook


def test_airflow_finds_the_provider_and_it_is_what_airflow_wants() -> None:
    (entry,) = [
        entry
        for entry in importlib.metadata.entry_points(group="apache_airflow_provider")
        if entry.dist and entry.dist.name == "airflow-provider-landfall"
    ]
    info = entry.load()()
    schema = pathlib.Path(airflow.__file__).with_name("provider_info.schema.json")
    jsonschema.validate(info, json.loads(schema.read_text()))
    assert entry.dist.version == landfall_provider.__version__


def test_the_connection_type_is_the_hooks() -> None:
    (connection,) = landfall_provider.get_provider_info()["connection-types"]
    assert connection["connection-type"] == LandfallHook.conn_type
    assert connection["hook-class-name"] == f"{LandfallHook.__module__}.{LandfallHook.__qualname__}"


def test_the_example_lands_all_four_systems() -> None:
    from landfall_provider.example_dags import example_landfall

    kinds = {event["export"]["kind"] for event in example_landfall.EVENTS.values()}
    assert kinds == {"fusion_extract", "fusion_rest", "epm_job", "folio_export"} == set(example_landfall.EVENTS)
    assert example_landfall.by_command.task_ids
    assert example_landfall.by_http.task_ids == ["land"]
