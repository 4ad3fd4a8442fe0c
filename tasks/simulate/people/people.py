"""Invented persons: names in Han and pinyin, resident ID numbers, telephones, addresses.

No real person is meant. Resident ID numbers carry a valid check digit (ISO 7064 MOD 11-2)
and an existing county, because detectors look for both, and the last sequence numbers of a
day (996 to 999), so that a real person's number is unlikely; neither these nor the
telephone numbers come from a range known to be kept free, so chance agreement is possible.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tasks.simulate.random_streams import pick, stream

_SURNAMES = (
    ("欧阳", "OUYANG"),
    ("诸葛", "ZHUGE"),
    ("贺", "HE"),
    ("薛", "XUE"),
    ("傅", "FU"),
    ("沈", "SHEN"),
    ("韩", "HAN"),
    ("唐", "TANG"),
    ("秦", "QIN"),
    ("尹", "YIN"),
    ("邵", "SHAO"),
    ("孟", "MENG"),
    ("段", "DUAN"),
    ("钱", "QIAN"),
    ("汤", "TANG"),
    ("黎", "LI"),
)
_GIVEN = (
    ("明远", "MINGYUAN"),
    ("淑珍", "SHUZHEN"),
    ("国栋", "GUODONG"),
    ("丽华", "LIHUA"),
    ("志强", "ZHIQIANG"),
    ("春燕", "CHUNYAN"),
    ("建业", "JIANYE"),
    ("玉兰", "YULAN"),
    ("宏伟", "HONGWEI"),
    ("慧敏", "HUIMIN"),
    ("永康", "YONGKANG"),
    ("雪梅", "XUEMEI"),
    ("文博", "WENBO"),
    ("桂芳", "GUIFANG"),
    ("德胜", "DESHENG"),
    ("婉清", "WANQING"),
)
_REGIONS = ("110101", "110105", "110108", "120101", "310101", "310104")
_STREETS = ("望春路", "听涛街", "梧桐巷", "晚晴路", "石榴弄")
_CHECK_DIGITS = "10X98765432"


@dataclass(frozen=True)
class Person:
    """One invented person."""

    name_han: str
    surname_pinyin: str
    given_pinyin: str
    sex: str
    birth_date: dt.date
    resident_id: str
    mobile: str
    address: str
    contact: str

    @property
    def name_caret(self) -> str:
        """Family and given name as a DICOM person name."""
        return f"{self.surname_pinyin}^{self.given_pinyin}"

    @property
    def name_spaced(self) -> str:
        """Name as people type it into a free text."""
        return f"{self.surname_pinyin} {self.given_pinyin}"

    @property
    def name_glued(self) -> str:
        """Name as it ends in series and folder names."""
        return f"{self.surname_pinyin}{self.given_pinyin}".lower()


def resident_id(region: str, birth_date: dt.date, sequence: int) -> str:
    """Return an 18-character number with its check digit (GB 11643, ISO 7064 MOD 11-2)."""
    body = f"{region}{birth_date:%Y%m%d}{sequence:03d}"
    weighted = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(body))
    return body + _CHECK_DIGITS[weighted % 11]


def name_of(seed: int, *parts: object) -> tuple[str, str, str]:
    """Return a name: Han, surname in pinyin, given name in pinyin."""
    chance = stream(seed, "name", *parts)
    surname = pick(chance, _SURNAMES)
    given = pick(chance, _GIVEN)
    return surname[0] + given[0], surname[1], given[1]


def make_person(seed: int, number: int, birth_date: dt.date) -> Person:
    """Return the person with this number; different numbers below 256 give different names."""
    step = (number * 7 + seed * 5) % 256
    surname, given = _SURNAMES[step % 16], _GIVEN[(step // 16 + step) % 16]
    chance = stream(seed, "person", number)
    sex = "F" if (step // 16 + step) % 2 else "M"
    street = pick(chance, _STREETS)
    return Person(
        name_han=surname[0] + given[0],
        surname_pinyin=surname[1],
        given_pinyin=given[1],
        sex=sex,
        birth_date=birth_date,
        resident_id=resident_id(
            pick(chance, _REGIONS), birth_date, 996 + 2 * int(chance.integers(2)) + (sex == "M")
        ),
        mobile=f"170{int(chance.integers(10**7, 10**8 - 1)):08d}",
        address=f"{street}{int(chance.integers(11, 999))}号{int(chance.integers(101, 2999))}室",
        contact=name_of(seed, "contact", number)[0],
    )
