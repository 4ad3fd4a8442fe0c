"""The same server, export and undisturbed night as the tests of the whole line have."""

from __future__ import annotations

from tests.flows.conftest import night, prefect_api, whole_export

__all__ = ["night", "prefect_api", "whole_export"]
