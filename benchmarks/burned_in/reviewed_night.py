"""A night with names drawn into pixels, reviewed through the page by keyboard, and released.

    python -m benchmarks.burned_in.reviewed_night FOLDER [--sites 9] [--subjects 1] [--seed 7]

Simulates exports with the fault `burned_in_styles`, which one site has, and draws the name that
the header says into a series of every site with another pen. Takes them in, opens the review page
in Chromium, decides every case by keys alone (mask where something was found in a place, else
reject), imports, takes in again, releases. Then everything released is read by the same models:
the DICOM of the warehouse by `livercohort inspect`, the report's pictures here, against the names
and numbers of the answer key; and no ink that was drawn may stand in any released pixel, which
needs no model. Screenshots of both languages go to FOLDER.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page
from pydicom import dcmread

from benchmarks.burned_in.detection import STANDING, Text, drawn, series_below
from tasks.inspect.rules import load_rules
from tasks.inspect.store_models import read_models
from tasks.inspect.store_reader import Reader
from tests.chromium import Watch, find_chromium, started_chromium

#: Kinds of the answer key that stand in pictures.
_DRAWN = ("name", "patient_id")
_SHORTEST = 2
_SAME_SHARE = 0.5
#: What is masked is looked at again: text read then is masked in the next round.
_MOST_ROUNDS = 3


def main() -> None:
    """Run the night and print what is left of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=9)
    parser.add_argument("--subjects", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    home = asked.folder / "home"
    sizes = {"--sites": asked.sites, "--subjects": asked.subjects, "--seed": asked.seed}
    options = [str(part) for pair in sizes.items() for part in pair]
    nights = ["--nights", "1", "--faults", "burned_in_styles"]
    cli("simulate", home / "inbox", *options, *nights)
    inked = draw_names(home / "inbox", asked.seed)
    print(f"a name drawn into a series of {len(inked)} sites, {sum(map(len, inked))} images")
    cli("key", "create", "--home", home)
    night = cli("ingest", "--all", "--home", home, "--json")
    print("first night", states(night))
    for number in range(1, _MOST_ROUNDS + 1):
        held = cli("quarantine", "list", "--home", home, "--json")
        print(f"round {number}: held", dict(Counter(row["reason_code"] for row in held)))
        if not held:
            break
        decided_round(home, asked.folder, len(held))
    print("a night more", cli("ingest", "--all", "--home", home, "--json")["nights"])
    print("release", cli("release", "--home", home, "--json")["version"])
    looked = cli("inspect", home / "warehouse" / "dicom", "--json")
    print("read again: series", dict(Counter(row["outcome"] for row in looked)))
    print("pictures", pictures(home))
    print("ink of names:", ink_left(home / "warehouse" / "dicom", inked))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"CPU seconds of all commands: {used.ru_utime + used.ru_stime:.0f}")


@dataclass(frozen=True)
class Inked:
    """An image as it was delivered with a name in it, and where the ink of it is full."""

    image: NDArray[Any]
    ink: NDArray[np.bool_]


def draw_names(inbox: Path, seed: int) -> list[list[Inked]]:
    """Draw the PatientName of the header into one series of each site, each in another way."""
    ways = itertools.cycle(
        itertools.product(("white", "grey"), (0, 90), ("corner", "anatomy"), STANDING)
    )
    sites = sorted(path for path in inbox.iterdir() if re.fullmatch(r"S\d\d", path.name))
    done = []
    for number, (site, way) in enumerate(zip(sites, ways, strict=False)):
        rng = random.Random(f"{seed} {site.name}")
        with unpacked(site) as folder:
            done.append(draw_name(folder, number, way, rng))
    return [inked for inked in done if inked]


@contextmanager
def unpacked(site: Path) -> Iterator[Path]:
    """Give the files of a site, of one that sends an archive too, and pack them again."""
    for archive in site.glob("*.zip"):
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
            yield Path(folder)
            shutil.make_archive(str(archive.with_suffix("")), "zip", folder)
        return
    yield site


def draw_name(
    folder: Path, number: int, way: tuple[str, int, str, str], rng: random.Random
) -> list[Inked]:
    """Draw into the first series that has room; return its images, none if no series has."""
    contrast, turn, place, standing = way
    for slices in series_below(folder):
        headers = [dcmread(path) for path in slices.files]
        for header in headers:
            if header.file_meta.TransferSyntaxUID.is_encapsulated:
                header.decompress(generate_instance_uid=False)
        images = np.stack([header.pixel_array for header in headers])
        words = str(headers[0].PatientName.ideographic or headers[0].PatientName).strip()
        text = Text(number, words.replace("^", " "), 12, contrast, turn, place, standing, 0)
        made = drawn(images, headers[0], text, rng)
        if made is None:
            continue
        for path, header, image in zip(slices.files, headers, made[0], strict=True):
            header.PixelData = image.tobytes()
            header.save_as(path)
        return [Inked(new, new != old) for new, old in zip(made[0], images, strict=True)]
    return []


def ink_left(dicom: Path, inked: list[list[Inked]]) -> dict[str, int]:
    """Return how many images that were drawn on were released, and on how many ink is left."""
    known = [one for series in inked for one in series if one.ink.any()]
    found: Counter[str] = Counter(released=0, with_ink=0)
    for path in sorted(dicom.rglob("*.dcm")):
        values = dcmread(path).pixel_array
        for one in known:
            # The same image but for a mask: nothing else changes pixels.
            if values.shape == one.image.shape and np.mean(values == one.image) > _SAME_SHARE:
                left = np.mean(values[one.ink] == one.image[one.ink])
                found["released"] += 1
                found["with_ink"] += bool(left > 0)
    return dict(found)


def decided_round(home: Path, folder: Path, n_held: int) -> None:
    """Decide everything on the page, import it, and take it in."""
    built = cli("quarantine", "page", "--home", home, "--json")
    saved, seconds = review(Path(built["page"]), folder)
    print(f"decided {n_held} holds by keyboard, {seconds / n_held:.1f} s each by the program")
    taken = cli("quarantine", "import", saved, "--home", home, "--json")
    print("decisions", dict(Counter(row["outcome"] for row in taken)))
    print("next night", states(cli("ingest", "--all", "--home", home, "--json")))


def cli(*arguments: object) -> Any:
    """Run a command and return what it printed as JSON, if it was asked to."""
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode > 1:
        sys.exit(ended.stderr)
    return json.loads(ended.stdout) if "--json" in arguments else None


def states(night: dict[str, Any]) -> dict[str, int]:
    """Return the files of all batches of a night by state."""
    counts: Counter[str] = Counter()
    for site in night["nights"]:
        for batch in site["batches"]:
            counts.update(batch["counts"])
    return {state: count for state, count in counts.items() if count}


def review(index: Path, folder: Path) -> tuple[Path, float]:
    """Decide every case by keys; return the file that was saved, and how long it took."""
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium")
    watch = Watch()
    with started_chromium(executable) as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        watch.follow(context)
        page = context.new_page()
        page.goto(index.as_uri())
        shoot(page, folder)
        started = time.monotonic()
        cases = page.evaluate("window.desk.cases")
        for case in cases:
            page.keyboard.press("3" if case["seen"] and "mask" in case["actions"] else "2")
            page.keyboard.press("Enter")
        seconds = time.monotonic() - started
        page.locator("[data-reviewer]").fill("QC01")
        page.locator("[data-reviewer]").blur()
        with page.expect_download() as handed:
            page.keyboard.press("s")
        path = folder / handed.value.suggested_filename
        handed.value.save_as(path)
        context.close()
    print(f"requests {len(watch.outside)}, errors {len(watch.errors)}")
    return path, seconds


def shoot(page: Page, folder: Path) -> None:
    """Keep a picture of the page in both languages, with a mask drawn."""
    page.keyboard.press("3")
    for language in ("en", "zh"):
        page.locator(f"[data-set-language={language}]").click()
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"desk_{language}.png")
    page.locator("[data-set-language=en]").click()
    page.locator("[data-canvas]").focus()


def pictures(home: Path) -> dict[str, int]:
    """Return how many pictures of reports there are, and in how many a name was read."""
    rows = pq.read_table(home / "inbox" / "answer_key" / "identifiers.parquet").to_pylist()
    words = {
        plain(str(row["value"]))
        for row in rows
        if str(row["kind"]).startswith(_DRAWN) and len(str(row["value"])) >= _SHORTEST
    }
    models = read_models(load_rules())
    reader = Reader(*(models[name] for name in ("detection", "recognition")))
    found: Counter[str] = Counter()
    for path in sorted((home / "reports").rglob("*.webp")):
        found["pictures"] += 1
        read = "".join(plain(one.text) for one in reader.read(planes(path)))
        found["with a name or number"] += any(word in read for word in words)
    return dict(found)


def planes(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture as three equal planes whose sides the detector takes."""
    with Image.open(path) as picture:
        grey = np.asarray(picture.convert("L"))
    rows, columns = (-(-side // 32) * 32 for side in grey.shape)
    padded = np.zeros((rows, columns), np.uint8)
    padded[: grey.shape[0], : grey.shape[1]] = grey
    return np.stack([padded] * 3)


def plain(text: str) -> str:
    """Return a text as it is compared: no blanks, no case, no separators."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


if __name__ == "__main__":
    main()
