"""Swapped phases: how often pixels contradict labels that are wrong, and labels that are right.

Simulated exams, and stated as such: no label may follow from this until it was measured on real
ones. Nothing here is shared with the detector (`tasks.measure.passes`, `vessels`,
`phase_order`): bodies
are drawn from ellipsoids at random, enhancement comes from published models:

* arterial input: Parker et al., Magn Reson Med 2006;56:993-1000, widened by the cardiac output
  (first pass as long and as large as 1 / output; Bae et al., Radiology 1998;207:647-655), and
  for iodine by an injection of 25 to 35 s;
  The output is 5.5 +- 1.4 L/min, relative to 5.5; six exams of ten wait for the bolus, the others
  for a fixed time;
* liver: two inlets, one compartment, 17 to 25 % arterial (Materne et al., Clin Sci 2000;99:
  517-525), for gadoxetate with uptake into hepatocytes (Sourbron et al., Radiology 2012;263:
  874-883), halved and less in cirrhosis;
* MR signal: spoiled gradient echo, with coil shading and a gain that drifts between passes.

    python benchmarks/analyst/phases.py EXAMS_PER_AGENT SEED [RESULTS.jsonl]

With a file of results, exams are added to it and all that it holds are counted, so that a long
run can be cut in pieces.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np

from schemas.measurements import NoValue
from tasks.measure.catalogue import load_catalogue
from tasks.measure.passes import STEP_MM, levels_of_passes
from tasks.measure.phase_order import LabelledPass, Opinion, judge_order
from tasks.measure.volume import coarse_grid, patient_axes

AGENTS = ("iodine", "extracellular", "gadoxetate")
SHAPE, SPACING = (128, 96, 48), (3.2, 3.2, 4.5)
DT = 0.5


def arterial_input(rng, t, output, injection_s):
    """Return plasma concentration (mM at 0.1 mmol/kg), time in s after injection begins."""
    arrival = rng.uniform(10, 16) / output**0.7
    m = (t - arrival) / 60.0 * output**0.8  # minutes on the clock of a usual heart
    first = 0.809 / (0.0563 * np.sqrt(2 * np.pi)) * np.exp(-((m - 0.17046) ** 2) / (2 * 0.0563**2))
    first += 0.330 / (0.132 * np.sqrt(2 * np.pi)) * np.exp(-((m - 0.365) ** 2) / (2 * 0.132**2))
    first *= output ** (-0.2)
    later = (t - arrival) / 60.0
    washing = 1.05 * np.exp(-rng.uniform(0.10, 0.19) * later) / (1 + np.exp(-38.078 * (m - 0.483)))
    c = np.where(t >= arrival, first + washing, 0.0)
    if injection_s:
        box = np.ones(int(injection_s / DT)) / int(injection_s / DT)
        c = np.convolve(c, box)[: len(t)]
    return c, arrival


def delayed(c, t, delay, transit):
    kernel = np.exp(-np.arange(0, 8 * transit, DT) / transit)
    spread = np.convolve(c, kernel / kernel.sum())[: len(t)]
    return np.interp(t - delay, t, spread, left=0.0)


def curves(rng, agent, output):
    """Return concentrations over time: aorta, portal blood, liver outside and in cells, others."""
    t = np.arange(0, 1500, DT)
    injection = rng.uniform(25, 35) if agent == "iodine" else 0
    plasma, arrival = arterial_input(rng, t, output, injection)
    plasma = plasma * (0.25 if agent == "gadoxetate" else 1.0) * rng.uniform(0.85, 1.15)
    portal = delayed(plasma, t, rng.uniform(5, 9) / output**0.5, rng.uniform(6, 10))
    perfusion = rng.uniform(0.75, 1.2) / 60.0
    arterial = rng.uniform(0.17, 0.25)
    transit = rng.uniform(13, 20)
    inflow = perfusion * (arterial * plasma + (1 - arterial) * portal)
    decay = np.exp(-np.arange(0, 8 * transit, DT) / transit)
    liver = np.convolve(inflow, decay)[: len(t)] * DT
    uptake = rng.uniform(0.012, 0.045) / 60.0 if agent == "gadoxetate" else 0.0
    cells = np.cumsum(plasma * uptake) * DT
    muscle = np.convolve(plasma * 0.10 / 60.0, np.exp(-np.arange(0, 400, DT) / 90.0))[: len(t)] * DT
    spleen = delayed(plasma, t, 2.0, 12.0) * 0.45
    kidney = delayed(plasma, t, 2.0, 15.0) * 0.75
    return t, arrival, {
        "aorta": plasma * 0.55, "cava": delayed(plasma, t, 12.0 / output**0.5, 12.0) * 0.55,
        "portal": portal * 0.55, "liver": liver, "cells": cells, "muscle": muscle,
        "spleen": spleen, "kidney": kidney,
    }  # fmt: skip


def times_of(rng, agent, t, found, arrival):
    """Return phase -> seconds: by a fixed delay, or after the bolus was seen in the aorta."""
    tracked = rng.random() < 0.6
    if agent == "iodine":
        art = arrival + rng.uniform(14, 22) if tracked else rng.uniform(32, 42)
        times = {"pre": -1.0, "art": art, "pvp": rng.uniform(65, 80), "del": rng.uniform(170, 300)}
    else:
        art = arrival + rng.uniform(7, 13) if tracked else rng.uniform(20, 30)
        third = "del" if agent == "extracellular" else "trans"
        times = {"pre": -1.0, "art": art, "pvp": rng.uniform(58, 75), third: rng.uniform(170, 300)}
        if agent == "gadoxetate":
            times["hbp"] = rng.uniform(1080, 1400)
    times["pvp"] = max(times["pvp"], times["art"] + 25)
    return times


def ellipsoid(axes, centre, radii):
    return sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radii, strict=True)) <= 1.0


def anatomy(rng):
    """Return functions that draw tissue numbers for a breath (mm the organs moved)."""
    g = [np.arange(n) * s for n, s in zip(SHAPE, SPACING, strict=True)]
    x, y, z = np.meshgrid(*g, indexing="ij")
    cx, cy, height = g[0][-1] / 2, g[1][-1] / 2, g[2][-1]
    a, b = rng.uniform(140, 180), rng.uniform(95, 125)
    size = rng.uniform(0.85, 1.15)
    lean = rng.uniform(-15, 15)
    spine = (cx + rng.uniform(-5, 5), cy - 0.52 * b)
    aorta_r = rng.uniform(8, 12)
    side = rng.uniform(8, 16)

    def draw(dx, dy, dz):
        axes = (x - dx, y - dy, z - dz)
        tissue = np.zeros(SHAPE, dtype=np.int8)  # air
        body = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
        tissue[body] = 1  # fat
        wall = body & (((x - cx) / (a - 22)) ** 2 + ((y - cy) / (b - 20)) ** 2 > 1)
        inner = ((x - cx) / (a - 8)) ** 2 + ((y - cy) / (b - 8)) ** 2 <= 1
        tissue[wall & inner] = 2  # muscle
        psoas = ((np.abs(x - spine[0]) - 38) / 24) ** 2 + ((y - spine[1] + 6) / 20) ** 2 <= 1
        tissue[psoas & body] = 2
        top = height - 30 + dz
        lung = ellipsoid(axes, (cx + 0.5 * a, cy, top + 55), (0.36 * a, 0.72 * b, 70)) | ellipsoid(
            axes, (cx - 0.5 * a, cy, top + 55), (0.36 * a, 0.72 * b, 75)
        )
        tissue[
            ellipsoid(axes, (cx - 0.42 * a, cy + 0.25 * b, 0.55 * height), (40 * size, 34, 50))
            & inner
        ] = 8  # stomach
        tissue[
            ellipsoid(axes, (cx - 0.62 * a, cy - 0.3 * b, 0.6 * height), (24 * size, 34 * size, 45))
            & inner
        ] = 5  # spleen
        liver = ellipsoid(
            axes,
            (cx + 0.48 * a, cy + 0.02 * b, 0.52 * height),
            (0.40 * a * size, 0.66 * b, 92 * size),
        ) | ellipsoid(axes, (cx + 0.08 * a, cy + 0.42 * b, 0.62 * height), (62 * size, 34, 42))
        tissue[liver & inner] = 4
        tissue[lung & inner & (z > top)] = 0
        for sign in (-1, 1):
            where = (cx + sign * (0.36 * a), cy - 0.42 * b, 0.18 * height)
            tissue[ellipsoid(axes, where, (26, 28, 50)) & inner] = 6  # kidneys
        vein = ((axes[0] - cx - 14 - 0.3 * (axes[2] - height / 2)) / 7) ** 2 + (
            (axes[1] - cy - 12) / 7
        ) ** 2 <= 1
        tissue[vein & (np.abs(axes[2] - 0.5 * height) < 45)] = 7
        bone = ((x - spine[0]) / 22) ** 2 + ((y - spine[1]) / 19) ** 2 <= 1
        tissue[bone] = 3
        drift = lean * (z - height / 2) / height
        tube = (x - spine[0] + side + drift) ** 2 + (y - spine[1] - 19 - aorta_r) ** 2
        tissue[tube <= aorta_r**2] = 9
        cava = ((x - spine[0] - 24) / 12) ** 2 + ((y - spine[1] - 26) / 9) ** 2 <= 1
        tissue[cava] = 10
        return tissue

    return draw


KINDS = {0: None, 1: "fat", 2: "muscle", 3: "bone", 4: "liver", 5: "spleen", 6: "kidney",
         7: "portal", 8: "water", 9: "aorta", 10: "cava"}  # fmt: skip
HU = {"fat": -100, "muscle": 55, "bone": 330, "liver": 58, "spleen": 48, "kidney": 32,
      "portal": 42, "water": 8, "aorta": 42, "cava": 42}  # fmt: skip
T1_MS = {"fat": 350, "muscle": 1200, "bone": 550, "liver": 780, "spleen": 1250, "kidney": 1300,
         "portal": 1650, "water": 3000, "aorta": 1650, "cava": 1650}  # fmt: skip
M0 = {"fat": 0.25, "bone": 0.5}


def one_pass(rng, agent, tissue, second, t, found, exam):
    """Return stored numbers of one pass."""
    at = {n: float(np.interp(second, t, c)) if second > 0 else 0.0 for n, c in found.items()}
    table = np.zeros(len(KINDS), dtype=np.float32)
    for number, kind in KINDS.items():
        c = at.get(kind or "", 0.0)
        if agent == "iodine":
            table[number] = -900.0 if kind is None else HU[kind] + exam["hu_per_mm"] * c
        elif kind is not None:
            rate = 1000.0 / T1_MS[kind] / exam["t1"] + exam["r1"] * c
            rate += 12.0 * at["cells"] if kind == "liver" else 0.0
            e1 = np.exp(-exam["tr"] / 1000.0 * rate)
            flip = np.deg2rad(exam["flip"])
            signal = np.sin(flip) * (1 - e1) / (1 - np.cos(flip) * e1)
            table[number] = 8000.0 * M0.get(kind, 1.0) * signal
    values = table[tissue]
    if agent == "iodine":
        values = values + rng.normal(0, exam["noise"], values.shape)
        return np.clip(values, -1000, 3000).astype(np.int16)
    values = values * exam["shading"] * rng.normal(1, 0.02)
    noise = rng.normal(0, exam["noise"], (2, *values.shape))
    return np.hypot(values + noise[0], noise[1]).astype(np.int16)


def simulate(rng, agent):
    """Return phase -> (stored numbers, affine) of one exam, in true order."""
    output = float(np.clip(rng.normal(1.0, 0.25), 0.5, 1.7))
    t, arrival, found = curves(rng, agent, output)
    times = times_of(rng, agent, t, found, arrival)
    peak = found["aorta"].max()
    grids = [np.linspace(-1, 1, n) for n in SHAPE]
    x, y, z = np.meshgrid(*grids, indexing="ij")
    w = rng.uniform(-0.25, 0.25, 4)
    exam = {
        "hu_per_mm": rng.uniform(220, 400) / peak,
        "noise": rng.uniform(8, 22) if agent == "iodine" else rng.uniform(15, 45),
        "r1": 6.9 if agent == "gadoxetate" else 4.3,
        "t1": rng.uniform(0.85, 1.15), "tr": rng.uniform(3, 5), "flip": rng.uniform(9, 15),
        "shading": 1 + w[0] * x + w[1] * y + w[2] * z + 0.15 * (y**2 - 0.3) * np.sign(w[3]),
    }  # fmt: skip
    draw = anatomy(rng)
    affine = np.diag([*SPACING, 1.0])
    passes = {}
    for phase, second in times.items():
        breath = (rng.normal(0, 1.5), rng.normal(0, 1.5), float(np.clip(rng.normal(0, 7), -18, 18)))
        passes[phase] = one_pass(rng, agent, draw(*breath), second, t, found, exam)
    return passes, affine


def judged(levels, phases, *, is_ct):
    said = [
        LabelledPass(p, one.aorta, one.liver, one.portal)
        for p, one in zip(phases, levels, strict=True)
    ]
    return judge_order(said, load_catalogue().pairs, is_ct=is_ct)


def main() -> None:
    n, seed = int(sys.argv[1]), int(sys.argv[2])
    kept = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    spent = 0.0
    exams: list[dict[str, str]] = []
    for agent in AGENTS:
        rng = np.random.default_rng((seed, AGENTS.index(agent)))
        for _ in range(n):
            passes, affine = simulate(rng, agent)
            began = time.process_time()
            grids = [coarse_grid(patient_axes(v, affine), STEP_MM) for v in passes.values()]
            levels = levels_of_passes(grids, is_ct=agent == "iodine")
            spent += time.process_time() - began
            exams.append({"agent": agent, **opinions(agent, list(passes), levels)})
    if kept is not None:
        with kept.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"seed": seed, **one}) + "\n" for one in exams)
        exams = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    report(exams)
    print(f"{spent / (n * len(AGENTS)):.2f} CPU s an exam")


def opinions(agent, phases, levels):
    """Return what was said of the right labels, and of every pair swapped."""
    if isinstance(levels, NoValue):
        return {"undetermined": levels.value}
    is_ct = agent == "iodine"
    found = {"portal": "found" if levels[0].portal is not None else "not found"}
    found["right"] = judged(levels, phases, is_ct=is_ct).opinion.value
    for a, b in combinations(range(len(phases)), 2):
        told = list(phases)
        told[a], told[b] = told[b], told[a]
        opinion = judged(levels, told, is_ct=is_ct).opinion.value
        found[f"swapped {phases[a]}-{phases[b]}"] = opinion
    return found


def report(exams) -> None:
    print(f"simulated exams: {len(exams)}; every pair of phases swapped once in each")
    for agent in AGENTS:
        own = [one for one in exams if one["agent"] == agent]
        none = dict(Counter(one["undetermined"] for one in own if "undetermined" in one))
        portal = sum(one.get("portal") == "found" for one in own)
        print(f"{agent}: {len(own)} exams, undetermined {sum(none.values())} {none or ''}, "
              f"portal region found in {portal}")  # fmt: skip
        for kind in sorted({k for one in own for k in one if k == "right" or "swapped" in k}):
            by = Counter(one[kind] for one in own if kind in one)
            print(f"  {kind:18} " + "  ".join(f"{o.value} {by[o.value]}" for o in Opinion))
    told = [one for one in exams if "right" in one]
    swaps = [[v == Opinion.DISAGREES for k, v in one.items() if "swapped" in k] for one in told]
    alarms = [[one["right"] == Opinion.DISAGREES] for one in told]
    for name, found in (("swaps found", swaps), ("false alarms", alarms)):
        n, of = sum(map(sum, found)), sum(map(len, found))
        low, high = interval(found)
        print(f"{name}: {n} of {of} = {100 * n / max(1, of):.2f} % "
              f"(95 % interval over exams {100 * low:.2f} to {100 * high:.2f})")  # fmt: skip


def interval(found, draws=4000):
    """Return a bootstrap interval over exams: the swaps of one exam are not independent.

    Where nothing was found of n exams there is nothing to draw: 0 to 3 / n (rule of three).
    """
    hits, of = np.array([sum(f) for f in found]), np.array([len(f) for f in found])
    if not hits.any():
        return 0.0, 3.0 / len(found)
    at = np.random.default_rng(1).integers(0, len(found), (draws, len(found)))
    return np.percentile(hits[at].sum(axis=1) / of[at].sum(axis=1), (2.5, 97.5))


if __name__ == "__main__":
    main()
