"""The simulated source systems that the deployed stack's connections lead to."""

import contextlib
import json
import pathlib
from collections.abc import Iterator

import processes

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
    """A simulator with these faults and this data."""
    folder.mkdir(parents=True)
    (folder / "faults.json").write_text(json.dumps(faults))
    (folder / "scenario.json").write_text(json.dumps(data))
    options = ["--faults", folder / "faults.json", "--scenario", folder / "scenario.json"]
    with processes.simulated(landfall, folder / "data", folder / "printed.toml", *options) as configuration:
        yield Source(folder, configuration)


def merged(settings: dict, over: dict) -> dict:
    """The settings, with those of a second document over them."""
    result = dict(settings)
    for key, value in over.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result
