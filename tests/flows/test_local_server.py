"""The embedded server is for this run alone: other users of the machine are turned away."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from flows.orchestrator import prefect_server
from schemas.run.settings import Settings, apply_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("embedded")]


def test_another_user_cannot_list_or_cancel_the_runs_of_a_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "LIVERCOHORT_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    settings = apply_environment(home=tmp_path)
    assert isinstance(settings, Settings)
    with prefect_server(settings):
        api, password = os.environ["PREFECT_API_URL"], os.environ["PREFECT_API_AUTH_STRING"]
        assert len(password) > 40
        request = urllib.request.Request(
            f"{api}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        with refused.value as answer:
            assert answer.code == 401
    assert "PREFECT_API_AUTH_STRING" not in os.environ
    assert password.encode() not in (tmp_path / "logs" / "prefect-server.log").read_bytes()
