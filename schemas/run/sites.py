"""The registered hospitals and the sites that may deliver: a site without a file is refused."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path

from schemas.errors import BadInputError, ContractError
from schemas.hospital_day import hospital_today
from schemas.identifiers import SiteCode
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import parse_document
from schemas.rule_tables import Cells, TableShape, read_signed, read_table, table_name
from schemas.run.settings import read_settings
from schemas.run.site_files import SiteConfig, contradictions, parse_site_file

#: `S01`-`S28` registered, `S91`-`S99` fictitious, `X001` and up made for load tests.
SITE_CODE_PATTERN = r"S\d{2}|X\d{3}"
_CODE = re.compile(SITE_CODE_PATTERN)
_REGISTERED = re.compile(r"S\d{2}")
_FICTITIOUS = re.compile(r"S9[1-9]|X\d{3}")
_REGISTERED_STATUS = "registered"
_LOAD_SITE = re.compile(r"X\d{3}")


@dataclass(frozen=True)
class RegisteredSite:
    """One hospital of the registration record, in registered order."""

    site_code: str
    name_en: str
    name_zh: str
    province_en: str
    province_zh: str
    level_zh: str
    registration_status: str


_SITES_COLUMNS = (*(item.name for item in fields(RegisteredSite)), "registered_order")
_SITES_SHAPE = TableShape(_SITES_COLUMNS, key=("site_code",), stated=_SITES_COLUMNS)


def is_site_code(text: str) -> bool:
    """Return whether a text has the form of a site code."""
    return _CODE.fullmatch(text) is not None


def is_fictitious(code: str) -> bool:
    """Return whether a code belongs to the simulator (`S91`-`S99`, `X001` and up)."""
    return _FICTITIOUS.fullmatch(code) is not None


@cache
def read_registered_sites() -> tuple[RegisteredSite, ...]:
    """Return the registered hospitals, in the order of the record.

    Raises
    ------
    ContractError
        If a code is malformed or stands twice.
    """
    return parse_registered_sites(data_contracts_dir() / "sites" / "sites.csv")


def parse_registered_sites(path: Path) -> tuple[RegisteredSite, ...]:
    """Read a registration record from a file of the same layout."""
    rows = sorted(read_table(path, _SITES_SHAPE, _registered), key=lambda row: row[0])
    if [order for order, _ in rows] != list(range(1, len(rows) + 1)):
        raise ContractError(
            "sites are missing from the registered order, or share a place",
            expected=f"1 to {len(rows)}, each once",
            where=f"{table_name(path)}, column registered_order",
        )
    return tuple(site for _, site in rows)


def _registered(row: Cells) -> tuple[int, RegisteredSite]:
    code = row["site_code"]
    if not _REGISTERED.fullmatch(code) or is_fictitious(code):
        raise ContractError(f"site code {_shown(code)} is malformed or reserved")
    named = {name: cell for name, cell in row.items() if name != "registered_order"}
    return int(row["registered_order"]), RegisteredSite(**named)


def read_site(code: str) -> SiteConfig:
    """Return the file of one site.

    Raises
    ------
    BadInputError
        If the code is malformed, no file says that this site may deliver, or no approval or
        registration of it is on record.
    """
    reason = why_waiting(code)
    if reason:
        known = ", ".join(site.code for site in read_sites())
        raise BadInputError(
            f"{_shown(code)}: {reason}",
            expected=f"one of {known}",
            where="data_contracts/sites",
            hint="A site is taken in only after its file names an ethics approval.",
        )
    return read_site_file(site_file_of(code))


def _shown(code: str) -> str:
    """Return what was given as a code; longer texts may be anything and are not repeated."""
    short = re.fullmatch(r"[A-Za-z0-9_-]{1,8}", code)
    return code if short else f"a text of {len(code)} characters"


def why_waiting(code: str) -> str:
    """Return why exports of a site wait; "" when they may be taken in."""
    if not _CODE.fullmatch(code):
        return "this is not a site code"
    path = site_file_of(code)
    return _why_not(read_site_file(path)) if path.is_file() else "this site has no file"


def _why_not(site: SiteConfig) -> str:
    if not site.ethics_ref or site.ethics_date is None:
        return "this site has no recorded ethics approval"
    registered = {
        one.site_code
        for one in read_registered_sites()
        if one.registration_status == _REGISTERED_STATUS
    }
    if not site.fictitious and site.code not in registered and not site.amendment_ref:
        return "this site is neither registered nor added by a documented amendment"
    return ""


def read_sites() -> tuple[SiteConfig, ...]:
    """Return every site that may deliver, by code; load sites only where their folder is set."""
    return _read_folders(_installed(), read_settings().load_sites)


@cache
def _read_folders(installed: Path, load_sites: Path | None) -> tuple[SiteConfig, ...]:
    paths = sorted(installed.glob("S*.yaml"))
    if load_sites is not None:
        # Only load sites come from outside: nobody lets a hospital in by a setting.
        paths += sorted(p for p in load_sites.glob("X*.yaml") if _LOAD_SITE.fullmatch(p.stem))
    return tuple(site for path in paths if not _why_not(site := read_site_file(path)))


def _installed() -> Path:
    return data_contracts_dir() / "sites"


def _folder_of(code: str) -> Path:
    load_sites = read_settings().load_sites
    return load_sites if load_sites and _LOAD_SITE.fullmatch(code) else _installed()


def read_site_file(path: Path) -> SiteConfig:
    """Read one site file, and refuse it by file and line when it cannot be used."""
    return _usable_site(path, read_signed(path), hospital_today(), read_registered_sites())


@lru_cache(maxsize=256)  # a night asks for its site some twenty times
def _usable_site(
    path: Path, content: bytes, _today: dt.date, _registered: tuple[RegisteredSite, ...]
) -> SiteConfig:
    document = parse_document(content, table_name(path))
    site, problems = check_site_file(path)
    if site is None or problems:
        field = tuple(problems[0].split(" ", 1)[0].split("."))
        raise ContractError(
            f"the site file cannot be used: {'; '.join(problems)}",
            where=document.where(field),
            hint=f"Mend it and look again: livercohort site check {path.stem}",
        )
    return site


def check_site_file(path: Path) -> tuple[SiteConfig | None, list[str]]:
    """Return one site file and all that is wrong with it, each in a sentence."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None, ["the file cannot be read as UTF-8"]
    site, problems = parse_site_file(text)
    if site is None:
        return None, problems
    if site.code != path.stem:
        problems.append(f"code is not the file's name ({path.stem})")
    if site.fictitious != is_fictitious(site.code):
        problems.append("fictitious contradicts the code (only S91-S99 and X001 up are)")
    names = ("name_en", "name_zh", "province_en", "province_zh", "level_zh")
    registered = {
        one.site_code: {name: str(getattr(one, name)) for name in names}
        for one in read_registered_sites()
    }
    return site, problems + contradictions(site, registered, today=hospital_today())


def site_file_of(code: str) -> Path:
    """Return where the file of a site lies, or would."""
    return _folder_of(code) / f"{code}.yaml"


def site_code(text: str) -> SiteCode:
    """Return `text` as the code of a site that may deliver, or refuse it."""
    return SiteCode(read_site(text).code)
