"""A folder of DICOM or a list of strings is labelled; nothing unreadable stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.states import FileState, ReasonCode
from tasks.harmonise import store
from tasks.harmonise.render import render_label_rules_markdown
from tasks.harmonise.text import label_strings
from tests.builders import make_instance, make_series, to_bytes, write_files


def test_every_file_of_a_folder_is_accounted_for(tmp_path: Path) -> None:
    write_files(tmp_path / "a", make_series(modality="CT", SeriesDescription="动脉期"))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text.dcm").write_bytes(b"not DICOM at all" * 20)
    (tmp_path / "cut").write_bytes(to_bytes(make_instance())[:200])
    (tmp_path / "no_uid").write_bytes(to_bytes(make_instance(SeriesInstanceUID=None)))
    result = store.label_folder(tmp_path)
    assert [f.file_no for f in result.files] == list(range(1, 11))
    assert [row.label for row in result.labels.series] == ["CT_ART"]
    held = {f.reason for f in result.files if f.state is FileState.QUARANTINED}
    assert held <= {
        ReasonCode.EMPTY_FILE,
        ReasonCode.NOT_DICOM,
        ReasonCode.UNPARSABLE,
        ReasonCode.MISSING_UID,
    }
    assert sum(f.state is FileState.ACCEPTED for f in result.files) == 6


def test_workers_change_nothing(tmp_path: Path) -> None:
    for number in range(1, 3):
        write_files(tmp_path / f"s{number}", make_series(series=number, n_slices=40))
    assert store.label_folder(tmp_path, workers=2) == store.label_folder(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        store.label_folder(tmp_path / "missing")


def test_links_are_set_aside_and_not_followed(tmp_path: Path) -> None:
    write_files(tmp_path / "in", make_series(modality="CT"))
    write_files(tmp_path / "outside", make_series(modality="CT"))
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "nothing").symlink_to("nowhere")
    files = store.label_folder(tmp_path / "in").files
    aside = [f.reason for f in files if f.state is not FileState.ACCEPTED]
    assert aside == [ReasonCode.UNSAFE_PATH] * 2
    assert len(files) == 2 + sum(path.is_file() for path in (tmp_path / "outside").rglob("*"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_strings_are_read_in_the_encodings_of_sites(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "s.csv"
    source.write_bytes("description,vendor,modality\n动脉期,,CT\n".encode(encoding))
    rows = [row for _, row in store.read_strings(source).rows]
    [labelled] = label_strings(rows)
    assert (labelled.label, labelled.tier) == ("CT_ART", "B")
    assert labelled.evidence[0].startswith("PHASE-ART")


def test_a_list_without_descriptions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("text\nx\n")
    with pytest.raises(BadInputError, match="description"):
        store.read_strings(tmp_path / "s.csv")


def test_the_rules_in_force_are_shown_with_version_labels_and_reasons() -> None:
    text = render_label_rules_markdown()
    assert "mapping_version `2.1.0+" in text
    assert "| MR_T1_HBP |" in text
    assert "| PHYS-T1-GRE3D |" in text
    assert {line.count(" | ") for line in text.splitlines() if line.startswith("| PHASE")} == {7}


#: A chest CT without words, brains, phantoms, their localizers and a map of the field: no liver.
REAL_LABELS = {"UNCLASSIFIED", "MR_DWI", "OTHER", "LOCALIZER", "MR_MAP"}


@pytest.mark.real_data
def test_real_dicom_is_labelled_without_a_crash(real_dicom: Path) -> None:
    result = store.label_folder(real_dicom, workers=2)
    set_aside = [f.reason for f in result.files if f.state is not FileState.ACCEPTED]
    assert set_aside == [ReasonCode.NOT_DICOM]  # the list of sources
    assert {row.label for row in result.labels.series} <= REAL_LABELS


@pytest.mark.parametrize("charset", [None, "ISO_IR 100"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_chinese_under_a_missing_or_wrong_label_is_read_as_meant(
    tmp_path: Path, charset: str | None, encoding: str
) -> None:
    placeholder = "X" * len("动脉期".encode(encoding))
    header = make_instance(
        modality="CT", SpecificCharacterSet=charset, SeriesDescription=placeholder, PatientName="A"
    )
    content = to_bytes(header).replace(placeholder.encode(), "动脉期".encode(encoding))
    (tmp_path / "image").write_bytes(content)
    assert [row.label for row in store.label_folder(tmp_path).labels.series] == ["CT_ART"]
