"""Airflow's provider of landfall."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """What Airflow asks a provider for."""
    return {
        "package-name": "airflow-provider-landfall",
        "name": "landfall",
        "description": "Lands export jobs of SaaS systems, whole and verified, in object storage.",
        "connection-types": [
            {
                "connection-type": "landfall",
                "hook-name": "landfall serve",
                "hook-class-name": "landfall_provider.hooks.landfall.LandfallHook",
            }
        ],
        "versions": [__version__],
    }
