"""The linkage of a folder that is de-identified alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.receive.store_linkage import linkage_of_folder

_RING, _SITE = KeyRing(bytes(range(32))), SiteCode("S91")
_TEXT = "study_subject_no,patient_id\nLC-001,PID000001\n"


def test_the_linkage_of_the_folder_says_who_each_patient_id_is(tmp_path: Path) -> None:
    (tmp_path / "linkage.csv").write_text(_TEXT, encoding="utf-8")
    known = linkage_of_folder(tmp_path, Zones(tmp_path / "home"), _RING, _SITE)
    assert known is not None
    assert [a.subject_no for a in known.values()] == ["LC-001"]


def test_a_linkage_that_is_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.csv"
    elsewhere.write_text(_TEXT, encoding="utf-8")
    src = tmp_path / "src"
    src.mkdir()
    (src / "linkage.csv").symlink_to(elsewhere)
    with pytest.raises(BadInputError, match="is a link"):
        linkage_of_folder(src, Zones(tmp_path / "home"), _RING, _SITE)
    assert not (tmp_path / "home").exists()
