"""STARD flow as data: every person stands in one leaf, so children sum to their parent."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.protocol import FlowNode, read_evidence, read_protocol

Row = dict[str, object]
ALL_SITES = "all"


@dataclass(frozen=True)
class Place:
    """In which leaf of the flow one person stands."""

    person: str
    site: str
    leaf: str


def flow_rows(places: Iterable[Place], reading: str) -> list[Row]:
    """Return the rows of `stard_flow` of one reading: the whole cohort, then each site.

    Parameters
    ----------
    places : iterable of Place
        One for each person.
    reading : str
        The reading they hold for.

    Returns
    -------
    list of dict
        Every node of the protocol's flow with its count, zero included.
    """
    by_site: dict[str, list[Place]] = defaultdict(list)
    by_site[ALL_SITES] = []
    for place in places:
        by_site[ALL_SITES].append(place)
        by_site[place.site].append(place)
    return [row for site in sorted(by_site) for row in _site_rows(by_site[site], reading, site)]


def flow_nodes() -> list[FlowNode]:
    """Return the nodes in drawing order, with one for each criterion and each evidence."""
    protocol = read_protocol()
    nodes: list[FlowNode] = []
    for node in protocol.flow:
        if node.each == "criterion":
            parts = [(c.id, c.id, c.id) for c in protocol.criteria]
        elif node.each == "evidence":
            parts = [(e.name, e.en, e.zh) for e in read_evidence().values()]
        else:
            nodes.append(node)
            continue
        nodes += [
            FlowNode(
                id=node.id + id_, parent=node.parent, en=f"{node.en} {en}", zh=f"{node.zh} {zh}"
            )
            for id_, en, zh in parts
        ]
    return nodes


def _site_rows(places: Sequence[Place], reading: str, site: str) -> list[Row]:
    nodes = flow_nodes()
    members: dict[str, set[str]] = {node.id: set() for node in nodes}
    parent = {node.id: node.parent for node in nodes}
    for place in places:
        node = place.leaf
        while node:
            members[node].add(place.person)
            node = parent[node]
    return [
        {
            "reading": reading,
            "site_code": site,
            "node_id": node.id,
            "parent_id": node.parent or None,
            "node_order": order,
            "label_en": node.en,
            "label_zh": node.zh,
            "n": len(members[node.id]),
            "subject_list_sha256": _list_hash(members[node.id]),
        }
        for order, node in enumerate(nodes, start=1)
    ]


def _list_hash(people: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(people)).encode()).hexdigest()
