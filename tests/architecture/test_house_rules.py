"""The house and its rooms: who may touch what, held by reading the imports."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "tasks", "schemas")
MODULES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
#: Of stages, all but what applies a plan or reports it.
PURE = [
    path
    for path in MODULES
    if path.relative_to(ROOT).parts[0] == "tasks"
    and not (path.name == "task.py" or path.name.startswith("store"))
]
STAGES = sorted(p for p in (ROOT / "tasks").iterdir() if p.is_dir() and p.name != "__pycache__")
#: What touches files, processes or databases.
IMPURE = {"subprocess", "sqlite3", "duckdb", "shutil", "tempfile", "multiprocessing", "os"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# Hundreds of modules, each asked by several rules: parsed once.
@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(text_of(path))))


@cache
def imports(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
            found += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(found)


def importing(paths: list[Path], forbidden: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Return (module, import) of every import that is forbidden."""
    return [(name_of(path), name) for path in paths for name in imports(path) if forbidden(name)]


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 400
    assert len(PURE) > 200


def test_only_flows_and_what_shows_runs_import_prefect() -> None:
    others = [p for p in MODULES if name_of(p).split("/")[0] != "flows"]
    others = [p for p in others if p.name != "shown_runs.py"]
    assert importing(others, lambda name: name.split(".")[0] == "prefect") == []


def test_pure_modules_touch_no_file_process_or_database() -> None:
    assert importing(PURE, lambda name: name.split(".")[0] in IMPURE or ".store" in name) == []


#: Calls by which a module reads a file, or changes what is on the disk.
READS = {"open", "read_text", "read_bytes", "read_table", "ParquetFile", "glob", "rglob"}
CHANGES = {
    *("write_text", "write_bytes", "write_table", "mkdir", "rmdir", "unlink", "touch", "rename"),
    *("symlink_to", "hardlink_to", "chmod", "savez", "save_as"),
}
#: Pure modules that read a table, text or template that ships with the product, and which.
PACKAGE_READERS = {
    "tasks/clinical/form_contracts.py": "forms under data_contracts/site_delivery",
    "tasks/convert/sidecar.py": "keys of sidecars under data_contracts/conversion",
    "tasks/deidentify/rules/codes.py": "coded entries under data_contracts",
    "tasks/deidentify/rules/dropped.py": "reasons under data_contracts",
    "tasks/deidentify/rules/encoder_notes.py": "notes of encoders under data_contracts",
    "tasks/deidentify/search/own_words.py": "the words of the product's own tables",
    "tasks/deidentify/rules/profile.py": "the allow-list under data_contracts/deidentification",
    "tasks/evaluate/rules.py": "matching rules under data_contracts/evaluation",
    "tasks/harmonise/reconstruction.py": "kernels under data_contracts/sequence_labels",
    "tasks/harmonise/rules.py": "label rules under data_contracts/sequence_labels",
    "tasks/harmonise/vocabulary.py": "words under data_contracts/sequence_labels",
    "tasks/inspect/rules.py": "rules under data_contracts/inspection",
    "tasks/measure/catalogue.py": "metrics, parameters and phases under data_contracts/measure",
    "tasks/publish/documents/words.py": "its own words",
    "tasks/report/frame.py": "its own style sheets, scripts and templates",
    "tasks/report/messages.py": "its own messages",
    "tasks/report/phrases.py": "its own phrases",
    "tasks/simulate/people/forms.py": "forms under data_contracts/site_delivery",
}


def file_calls(path: Path, names: set[str]) -> list[str]:
    """Return the calls of a module by which it reaches for files, archives in memory apart."""
    calls = (node.func for node in nodes_of(path) if isinstance(node, ast.Call))
    found = []
    for call in calls:
        if isinstance(call, ast.Name) and call.id in names:
            found.append(call.id)
        elif isinstance(call, ast.Attribute) and call.attr in names:
            owner = ast.unparse(call.value)
            if owner not in ("archive", "book"):
                found.append(f"{owner}.{call.attr}")
    return found


def test_pure_modules_open_nothing_but_what_ships_with_the_product() -> None:
    forbidden = {
        name_of(path): CHANGES if name_of(path) in PACKAGE_READERS else CHANGES | READS
        for path in PURE
    }
    found = {name: file_calls(ROOT / name, calls) for name, calls in forbidden.items()}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_the_check_of_open_files_sees_them(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "open('a')\npath.open()\n(folder / name).read_bytes()\npath.write_text('')\n"
        "json.loads(Path(name).read_text())\narchive.open('member')\n",
        encoding="utf-8",
    )
    assert len(file_calls(module, READS)) == 4
    assert len(file_calls(module, CHANGES)) == 1


def test_only_validation_reads_the_expectations() -> None:
    others = [p for p in MODULES if "validate" not in p.relative_to(ROOT).parts]
    others = [p for p in others if p.name != "package_data.py"]
    assert importing(others, lambda name: name.endswith("expectations_dir")) == []


#: What else they read beside signed tables: answers of sites, a release, words beside the code.
READS_MORE = {
    "schemas/conformity.py",
    "tasks/queries/store.py",
    "tasks/report/store_release.py",
    "tasks/validate/store.py",
}


_KNOWS_TABLES = re.compile(r"\b(data_contracts_dir|label_tables_root|expectations_dir)\b")
_READS_TABLES = re.compile(r"csv\.(reader|DictReader)|read_csv|yaml\.\w*load")


def test_signed_tables_are_read_by_their_one_reader() -> None:
    knowing = {
        name_of(path): text_of(path) for path in MODULES if _KNOWS_TABLES.search(text_of(path))
    }
    assert knowing.keys() >= READS_MORE
    reading = {name for name, text in knowing.items() if _READS_TABLES.search(text)}
    assert reading - READS_MORE == set()


def test_no_stage_reads_the_simulator_or_its_answer_key() -> None:
    others = [p for p in MODULES if "simulate" not in p.relative_to(ROOT).parts]
    others = [p for p in others if name_of(p).split("/")[0] != "flows"]
    assert importing(others, lambda name: name.startswith("tasks.simulate")) == []
    assert [name_of(path) for path in others if "answer_key" in text_of(path)] == []


def test_modules_stay_small_enough_to_read() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    lines = {name_of(path): len(text_of(path).splitlines()) for path in [*MODULES, *tests]}
    assert {name: n for name, n in lines.items() if n > 400} == {}


def test_package_files_are_empty_so_pure_imports_stay_light() -> None:
    assert [name_of(p) for p in MODULES if p.name == "__init__.py" and text_of(p)] == []


def test_flows_define_no_classes_and_read_no_environment() -> None:
    for name in ("ingest_site", "release_cohort", "demo"):
        tree = ast.parse((ROOT / "flows" / f"{name}.py").read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        assert "os" not in {n.split(".")[0] for n in imports(ROOT / "flows" / f"{name}.py")}


def test_every_stage_stands_in_the_contract_that_keeps_stages_apart() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (apart,) = (
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
    )
    assert set(apart["modules"]) == {f"tasks.{stage.name}" for stage in STAGES}


def test_every_scheduled_site_has_its_deployment_and_no_other_has() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    planned = {
        d["name"]: (d["parameters"]["site"], d["schedules"][0]["cron"])
        for d in deployments
        if d["parameters"].get("site")
    }
    sites = (ROOT / "data_contracts" / "sites").glob("S*.yaml")
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sites]
    scheduled = {s["code"]: (s["code"], s["schedule"]["cron"]) for s in files if s.get("schedule")}
    assert planned == scheduled
    assert all(d["schedules"][0]["timezone"] == "Asia/Shanghai" for d in deployments)


def test_the_lock_is_hashed_and_names_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if "==" in line]
    assert pins
    assert all(line.endswith("\\") for line in pins)
    assert not [line for line in lines if "://" in line]
    assert not [
        line for line in lines if line.startswith(("-i", "--index", "--extra-index", "--find"))
    ]
