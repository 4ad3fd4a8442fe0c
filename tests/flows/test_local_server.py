"""The embedded server is for this run alone: other users of the machine are turned away."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flows.orchestrator import prefect_server
from schemas.run.settings import Settings, apply_environment
from tests.flows.conftest import run
from tests.flows.exports import cut_export, new_home

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


def test_nothing_is_left_in_the_shared_temporary_folder(whole_export: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    # Below the folder of the machine: names of sockets are at most 107 bytes long.
    with TemporaryDirectory() as shared:
        ended = run("ingest", "S91", "--home", home, TMPDIR=shared)
        assert ended.code == 0, ended.err
        assert [path.name for path in Path(shared).iterdir() if "prefect" in path.name] == []
