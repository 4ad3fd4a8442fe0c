"""Do other tools read a release? Each in an environment of its own.

    PYTHONPATH=. python benchmarks/publish/readers.py RELEASE [--venvs DIR]

DuckDB 1.1.3, 1.2.2, 1.4.4, 1.5.6 and the one installed (2.0.0) open `cohort.duckdb` read-only,
count rows, query every view and look for comments. frictionless validates `datapackage.json`
with its data, mlcroissant loads every record set of `croissant.json`, rocrate loads the crate
and every file it lists, the notebook and the Python example run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

DUCKDB = ("1.1.3", "1.2.2", "1.4.4", "1.5.6")
METADATA = ("frictionless", "mlcroissant", "rocrate", "nbclient", "ipykernel", "duckdb", "pandas")

OPEN_DATABASE = """
import sys, duckdb
c = duckdb.connect(sys.argv[1] + "/cohort.duckdb", read_only=True)
def ask(sql): return [r[0] for r in c.execute(sql).fetchall()]
tables = ask("SELECT table_name FROM duckdb_tables() WHERE NOT internal")
rows = sum(ask(f'SELECT count(*) FROM "{t}"')[0] for t in tables)
views = ask("SELECT view_name FROM duckdb_views() WHERE NOT internal")
for v in views: ask(f'SELECT * FROM "{v}"')
bare = sum(ask(f"SELECT count(*) FROM {k}() WHERE NOT internal AND comment IS NULL")[0]
           for k in ("duckdb_tables", "duckdb_views", "duckdb_columns"))
columns = ask("SELECT count(*) FROM duckdb_columns() WHERE NOT internal")[0]
print(f"DuckDB {duckdb.__version__}: {len(tables)} tables, {rows} rows, "
      f"{len(views)} views queried, {columns} columns, {bare} without comment")
sys.exit(bool(bare))
"""
FRICTIONLESS = """
import sys, frictionless
report = frictionless.Package(sys.argv[1] + "/datapackage.json").validate()
for task in report.tasks:
    for e in task.errors[:3]: print("  ", task.name, e.type, e.note[:120])
print(f"frictionless {frictionless.__version__}: valid={report.valid}, "
      f"{len(report.tasks)} resources, {report.stats['errors']} errors")
sys.exit(not report.valid)
"""
CROISSANT = """
import sys, logging, warnings
from importlib.metadata import version
logging.disable(logging.CRITICAL); warnings.simplefilter("ignore")
import mlcroissant
d = mlcroissant.Dataset(jsonld=sys.argv[1] + "/croissant.json")
rows = {r.uuid: sum(1 for _ in d.records(r.uuid)) for r in d.metadata.record_sets}
print(f"mlcroissant {version('mlcroissant')}: {len(rows)} record sets loaded, "
      f"{sum(rows.values())} records, "
      f"{len(d.metadata.issues.errors)} errors")
sys.exit(bool(d.metadata.issues.errors))
"""
CRATE = """
import sys, hashlib, pathlib, importlib.metadata
from rocrate.rocrate import ROCrate
root = pathlib.Path(sys.argv[1]); c = ROCrate(root)
listed = {e.id: e for e in c.get_entities() if "File" in str(e.type)}
own = {"ro-crate-metadata.json"}
present = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - own
hashed = {i for i, e in listed.items() if e.get("sha256")}
def digest(i): return hashlib.sha256((root / i).read_bytes()).hexdigest()
wrong = [i for i in hashed if digest(i) != listed[i]["sha256"]]
print(f"rocrate {importlib.metadata.version('rocrate')}: {len(listed)} files listed, "
      f"{len(hashed)} with sha256, {len(wrong)} wrong, {len(present - listed.keys())} not listed, "
      f"{len(listed.keys() - present)} not there; "
      f"without sha256: {sorted(listed.keys() - hashed)}")
sys.exit(bool(wrong or present ^ listed.keys()))
"""
NOTEBOOK = """
import os, sys, nbformat
from nbclient import NotebookClient
os.environ["RELEASE"] = sys.argv[1]
nb = nbformat.read(sys.argv[1] + "/examples/cohort.ipynb", as_version=4); nbformat.validate(nb)
NotebookClient(nb, timeout=120).execute()
print(f"notebook: {sum(c.cell_type == 'code' for c in nb.cells)} cells ran")
"""
EXAMPLE = """
import runpy, sys, contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as out:
    runpy.run_path(sys.argv[1] + "/examples/read_cohort.py")
print("examples/read_cohort.py:", out.getvalue().splitlines()[0])
"""


def python_with(venvs: Path, name: str, packages: tuple[str, ...]) -> str:
    """Return the interpreter of an environment with these packages; made on first use."""
    folder = venvs / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return str(python)


def main() -> int:
    """Print one line per reader; 1 when one of them could not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path)
    parser.add_argument("--venvs", type=Path, default=None)
    given = parser.parse_args()
    release = str(given.release.resolve())
    manifest = json.loads((given.release / "manifest.json").read_text())
    print(f"release {manifest['semver']}")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        venvs = given.venvs or Path(scratch)
        runs = [
            (python_with(venvs, f"duckdb-{v}", (f"duckdb=={v}",)), OPEN_DATABASE) for v in DUCKDB
        ]
        runs.append((sys.executable, OPEN_DATABASE))
        metadata = python_with(venvs, "metadata", METADATA)
        runs += [(metadata, code) for code in (FRICTIONLESS, CROISSANT, CRATE, NOTEBOOK, EXAMPLE)]
        for python, code in runs:
            ended = subprocess.run([python, "-c", code, release], check=False, text=True)
            failed += ended.returncode != 0
    print(f"{failed} readers failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
