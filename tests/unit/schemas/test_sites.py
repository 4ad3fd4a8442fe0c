"""28 registered hospitals, and a site without a file is refused."""

from __future__ import annotations

import pytest

from schemas.errors import BadInputError
from schemas.sites import is_fictitious, read_registered_sites, read_site, read_sites


def test_the_registry_lists_28_hospitals_with_names_of_their_own() -> None:
    sites = read_registered_sites()
    assert [site.site_code for site in sites] == [f"S{n:02d}" for n in range(1, 29)]
    assert len({site.name_zh for site in sites}) == len({site.name_en for site in sites}) == 28
    assert len({site.province_zh for site in sites}) == 15


def test_only_fictitious_sites_may_deliver_until_an_approval_is_recorded() -> None:
    assert {site.code for site in read_sites()} == {f"S9{n}" for n in range(1, 10)}
    assert all(site.fictitious and site.ethics_ref for site in read_sites())


@pytest.mark.parametrize("code", ["S01", "S90", "s91", "../S91", "S910", ""])
def test_a_site_without_a_file_is_refused(code: str) -> None:
    with pytest.raises(BadInputError, match="site"):
        read_site(code)


@pytest.mark.parametrize(
    ("code", "fictitious"), [("S91", True), ("S99", True), ("S90", False), ("S28", False)]
)
def test_the_code_tells_fictitious_sites_apart(code: str, fictitious: bool) -> None:
    assert is_fictitious(code) is fictitious
