"""The simulated source systems that the deployed stack's connections lead to."""

import contextlib
import json
import pathlib
import time
import tomllib
from collections.abc import Iterator

from stack import started

DEMO = {"fusion": "fusion-demo", "epm": "epm-demo", "folio": "folio-demo"}


class Source:
    """A simulator of its own, with its own faults and data."""

    def __init__(self, folder: pathlib.Path, configuration: dict) -> None:
        self.folder = folder
        self.configuration = configuration

    def connection(self, system: str, settings: dict) -> dict:
        """What a connection's secret holds that leads here, with settings of its own."""
        return merged(self.configuration["connections"][DEMO[system]], settings)

    def jobs(self) -> int:
        """How many jobs the systems have been given, all of them together."""
        state = json.loads((self.folder / "data/simulator/state.json").read_text())
        return len(state["jobs"]) + len(state["epm"]["jobs"]) + len(state["folio"]["executions"])


@contextlib.contextmanager
def simulated(landfall: pathlib.Path, folder: pathlib.Path, faults: dict, data: dict) -> Iterator[Source]:
    """`landfall simulate` on a free port; what it prints is the configuration."""
    folder.mkdir(parents=True)
    (folder / "faults.json").write_text(json.dumps(faults))
    (folder / "scenario.json").write_text(json.dumps(data))
    printed = folder / "printed.toml"
    command = [
        landfall, "simulate", "--port", "0", "--data", folder / "data",
        "--faults", folder / "faults.json", "--scenario", folder / "scenario.json",
    ]
    with started(command, printed, {}):
        for _ in range(200):
            if "[connections.fusion-demo" in printed.read_text():
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"the simulator does not start: {printed.read_text()}")
        yield Source(folder, tomllib.loads(printed.read_text()))


def merged(settings: dict, over: dict) -> dict:
    """The settings, with those of a second document over them."""
    result = dict(settings)
    for key, value in over.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result
