"""Described systems, played by WireMock by what their documents say, in an order that it holds.

    .ci/scenarios.py LANDFALL JAR

Each scenario is a state machine of WireMock's own, in `scenarios/`: what is asked at the wrong time, twice, or otherwise
than the documents have it is matched by nothing, and fails the run. Marketo answers 1029 to the first `enqueue` of an
extract and loses its answer to the second, so that the list of extracts has to tell; NetSuite loses its answer, and refuses
the second request of a key with the first one's `Location`."""

import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes

SCENARIOS = pathlib.Path(__file__).resolve().parent / "scenarios"
KEY = "x-netsuite-idempotency-key"

# By system: what a scenario ends in, and how often each of its calls is made.
EXPECTED = {
    "marketo-leads": ("Done", {"create.json": 1, "enqueue.json": 2, "export.json": 1, "status.json": 3, "file.json": 1}),
    "netsuite-async": ("Succeeded", {"customer": 2, "123": 2, "task": 1, "result": 1}),
}


def main() -> None:
    landfall, jar = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "mappings").mkdir()
        for scenario in SCENARIOS.glob("*.json"):
            (folder / "mappings" / scenario.name).write_text(scenario.read_text())
        [port] = processes.free_ports(1)
        command = ["java", "-XX:TieredStopAtLevel=1", "-jar", jar, "--port", port, "--bind-address", processes.HOST]
        log = folder / "wiremock.log"
        with processes.started([*command, "--root-dir", folder, "--disable-banner"], log) as process:
            processes.wait_until(lambda: processes.can_connect(port), process, log, 60)
            admin = f"http://{processes.HOST}:{port}/__admin"
            refuses(port)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(lambda system: lands(landfall, folder, port, system), EXPECTED))
            judged = judge(admin)
    print(f"{judged} requests are what the documents have, in their order; 0 others")


def refuses(port: int) -> None:
    """Whether what a scenario does not have is refused; it is not one of the run's requests."""
    early = urllib.request.Request(f"http://{processes.HOST}:{port}/bulk/v1/leads/export/1/enqueue.json", b"")
    try:
        urllib.request.urlopen(early)
    except urllib.error.HTTPError as error:
        assert error.code == 404, error
    else:
        raise AssertionError("WireMock lets a wrong request pass")
    clear = urllib.request.Request(f"http://{processes.HOST}:{port}/__admin/requests", method="DELETE")
    urllib.request.urlopen(clear).close()


def lands(landfall: pathlib.Path, folder: pathlib.Path, port: int, system: str) -> None:
    """Lands a sample event from its scenario."""
    event = json.loads((SCENARIOS.parent.parent / "events" / f"run-{system}.json").read_text())
    own = folder / system
    own.mkdir()
    (own / "event.json").write_text(json.dumps(event))
    (own / "landfall.toml").write_text(f"""
[connections.{event["connection"]}]
type = "declared"
system = "{system}"
base_url = "http://{processes.HOST}:{port}"
bearer = {{ token = "a-token-of-the-tests" }}
job = {{ poll_seconds = 1, listing_lag_seconds = 1, timeout_seconds = 60 }}
""")
    run = [landfall, "run", own / "event.json", "--config", own / "landfall.toml", "--data", own / "data", "--json"]
    said = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, (system, said.stdout, said.stderr)


def judge(admin: str) -> int:
    """Whether all was asked for that the scenarios have, and nothing else; how much it was."""
    unmatched = fetch(f"{admin}/requests/unmatched")["requests"]
    assert not unmatched, [(request["method"], request["url"], request["body"]) for request in unmatched]
    states = {scenario["name"]: scenario["state"] for scenario in fetch(f"{admin}/scenarios")["scenarios"]}
    requests = [entry["request"] for entry in fetch(f"{admin}/requests")["requests"]]
    lasts = [request["url"].split("?")[0].rsplit("/", 1)[1] for request in requests]
    for system, (state, calls) in EXPECTED.items():
        assert states[system] == state, (system, states)
        made = {call: lasts.count(call) for call in calls}
        assert made == calls, (system, made)
    headers = [(name.lower(), value) for request in requests for name, value in request["headers"].items()]
    keys = {value for name, value in headers if name == KEY}
    assert len(keys) == 1, keys
    return len(requests)


def fetch(url: str) -> dict:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
