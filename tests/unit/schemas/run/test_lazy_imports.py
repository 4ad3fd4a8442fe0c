"""Modules that are put off are the modules themselves, loaded when something of them is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from schemas.run.lazy_imports import load_when_used, loaded_when_used


def test_a_module_is_loaded_when_it_is_used_and_one_that_is_loaded_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with loaded_when_used("colorsys", "json"):
        import colorsys
        import json
    assert "rgb_to_hls" not in object.__getattribute__(colorsys, "__dict__")
    assert colorsys.rgb_to_hls(0.0, 0.0, 0.0) == (0.0, 0.0, 0.0)
    assert json.loads("1") == 1


def test_a_module_may_be_put_off_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    load_when_used("colorsys")
    import colorsys

    assert "rgb_to_hls" not in object.__getattribute__(colorsys, "__dict__")
    assert colorsys.rgb_to_hls(0.0, 0.0, 0.0) == (0.0, 0.0, 0.0)


def test_great_expectations_runs_without_charts_and_statistics_and_they_work_when_used() -> None:
    program = """if True:
        import sys, pandas as pd
        from tasks.validate.engine import import_great_expectations, run_rules
        from tasks.validate.store import read_suites
        import_great_expectations()
        seldom = [sys.modules[name] for name in ("altair", "scipy.stats")]
        rules = [r for r in read_suites()["subject"].expectations if r.meta.rule_id == "SUB-KEY"]
        frames = {"subject": pd.DataFrame({"subject_id": ["a", "a"]})}
        (outcome,) = run_rules({"subject": rules}, frames, {"subject": ("subject_id",)})
        print(outcome.ran, outcome.success)
        print([type(m).__name__ for m in seldom], "scipy.stats._stats_py" in sys.modules)
        print(seldom[1].norm.cdf(0.0), seldom[0].Chart.__name__)
    """
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert said == "True False\n['_LazyModule', '_LazyModule'] False\n0.5 Chart\n"
