"""A 50 MB sheet and files that try to be larger than they look: seconds and memory.

    PYTHONPATH=. python benchmarks/clinical/bounds.py

Each case runs in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable

from openpyxl import Workbook

from schemas.identifiers import SiteCode
from schemas.run.atomic_files import sha256_of_bytes
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.intake import read_form
from tasks.clinical.raw_form import FormRefusedError

_SHEET_BYTES, _ROW_BYTES = 50_000_000, 670


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=sorted(_CASES))
    options = parser.parse_args()
    if options.case:
        _measure(options.case)
        return
    print("| case | file MB | outcome | CPU s | peak MB more |\n|---|---|---|---|---|")
    for name in _CASES:
        command = [sys.executable, __file__, "--case", name]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def _measure(name: str) -> None:
    file_name, data = _CASES[name]()
    before, peak = _cpu_seconds(), _peak_mb()
    try:
        form = read_form(
            file_name, data, site=SiteCode("S91"), file_no=1, source_sha256=sha256_of_bytes(data)
        )
        outcome = f"{len(form.rows)} rows read, {len(form.findings)} findings"
    except FormRefusedError as refusal:
        outcome = f"refused: {refusal.detail}"
    print(
        f"| {name} | {len(data) / 1e6:.1f} | {outcome} | {_cpu_seconds() - before:.1f} "
        f"| {_peak_mb() - peak:.0f} |"
    )


def _large_sheet() -> tuple[str, bytes]:
    """Return a workbook whose one sheet has 50 MB of XML, all of it rows of the form."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("diagnosis")
    fields = read_form_contracts()["diagnosis"].fields
    sheet.append([*(field.header.zh for field in fields), "导出日期"])
    codes = {field.name: field.codes[0].zh for field in fields if field.codes}
    for n in range(_SHEET_BYTES // _ROW_BYTES):
        numbers = {"lesion_no": n % 99 + 1, "diameter_mm": 23.5}
        row = codes | numbers | {"subject_no": f"LC91-{n // 99:05}"}
        sheet.append([*(row[field.name] for field in fields), "2026-11-20"])
    stream = io.BytesIO()
    book.save(stream)
    return "diagnosis.xlsx", stream.getvalue()


def _bomb() -> tuple[str, bytes]:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w", force_zip64=True) as member,
    ):
        for _ in range(2000):
            member.write(bytes(1 << 20))
    return "diagnosis.xlsx", stream.getvalue()


def _entities() -> tuple[str, bytes]:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE ODM [<!ENTITY l0 "lol">{levels}]><ODM ODMVersion="1.3.2">&l9;</ODM>'
    return "diagnosis.xml", text.encode()


def _deep() -> tuple[str, bytes]:
    return "diagnosis.xml", b'<ODM ODMVersion="1.3.2" FileType="Snapshot">' + b"<a>" * 3_000_000


def _long_line() -> tuple[str, bytes]:
    return "diagnosis.csv", b"# export_as_of: 2026-11-20\n" + b"x," * 25_000_000


_CASES: dict[str, Callable[[], tuple[str, bytes]]] = {
    "sheet of 50 MB": _large_sheet,
    "workbook that unpacks to 2 GB": _bomb,
    "entities that multiply": _entities,
    "XML three million levels deep": _deep,
    "CSV of one line of 50 MB": _long_line,
}


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
