"""The wheels for x86-64 and arm64 promise what holds, and hash as was published on either."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[2]
MACHINES = {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64"}
#: What the compiled part and the compiler's own frame ask the C library for, and no more.
ASKED_FOR = {"memcpy", "memset", "getauxval", "__cxa_finalize", "__stack_chk_fail"}
#: FIPS 180-4 and its examples: of nothing, of `abc`, and of two blocks.
PUBLISHED = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
}
Request = tuple[bytes, int, int, bytes, bool]


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def skip_unless(there: object, what: str) -> None:
    if not there:
        if os.environ.get("LIVERCOHORT_REQUIRE_COMPILERS"):
            pytest.fail(f"{what} (LIVERCOHORT_REQUIRE_COMPILERS forbids the skip)")
        pytest.skip(what)


@pytest.fixture(scope="module", params=MACHINES)
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = module_of(ROOT / ".ci" / "wheels.py")
    skip_unless(script.compiler_for(request.param), f"no compiler for {request.param}")
    built = script.build(request.param, tmp_path_factory.mktemp(request.param))
    assert isinstance(built, Path), built
    return built


def library_of(wheel: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("schemas/native/sha256_lanes.so", folder))


def read_elf(library: Path, *what: str) -> str:
    skip_unless(shutil.which("readelf"), "no readelf")
    return subprocess.run(
        ["readelf", "--wide", *what, str(library)],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"},
    ).stdout  # fmt: skip


def test_the_wheel_is_named_for_what_is_in_it(wheel: Path, tmp_path: Path) -> None:
    processor = next(name for name in MACHINES if name in wheel.name)
    (tag,) = parse_wheel_filename(wheel.name)[3]
    assert tag == Tag("py3", "none", f"manylinux_2_17_{processor}")
    told = read_elf(library_of(wheel, tmp_path), "--file-header")
    assert re.search(r"Machine: +(.*)", told)[1] == MACHINES[processor]  # type: ignore[index]
    with zipfile.ZipFile(wheel) as archive:
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
        lines = archive.read(about).decode().splitlines()
    assert {"Root-Is-Purelib: false", f"Tag: {tag}"} <= set(lines)


def test_the_library_needs_of_glibc_what_2_17_has(wheel: Path, tmp_path: Path) -> None:
    """PEP 599 and PEP 600; every symbol that it does not bring itself, one by one."""
    told = read_elf(library_of(wheel, tmp_path), "--dyn-syms")
    needed = [line.split()[4:] for line in told.splitlines() if " UND " in line]
    named = {symbol[3].partition("@")[0]: symbol for symbol in needed if len(symbol) > 3}
    strong = {name: symbol[3] for name, symbol in named.items() if symbol[0] != "WEAK"}
    assert strong.keys() <= ASKED_FOR
    assert "memcpy" in strong, "the table was read"
    for name in strong:
        major, minor = re.search(r"@GLIBC_(\d+)\.(\d+)", strong[name]).groups()  # type: ignore[union-attr]
        assert (int(major), int(minor)) <= (2, 17), name


def test_a_blank_cc_names_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    script = module_of(ROOT / ".ci" / "wheels.py")
    monkeypatch.delenv("CC", raising=False)
    usual = script.compiler_for(platform.machine())
    monkeypatch.setenv("CC", "  ")
    assert script.compiler_for(platform.machine()) == usual


def test_this_machine_s_wheel_is_one_that_pip_takes_here(wheel: Path) -> None:
    from packaging.tags import sys_tags

    here = platform.machine() in wheel.name
    assert here == bool(parse_wheel_filename(wheel.name)[3] & set(sys_tags()))


@pytest.mark.parametrize(
    ("source", "flags", "promised"),
    [
        ("#include <string.h>\nvoid *f(void *a, size_t n){return memset(a, 1, n);}", "", True),
        ("#include <sys/random.h>\nlong f(void *a){return getrandom(a, 1, 0);}", "", False),
        ("double sin(double);\ndouble f(double a){return sin(a);}", "-lm", False),
        ("int f(void){return 1;}", "-nostdlib", False),
    ],
    ids=["memset", "getrandom of glibc 2.25", "another library", "no libc"],
)  # fmt: skip
def test_a_library_that_needs_more_is_promised_for_less(
    tmp_path: Path, source: str, flags: str, promised: bool
) -> None:
    skip_unless(shutil.which("cc") and shutil.which("readelf"), "no C compiler or no readelf")
    (tmp_path / "f.c").write_text(source, encoding="utf-8")
    made = tmp_path / "f.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(made), str(tmp_path / "f.c")]
    subprocess.run([*command, *flags.split()], check=True)
    tag = module_of(ROOT / "hatch_build.py").platform_of(made)
    assert tag == f"{'manylinux_2_17' if promised else 'linux'}_{platform.machine()}"


@pytest.fixture(scope="module")
def on_arm64(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command that asks the library of the arm64 wheel, on arm64 or under QEMU."""
    script = module_of(ROOT / ".ci" / "wheels.py")
    compiler = script.compiler_for("aarch64")
    skip_unless(compiler, "no compiler for arm64 (Debian: gcc-aarch64-linux-gnu)")
    emulator: list[str] = []
    if platform.machine() != "aarch64":
        skip_unless(shutil.which("qemu-aarch64"), "no qemu-aarch64 (Debian: qemu-user)")
        emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    folder = tmp_path_factory.mktemp("arm64")
    built = script.build("aarch64", folder)
    assert isinstance(built, Path), built
    asks = folder / "ask_library"
    flags = ["-O2", "-std=c11", "-Wall", "-Werror", "-rdynamic", "-o", str(asks), "-ldl"]
    source = str(Path(__file__).with_name("ask_library.c"))
    subprocess.run([*compiler.split(), source, *flags], check=True)
    return [*emulator, str(asks), str(library_of(built, folder))]


def asked(command: list[str], requests: Iterable[Request]) -> list[str]:
    """Return what the library says: whether it can, then the digests of each request."""
    lines = [f"{b} {e} {whole:d} x{f.hex()} x{h.hex()}" for f, b, e, h, whole in requests]
    ran = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def by_hashlib(file: bytes, begin: int, end: int, head: bytes, whole: bool) -> str:
    pixels = file[begin:end]
    messages = [pixels, head + pixels, *([file] if whole else [])]
    return "".join(hashlib.sha256(one).hexdigest() for one in messages)


def test_on_arm64_published_digests_are_found(on_arm64: list[str]) -> None:
    requests: list[Request] = [(one, 0, len(one), b"", True) for one in PUBLISHED]
    requests += [(one[1:], 0, max(len(one) - 1, 0), one[:1], False) for one in PUBLISHED]
    can, *found = asked(on_arm64, requests)
    assert can == "can 1"
    whole, split = found[: len(PUBLISHED)], found[len(PUBLISHED) :]
    assert whole == [3 * digest for digest in PUBLISHED.values()]
    assert [one[64:] for one in split] == list(PUBLISHED.values())


def test_on_arm64_every_length_gives_what_hashlib_gives(on_arm64: list[str]) -> None:
    """Up to six blocks, and one object of many; nothing is read behind file or head."""
    file = bytes((7 * n + n // 256) % 256 for n in range(60_000))
    requests: list[Request] = [(file, 4321, 59_990, file[:999], whole) for whole in (True, False)]
    for n in range(390):
        for begin, head in ((0, n), (n % 67, (3 * n) % 131), (65, 64)):
            for whole in (True, False):
                requests.append((file[: n + 70], begin, max(begin, n), file[:head], whole))
                requests.append((file[:n], min(begin, n), n, file[:head], whole))
    _, *found = asked(on_arm64, requests)
    assert found == [by_hashlib(*one) for one in requests]


def test_on_arm64_what_lies_outside_of_the_file_is_refused(on_arm64: list[str]) -> None:
    inside = (bytes(100), 100, 100, b"", True)
    outside = [(bytes(100), begin, end, b"", True) for begin, end in ((0, 101), (7, 6), (101, 101))]
    _, *found = asked(on_arm64, [*outside, inside])
    assert found == ["outside", "outside", "outside", by_hashlib(*inside)]


def test_on_arm64_without_the_instructions_it_says_that_it_cannot(on_arm64: list[str]) -> None:
    assert asked([*on_arm64, "without"], []) == ["can 0"]
