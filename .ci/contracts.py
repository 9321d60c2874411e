"""A described system's requests, judged by the contract of whoever runs the system.

    .ci/contracts.py LANDFALL PRISM CONTRACTS

Prism stands between landfall and the simulator, and refuses what Amazon's own contract of the Reports API does not have,
in a request or in an answer. A run lands through it, and one whose first submission loses its answer, so that the list of
reports is asked, too. Before that a wrong request shows that it judges. Without the contracts nothing is judged."""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import processes

EVENT = "events/run-sp-api-reports.json"
FAULTS = {"sp_api": {"create_then_drop": 1}}
REPORTS = "reports/2021-06-30/reports"
CONNECTION = "sp-api-demo"


def main() -> None:
    landfall, prism = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
    contract = pathlib.Path(sys.argv[3], "sp-api-reports_2021-06-30.json").resolve()
    if not contract.exists():
        print(f"there is no {contract}: nothing is judged")
        return
    judged = sum(lands_through(landfall, prism, contract, faults) for faults in ({}, FAULTS))
    print(f"{judged} requests are what Amazon's contract has, and so are their answers; 0 violations")


def lands_through(landfall: pathlib.Path, prism: pathlib.Path, contract: pathlib.Path, faults: dict) -> int:
    """Lands a report through Prism; how many requests it has judged."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wrong, config = folder / "faults.json", folder / "landfall.toml"
        wrong.write_text(json.dumps(faults))
        with processes.simulated(landfall, folder / "data", folder / "printed.toml", "--faults", wrong) as printed:
            [port] = processes.free_ports(1)
            source = printed["connections"][CONNECTION]["base_url"]
            judge = f"http://{processes.HOST}:{port}"
            config.write_text((folder / "printed.toml").read_text().replace(*moved(folder, source, judge)))
            command = [prism, "proxy", contract, source, "--errors", "--host", processes.HOST, "--port", port]
            log = folder / "prism.log"
            with processes.started(command, log) as process:
                processes.wait_until(lambda: processes.can_connect(port), process, log, 60)
                judges(judge)
                run = [landfall, "run", EVENT, "--config", config]
                said = subprocess.run(run, capture_output=True, text=True)
                told = log.read_text(errors="replace")
                assert said.returncode == 0, (said.stdout, said.stderr, told[-4000:])
            lines = told.splitlines()
            return sum(REPORTS.removesuffix("reports") in line and "Request received" in line for line in lines) - 1


def moved(folder: pathlib.Path, source: str, judge: str) -> tuple[str, str, int]:
    """The connection's table, led to the judge: its base URL alone, as tokens are of no concern to it."""
    printed = (folder / "printed.toml").read_text()
    begin = printed.index(f"[connections.{CONNECTION}]")
    table = printed[begin:].split("\n[connections.", 1)[0]
    line = f'base_url = "{source}"'
    assert line in table, table
    return table, table.replace(line, f'base_url = "{judge}"', 1), 1


def judges(judge: str) -> None:
    """Whether it refuses a request that the contract does not have."""
    body = json.dumps({"reportType": 7}).encode()
    request = urllib.request.Request(f"{judge}/{REPORTS}", body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        assert "validation" in said.lower(), said
        return
    raise AssertionError("Prism lets a wrong request pass")


if __name__ == "__main__":
    main()
