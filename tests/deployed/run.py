"""Deploys `template.yaml` to ministack and runs the scenarios there.

usage: run.py [--landfall PROGRAM] [--only TEXT] [--at-once N] [--keep]

The functions are the programs beside PROGRAM, the debug build.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# What CI's other drivers use of processes, too.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / ".ci"))

import permissions
import scenarios
from stack import ROOT, Stack, deployed

# The schedule is there and starts nothing: the engine does not say what time was scheduled.
PARAMETERS = {"Architecture": "x86_64", "Schedule": "rate(365 days)"}

# What no scenario can show here, as the engine has none of it.
NOT_SHOWN = (
    "the execution's own deadline (TimeoutSeconds of a state machine): a job's deadline is shown instead",
    "redrive: an execution that is started again with the same input, or with the job's id, is shown instead",
    "the scheduled time of EventBridge Scheduler: the entry's input is read, and given to its target with a time",
    "the limits on payloads (256 KiB) and on a history (25,000 events)",
    "what Step Functions asks IAM for: the roles are held against the definitions instead",
    "how long Lambda lets an invocation last, and what of memory it gives",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landfall", type=pathlib.Path, default=ROOT / "target/debug/landfall")
    parser.add_argument("--only", default="", help="the scenarios whose names have this in them, or one of several after commas")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs")
    arguments = parser.parse_args()
    # All of it is on this machine: no account and no proxy of its user has anything to do with it.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    began = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="landfall-deployed-"))
    try:
        landfall = arguments.landfall.resolve()
        target = landfall.parents[1]
        with deployed(folder, PARAMETERS, target) as stack:
            say("deployed", began, f"{len(stack.resources)} resources, {len(stack.functions())} functions")
            failed = run_all(stack, landfall, arguments.only, arguments.at_once)
            if not arguments.only or "permissions" in arguments.only:
                failed += permissions_hold(stack, landfall)
    finally:
        if arguments.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    for gap in NOT_SHOWN:
        print(f"not shown: {gap}")
    return 1 if failed else 0


def run_all(stack: Stack, landfall: pathlib.Path, only: str, at_once: int) -> int:
    chosen = [pair for pair in enumerate(scenarios.SCENARIOS) if any(part in pair[1].name for part in only.split(","))]
    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        outcomes = list(pool.map(lambda pair: run_one(stack, landfall, *pair), chosen))
    failed = outcomes.count(False)
    print(f"{len(outcomes)} scenarios, {failed} failed, {time.monotonic() - began:.0f} s")
    return failed


def permissions_hold(stack: Stack, landfall: pathlib.Path) -> int:
    """What needs all calls of the scenarios, or takes permissions from functions that they use."""
    lacking = scenarios.Scenario("permissions: taken away", permissions.refused_by_name)
    held = [run_one(stack, landfall, len(scenarios.SCENARIOS), lacking)]
    for name, check in (
        ("permissions: none missing, none too many", permissions.held_against_calls),
        ("permissions: of the state machines", permissions.machines_may),
        ("permissions: TLS alone", permissions.plain_http_is_refused),
        ("permissions: granted, and not used here", lambda stack: "; ".join(permissions.without_any_use(stack))),
    ):
        held.append(attempt(name, lambda: check(stack)))
    return held.count(False)


def run_one(stack: Stack, landfall: pathlib.Path, number: int, scenario: scenarios.Scenario) -> bool:
    def holds() -> str:
        with scenarios.connected(stack, landfall, scenario, number) as run:
            return scenario.holds(run)

    return attempt(scenario.name, holds)


def attempt(name: str, holds: Callable[[], str]) -> bool:
    began = time.monotonic()
    try:
        said = holds()
    except Exception:  # Whatever it is, the other scenarios go on.
        say(f"FAILED {name}", began, traceback.format_exc())
        return False
    say(name, began, said)
    return True


def say(what: str, began: float, said: str) -> None:
    print(f"{what:<50} {time.monotonic() - began:6.1f} s  {said}", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
