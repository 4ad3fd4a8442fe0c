"""The house in figures: rooms, arrows between them, circles, and lines of product.

    python benchmarks/house/imports.py [TREE]...

Arrows are imports of one module by another, those for type checkers included, as `grimp` reads
them. Per package: its own modules, the arrows among its rooms (a room is a module or package
directly inside), and those that would have to go for it to have no circle. `modules in circles`
counts the modules that import themselves, through others. Lines are those of the product, code
and contracts apart. Several trees, such as checkouts of before and after, are told in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

PRODUCT = ("flows", "tasks", "schemas")
PACKAGES = (
    "flows",
    "schemas",
    "tasks.deidentify",
    "tasks.convert",
    "tasks.harmonise",
    "tasks.publish",
    "tasks.simulate",
)


def main() -> None:
    """Print one table per tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", type=Path, nargs="*", default=[Path(__file__).parents[2]])
    for tree in parser.parse_args().trees:
        sys.path.insert(0, str(tree.resolve()))
        graph = grimp.build_graph(*PRODUCT, cache_dir=None)
        sys.path.pop(0)
        for name in [m for m in sys.modules if m.split(".")[0] in PRODUCT]:
            del sys.modules[name]
        print_tree(tree, graph)


def print_tree(tree: Path, graph: grimp.ImportGraph) -> None:
    """Print the figures of one tree."""
    print(f"\n{tree}: {len(graph.modules)} modules, {graph.count_imports()} arrows")
    circle = in_circles(graph)
    print(f"modules in circles: {len(circle)}  {' '.join(sorted(circle))}")
    print(f"{'':20}{'modules':>9}{'rooms':>7}{'arrows':>8}{'against the order':>19}")
    for package in PACKAGES:
        below = graph.find_descendants(package)
        rooms = graph.find_children(package)
        against = sum(len(graph.nominate_cycle_breakers(p)) for p in {package, *below})
        arrows = len(set(room_arrows(graph, package)))
        print(f"{package:20}{len(below):>9}{len(rooms):>7}{arrows:>8}{against:>19}")
    print("lines of product:", sum(lines_of(tree / package) for package in PRODUCT))


def in_circles(graph: grimp.ImportGraph) -> set[str]:
    """Return the modules that import themselves, through others."""
    return {
        module
        for module in graph.modules
        if any(
            graph.chain_exists(imported, module)
            for imported in graph.find_modules_directly_imported_by(module)
        )
    }


def room_arrows(graph: grimp.ImportGraph, package: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of rooms of which one imports the other."""
    depth = package.count(".") + 2
    for module in graph.find_descendants(package):
        for imported in graph.find_modules_directly_imported_by(module):
            if imported.startswith(f"{package}."):
                here, there = (".".join(m.split(".")[:depth]) for m in (module, imported))
                if here != there:
                    yield here, there


def lines_of(folder: Path) -> int:
    """Return the lines of Python below a folder."""
    files = folder.rglob("*.py")
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


if __name__ == "__main__":
    main()
