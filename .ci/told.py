"""Holds what a run tells others against those who have made the forms: OpenLineage's client and Dagster's package.

usage: told.py LANDFALL

A run lands from `landfall simulate` as if Dagster had started it, with OpenLineage's events kept in the work bucket, and
another fails. Each event is made again by the models of `openlineage-python` and has to come out alike; Dagster's messages
are written again by `dagster-pipes` itself, which has to say the same.
"""

import difflib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import dagster_pipes
from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde
from processes import simulated

EVENT = pathlib.Path(__file__).resolve().parent.parent / "events" / "run-fusion-extract.json"
PARENT = {"namespace": "dagster", "name": "nightly.carriers", "run_id": "0190d4c8-0000-7000-8000-000000000001"}
ASSET = "warehouse/carriers"
FACETS = {
    "parent": lambda facet: facet_v2.parent_run.ParentRunFacet(
        run=facet_v2.parent_run.Run(**facet["run"]), job=facet_v2.parent_run.Job(**facet["job"]),
    ),
    "nominalTime": lambda facet: facet_v2.nominal_time_run.NominalTimeRunFacet(**facet),
    "errorMessage": lambda facet: facet_v2.error_message_run.ErrorMessageRunFacet(**facet),
    "schema": lambda facet: facet_v2.schema_dataset.SchemaDatasetFacet(
        fields=[facet_v2.schema_dataset.SchemaDatasetFacetFields(**field) for field in facet["fields"]],
    ),
    "outputStatistics": lambda facet: facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(**facet),
}


def main(landfall: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, printed = pathlib.Path(folder, "simulated"), pathlib.Path(folder, "simulated.toml")
        with simulated(landfall, data, printed):
            config = pathlib.Path(folder, "landfall.toml")
            text = printed.read_text().replace("[destinations.lake]\n", "[destinations.lake]\nobserve_columns = true\n")
            config.write_text(f"{text}\n[lineage]\n")
            event = json.loads(EVENT.read_text()) | {"parent": PARENT}
            landed = ran(landfall, config, data, event, 0)
            # A run key is one export's.
            other = event | {"export": event["export"] | {"extract": "AnotherExtract"}}
            failed = ran(landfall, config, data, other, 1)
        hold_messages(landed, failed)
        hold_events([json.loads(path.read_text()) for path in sorted(data.glob("work/lineage/*/*/*.json"))])


def ran(landfall: str, config: pathlib.Path, data: pathlib.Path, event: dict, code: int) -> list[dict]:
    """Runs an event as Dagster would, and returns the messages."""
    folder = config.parent
    name = event["export"]["extract"]
    messages, path = folder / f"{name}.messages", folder / f"{name}.json"
    path.write_text(json.dumps(event))
    environment = os.environ | {
        "DAGSTER_PIPES_CONTEXT": dagster_pipes.encode_param({"data": context()}),
        "DAGSTER_PIPES_MESSAGES": dagster_pipes.encode_param({"path": str(messages)}),
    }
    command = [landfall, "run", path, "--config", config, "--data", data]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == code, (ended.returncode, ended.stderr)
    return read(messages)


def context() -> dict:
    return {
        "asset_keys": [ASSET], "code_version_by_asset_key": {ASSET: None}, "provenance_by_asset_key": {ASSET: None},
        "partition_key": None, "partition_key_range": None, "partition_time_window": None,
        "run_id": PARENT["run_id"], "job_name": PARENT["name"], "retry_number": 0, "extras": {},
    }


def read(messages: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in messages.read_text().splitlines()]


def hold_messages(landed: list[dict], failed: list[dict]) -> None:
    """What the package itself writes, told the same, is what came."""
    methods = [message["method"] for message in landed]
    assert methods[0] == "opened" and methods[-2:] == ["report_asset_materialization", "closed"], methods
    assert methods.count("log") >= 4 and set(methods[1:-2]) == {"log"}, methods
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "messages")
        params = dagster_pipes.PipesMappingParamsLoader({
            "DAGSTER_PIPES_CONTEXT": dagster_pipes.encode_param({"data": context()}),
            "DAGSTER_PIPES_MESSAGES": dagster_pipes.encode_param({"path": str(path)}),
        })
        reported = landed[-2]["params"]
        with dagster_pipes.open_dagster_pipes(params_loader=params) as pipes:
            for message in landed[1:-2]:
                pipes.log.log({"INFO": 20, "WARNING": 30}[message["params"]["level"]], message["params"]["message"])
            pipes.report_asset_materialization(metadata=reported["metadata"])
        assert read(path) == landed, (read(path), landed)
    rows = reported["metadata"]["rows"]
    assert rows["type"] == "int" and rows["raw_value"] > 0, rows
    closed = failed[-1]
    assert closed["method"] == "closed" and "report_asset_materialization" not in [it["method"] for it in failed]
    exception = closed["params"]["exception"]
    assert set(exception) == set(dagster_pipes.PipesException.__annotations__), exception
    print(f"Dagster Pipes: {len(landed)} and {len(failed)} messages; the run failed as {exception['name']}")


def hold_events(events: list[dict]) -> None:
    """Each event is one of the models', with nothing lost and nothing added."""
    for event in events:
        again = without_empty(Serde.to_dict(made_again(event)))
        assert again == without_empty(event), "\n".join(difflib.unified_diff(*map(lines, (event, again)), lineterm=""))
    types = sorted(event["eventType"] for event in events)
    assert types == ["COMPLETE", "FAIL", "START"], types
    assert len({event["run"]["runId"] for event in events}) == 1, events
    (complete,) = (event for event in events if event["eventType"] == "COMPLETE")
    (output,) = complete["outputs"]
    assert output["facets"]["schema"]["fields"] and output["outputFacets"]["outputStatistics"]["rowCount"] > 0, output
    print(f"OpenLineage: {len(events)} events are those of its client's models")


def lines(event: dict) -> list[str]:
    return json.dumps(without_empty(event), indent=1, sort_keys=True).splitlines()


def made_again(event: dict) -> event_v2.RunEvent:
    def dataset(of: dict, kind: type) -> object:
        facets = {name: facets_of(of.get(name, {})) for name in ("facets", "outputFacets") if name in of}
        return kind(namespace=of["namespace"], name=of["name"], **facets)

    return event_v2.RunEvent(
        eventType=event_v2.RunState[event["eventType"]], eventTime=event["eventTime"], producer=event["producer"],
        run=event_v2.Run(runId=event["run"]["runId"], facets=facets_of(event["run"]["facets"])),
        job=event_v2.Job(**event["job"]), inputs=[dataset(of, event_v2.InputDataset) for of in event["inputs"]],
        outputs=[dataset(of, event_v2.OutputDataset) for of in event["outputs"]],
    )


def facets_of(facets: dict) -> dict:
    """Facets by the client's own classes, whose schemas have to be those that the facets name."""
    made = {}
    for name, facet in facets.items():
        fields = {field: value for field, value in facet.items() if not field.startswith("_")}
        made[name] = FACETS[name](fields)
        made[name]._producer = facet["_producer"]
        assert made[name]._schemaURL == facet["_schemaURL"], (made[name]._schemaURL, facet["_schemaURL"])
    return made


def without_empty(value: object) -> object:
    """The client leaves out what is empty."""
    if isinstance(value, dict):
        kept = {name: without_empty(of) for name, of in value.items()}
        return {name: of for name, of in kept.items() if of not in (None, {}, [])}
    if isinstance(value, list):
        return [without_empty(of) for of in value]
    return value


if __name__ == "__main__":
    main(sys.argv[1])
