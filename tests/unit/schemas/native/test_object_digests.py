"""Digests made all at once are those of `hashlib`, which stands in wherever they are not."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.native import object_digests as module
from schemas.native.object_digests import Digests, object_digests, one_by_one, together
from tests.unit.schemas.native.conftest import SOURCE, hook, skip_without_compiler, sources_in

#: FIPS 180-4 and its examples: of nothing, of `abc`, and of two blocks.
PUBLISHED = {
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": (
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
}


@pytest.fixture(scope="module")
def compiled(compiled_library: Path) -> Digests:
    found = together(compiled_library)
    if found is None:
        pytest.skip("this processor has no SHA instructions")
    return found


@pytest.mark.parametrize(("message", "digest"), PUBLISHED.items(), ids=["0", "3", "56"])
def test_published_digests_are_found(compiled: Digests, message: bytes, digest: str) -> None:
    for many in (compiled, one_by_one):
        found = many(message, 0, len(message), b"", True)
        assert found == (digest, digest, digest)
        split = many(message, 1 if message else 0, len(message), message[:1], True)
        assert split.output == digest


def test_every_length_gives_what_hashlib_gives(compiled: Digests) -> None:
    file = bytes((7 * n + n // 256) % 256 for n in range(700))
    for n in range(300):
        for begin, head in ((0, n), (n % 67, (3 * n) % 131), (65, 64)):
            arguments = (file[: n + 70], begin, max(begin, n), file[:head])
            for whole in (True, False):
                assert compiled(*arguments, whole) == one_by_one(*arguments, whole)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=900), st.binary(max_size=300), st.integers(0, 900), st.integers(0, 900))
def test_any_bytes_give_what_hashlib_gives(
    compiled: Digests, file: bytes, head: bytes, one: int, two: int
) -> None:
    begin, end = sorted((min(one, len(file)), min(two, len(file))))
    assert compiled(file, begin, end, head, True) == one_by_one(file, begin, end, head, True)


def test_a_large_object_gives_what_hashlib_gives(compiled: Digests) -> None:
    file = bytes(range(256)) * 2100
    for whole in (True, False):
        found = compiled(file, 4321, len(file) - 3, file[:999], whole)
        assert found == one_by_one(file, 4321, len(file) - 3, file[:999], whole)
        assert object_digests(file, 4321, len(file) - 3, file[:999], whole=whole) == found


@pytest.mark.parametrize(("begin", "end"), [(0, 101), (-1, 5), (7, 6), (101, 101), (0, 1 << 40)])
def test_nothing_beyond_the_file_is_read(compiled: Digests, begin: int, end: int) -> None:
    with pytest.raises(ValueError, match="within the file"):
        compiled(bytes(100), begin, end, b"", True)
    with pytest.raises(ValueError, match="within the file"):
        object_digests(bytes(100), begin, end, b"", whole=True)


def test_a_library_that_hashes_otherwise_is_not_used(
    compiled: Digests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = sources_in(tmp_path)
    text = SOURCE.read_text(encoding="utf-8")
    assert "0x1f83d9ab" in text
    (wrong / SOURCE.name).write_text(text.replace("0x1f83d9ab", "0x1f83d9aa"), encoding="utf-8")
    assert hook().in_place(tmp_path) == ""
    assert together(wrong / "sha256_lanes.so") is None


def test_without_a_library_hashlib_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert together(tmp_path / "sha256_lanes.so") is None
    (tmp_path / "no.so").write_bytes(b"no library")
    assert together(tmp_path / "no.so") is None
    monkeypatch.setattr(module, "together", lambda: None)
    file = bytes(1 << 16)
    assert object_digests(file, 9, 60000, b"x", whole=True) == one_by_one(
        file, 9, 60000, b"x", True
    )


def test_without_a_compiler_the_build_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = sources_in(tmp_path)
    monkeypatch.setenv("CC", "/nowhere/cc")
    assert "no C compiler" in hook().in_place(tmp_path)
    monkeypatch.setenv("CC", f"{sys.executable} -c 'import sys; sys.exit(\"spoilt\")'")
    assert "spoilt" in hook().in_place(tmp_path)
    assert not list(native.glob("*.so"))


@pytest.mark.parametrize("made", [b"no program at all", b"\x7fELF\x02\x01" + bytes(12) + b"\xf3\0"])
def test_what_is_compiled_for_another_processor_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bytes
) -> None:
    """What is no ELF at all, as on macOS, and RISC-V (`e_machine` 243), which has no such part."""
    native = sources_in(tmp_path)
    writes = f"import sys; open(sys.argv[sys.argv.index('-o') + 1], 'wb').write({made!r})"
    monkeypatch.setenv("CC", shlex.join([sys.executable, "-c", writes]))
    assert "has no compiled part" in hook().in_place(tmp_path)
    assert not list(native.glob("*.so"))


def test_a_compiler_for_another_machine_leaves_the_tree_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_compiler()
    native = sources_in(tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert hook().in_place(tmp_path).endswith("and this is riscv64")
    assert not list(native.glob("*.so"))


@pytest.mark.parametrize("stated", ["", " ", "cc 'open", "{file}", "{python} -c {spoilt}"])
def test_whatever_stands_in_the_way_of_compiling_ends_no_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    """CC empty, no command, a file that may not be run; a compiler that prints no UTF-8."""
    native = tmp_path / "schemas" / "native"
    native.mkdir(parents=True)
    file = tmp_path / "cc"
    file.write_text("no program", encoding="utf-8")
    spoilt = "'import sys; sys.stderr.buffer.write(b\"\\xff\"); sys.exit(1)'"
    monkeypatch.setenv("CC", stated.format(file=file, python=sys.executable, spoilt=spoilt))
    assert hook().in_place(tmp_path) != ""  # there is no source either
    assert not list(native.iterdir())


def test_a_source_that_cannot_be_written_gives_the_pure_wheel(
    tmp_path: Path,
) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "native").write_bytes(b"")  # whoever asks: nothing is written below it
    assert hook().in_place(tmp_path) != ""


def test_nothing_stands_out_of_bounds_under_the_sanitizers(tmp_path: Path) -> None:
    """The same lengths under ASan and UBSan, in a process of their own."""
    skip_without_compiler()
    program = tmp_path / "lengths.c"
    program.write_text(
        f"""#include "{SOURCE}"
#include <stdlib.h>
int main(void) {{
    if (!sha256_lanes_can()) return 0;
    for (size_t n = 0; n < 200; n++)
        for (size_t begin = 0; begin <= n; begin += 13) {{
            uint8_t *file = malloc(n), *head = malloc(begin), digests[96];
            memset(file, 7, n), memset(head, 9, begin);
            sha256_lanes(file, n, begin, n - (n - begin) / 3, head, begin, n % 2, digests);
            free(file), free(head);
        }}
    for (size_t n = 0; n < 200; n++) {{
        uint8_t *streams = malloc(3 * sha256_stream_bytes()), digests[96];
        sha256_streams_start((Stream *)streams, 3);
        for (size_t turn = 1; turn < 5; turn++) {{
            const size_t sizes[3] = {{n, n / turn, (turn * 64 + n) % 97}};
            uint8_t *pieces[3];
            for (int i = 0; i < 3; i++) memset(pieces[i] = malloc(sizes[i]), 7, sizes[i]);
            const uint8_t *const given[3] = {{pieces[0], pieces[1], pieces[2]}};
            sha256_streams_update((Stream *)streams, 3, given, sizes);
            sha256_streams_digests((Stream *)streams, 3, digests);
            for (int i = 0; i < 3; i++) free(pieces[i]);
        }}
        free(streams);
    }}
    return 0;
}}
""",
        encoding="utf-8",
    )
    made = tmp_path / "lengths"
    flags = ["-O1", "-g", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    built = subprocess.run(
        ["cc", *flags, "-o", str(made), str(program)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip("this compiler has no sanitizers")
    ran = subprocess.run([str(made)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
