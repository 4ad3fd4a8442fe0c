"""`site add`, `site check`, `site list` and `deploy --print` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from flows.deployments import prefect_yaml
from tests.flows.conftest import require_one_error, run

ROOT = Path(__file__).parents[2]


def test_prefect_yaml_is_what_the_site_files_say() -> None:
    assert (ROOT / "prefect.yaml").read_text(encoding="utf-8") == prefect_yaml()
    ended = run("deploy", "--print")
    assert ended.out == prefect_yaml()
    assert {d["name"] for d in yaml.safe_load(ended.out)["deployments"]} == {
        "S91", "S92", "S93", "release", "digest", "watchdog",
    }  # fmt: skip


def test_deploy_without_a_server_says_which_setting_names_one() -> None:
    require_one_error(run("deploy"), 3, about="PREFECT_API_URL")


def test_every_site_file_that_ships_passes_the_check() -> None:
    ended = run("site", "check")
    assert ended.code == 0, ended.out
    assert "9 site files read, 0 with problems" in ended.out


def test_the_list_says_of_every_registered_hospital_whether_it_may_deliver() -> None:
    rows = {row["site_code"]: row for row in run("site", "list", "--json").json()}
    assert len(rows) == 28 + 9
    assert rows["S01"]["waits_because"] == "this site has no file"
    assert (rows["S91"]["state"], rows["S91"]["schedule"]) == ("may deliver", "15 1 * * *")


def test_adding_a_site_without_all_it_needs_names_what_is_missing_and_writes_nothing() -> None:
    ended = run("site", "add", "S01", "--ethics-ref", "2026-KY-001")
    require_one_error(ended, 2, about="--ethics-date, --ethics-reason, --cron, --every-days")
    assert not (ROOT / "data_contracts" / "sites" / "S01.yaml").exists()


def test_a_site_is_never_added_with_the_reference_of_the_demo() -> None:
    ended = run(
        "site", "add", "S01", "--ethics-ref", "DEMO-S91", "--ethics-date", "2026-03-01",
        "--ethics-reason", "letter", "--cron", "45 1 * * *", "--every-days", "7",
    )  # fmt: skip
    require_one_error(ended, 2, about="reference of the demo")
    assert not (ROOT / "data_contracts" / "sites" / "S01.yaml").exists()


def test_a_fictitious_code_is_not_added() -> None:
    require_one_error(run("site", "add", "S91"), 2, about="not the code of a hospital")


def test_json_of_the_list_is_json() -> None:
    assert json.loads(run("site", "list", "--json").out)
