"""28 registered hospitals, and a site without a file is refused."""

from __future__ import annotations

import pytest

from schemas.errors import BadInputError
from schemas.package_data import data_contracts_dir
from schemas.run.site_files import SiteConfig
from schemas.run.sites import (
    _why_not,
    is_fictitious,
    read_registered_sites,
    read_site,
    read_sites,
    why_waiting,
)

FICTITIOUS = tuple(f"S9{n}" for n in range(1, 10))
#: The last registered hospital that has not been let in yet.
WITHOUT_FILE = [
    site.site_code
    for site in read_registered_sites()
    if not (data_contracts_dir() / "sites" / f"{site.site_code}.yaml").is_file()
][-1]


def test_the_registry_lists_28_hospitals_with_names_of_their_own() -> None:
    sites = read_registered_sites()
    assert [site.site_code for site in sites] == [f"S{n:02d}" for n in range(1, 29)]
    assert len({site.name_zh for site in sites}) == len({site.name_en for site in sites}) == 28
    assert len({site.province_zh for site in sites}) == 15


def test_only_sites_with_an_approval_on_record_may_deliver() -> None:
    registered = {site.site_code for site in read_registered_sites()}
    sites = {site.code: site for site in read_sites()}
    assert {code for code, site in sites.items() if site.fictitious} == set(FICTITIOUS)
    assert all(site.ethics_ref and site.ethics_date for site in sites.values())
    assert all(
        code in registered or site.amendment_ref
        for code, site in sites.items()
        if not site.fictitious
    )


@pytest.mark.parametrize("code", [WITHOUT_FILE, "S90", "s91", "../S91", "S910", ""])
def test_a_site_without_a_file_is_refused(code: str) -> None:
    with pytest.raises(BadInputError, match="site"):
        read_site(code)


def site_file(**changes: object) -> SiteConfig:
    facts = read_site("S91").model_dump() | {"code": "S01", "fictitious": False}
    return SiteConfig.model_validate(facts | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"ethics_ref": ""}, "no recorded ethics approval"),
        ({"ethics_date": None}, "no recorded ethics approval"),
        ({"code": "S40"}, "neither registered nor added"),
        ({"code": "S40", "amendment_ref": "amendment 2"}, ""),
    ],
)
def test_a_site_waits_until_approval_and_registration_are_on_record(
    changes: dict[str, object], reason: str
) -> None:
    found = _why_not(site_file(**changes))
    assert reason in found
    assert bool(found) == bool(reason)


def test_exports_of_a_site_without_a_file_wait_and_say_why() -> None:
    assert why_waiting(WITHOUT_FILE) == "this site has no file"
    assert why_waiting("S91") == ""


@pytest.mark.parametrize(
    ("given", "shown"),
    [("S77", "S77: this site"), ("s-1", "s-1: this is not"), ("张伟", "a text of 2 characters")],
)
def test_a_code_that_is_refused_is_named_when_it_can_name_nobody(given: str, shown: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        read_site(given)
    assert shown in refusal.value.found
    assert ("张伟" in refusal.value.message) is False


@pytest.mark.parametrize(
    ("code", "fictitious"), [("S91", True), ("S99", True), ("S90", False), ("S28", False)]
)
def test_the_code_tells_fictitious_sites_apart(code: str, fictitious: bool) -> None:
    assert is_fictitious(code) is fictitious
