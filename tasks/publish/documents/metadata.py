"""Metadata that other tools read: Frictionless, Croissant, RO-Crate, DataCite, CITATION.cff. Pure.

The identifier `livercohort:<version>` is local: nobody has registered a DOI, so none is named.
Tables are described where every tool can read them, as the CSV files under `excel/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.run.atomic_files import canonical_json
from schemas.tables.contracts import ColumnContract, TableContract
from tasks.publish.facts import ReleaseFacts

TITLE = "Liver imaging cohort"
#: Nobody is named before the investigators say who is.
CREATOR = "Investigators of ChiCTR2500107646"
_ROLES = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".json": "application/json",
    ".gz": "application/gzip",
    ".md": "text/markdown",
    ".html": "text/html",
    ".py": "text/x-python",
    ".sql": "application/sql",
    ".ipynb": "application/x-ipynb+json",
    ".duckdb": "application/vnd.duckdb",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_FRICTIONLESS = {
    "VARCHAR": "string",
    "DOUBLE": "number",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date",
}
_CROISSANT = {
    "VARCHAR": "sc:Text",
    "DOUBLE": "sc:Float",
    "INTEGER": "sc:Integer",
    "BIGINT": "sc:Integer",
    "BOOLEAN": "sc:Boolean",
    "DATE": "sc:Date",
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """What the metadata speaks of.

    Parameters
    ----------
    version, content_hash, predecessor
        Which release this is.
    facts : ReleaseFacts
        Versions and date of the data.
    contracts : mapping of str to TableContract
        Tables with their columns.
    csv_files : mapping of str to str
        Table → path of its CSV file inside the release; very long tables have none.
    rows : mapping of str to int
        Rows of each table.
    """

    version: str
    content_hash: str
    predecessor: str | None
    facts: ReleaseFacts
    contracts: Mapping[str, TableContract]
    csv_files: Mapping[str, str]
    rows: Mapping[str, int]

    @property
    def identifier(self) -> str:
        """The local identifier of the release."""
        return f"livercohort:{self.version}"

    @property
    def description(self) -> str:
        """One sentence for a catalogue."""
        return (
            f"Pseudonymised release {self.version} of the liver imaging cohort (protocol "
            f"{self.facts.protocol_version}); dates are shifted by one constant per subject."
        )


def metadata_files(described: Described, sums: Mapping[str, str]) -> dict[str, bytes]:
    """Return path → bytes of every metadata file but the RO-Crate, which lists the others."""
    return {
        "datapackage.json": canonical_json(datapackage(described, sums)),
        "croissant.json": canonical_json(croissant(described, sums)),
        "datacite.json": canonical_json(datacite(described)),
        "CITATION.cff": citation(described).encode(),
    }


def datapackage(described: Described, sums: Mapping[str, str]) -> dict[str, Any]:
    """Return a Frictionless data package (specification 1.0) of the CSV files."""
    return {
        "profile": "tabular-data-package",
        "name": f"livercohort-{described.version}",
        "id": described.identifier,
        "title": f"{TITLE}, release {described.version}",
        "version": described.version,
        "description": described.description,
        "resources": [
            {
                "profile": "tabular-data-resource",
                "name": table,
                "title": described.contracts[table].description_en,
                "path": path,
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8-sig",
                "hash": f"sha256:{sums[path]}",
                "schema": _table_schema(described, table),
            }
            for table, path in described.csv_files.items()
        ],
    }


def croissant(described: Described, sums: Mapping[str, str]) -> dict[str, Any]:
    """Return a Croissant 1.0 description with one record set per CSV file."""
    return {
        "@context": _CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"livercohort-{described.version}",
        "version": described.version,
        "description": described.description,
        "identifier": described.identifier,
        "creator": {"@type": "sc:Organization", "name": CREATOR},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{table}.csv",
                "name": f"{table}.csv",
                "contentUrl": path,
                "encodingFormat": "text/csv",
                "sha256": sums[path],
            }
            for table, path in described.csv_files.items()
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": table,
                "name": table,
                "description": described.contracts[table].comment,
                "key": [{"@id": f"{table}/{k}"} for k in described.contracts[table].primary_key],
                "field": [
                    _croissant_field(table, column) for column in described.contracts[table].columns
                ],
            }
            for table in described.csv_files
        ],
    }


def ro_crate(
    described: Described, sums: Mapping[str, str], unhashed: Sequence[str]
) -> dict[str, Any]:
    """Return an RO-Crate 1.1 that lists every file of the release.

    Parameters
    ----------
    described : Described
        The release.
    sums : mapping of str to str
        Path → SHA-256 of every file written so far.
    unhashed : sequence of str
        Files whose hash cannot stand here, because they hold or never repeat it;
        `SHA256SUMS` has it.
    """
    paths = [*sums, *unhashed]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "identifier": described.identifier,
        "name": f"{TITLE}, release {described.version}",
        "description": described.description,
        "version": described.version,
        "creator": {"@id": "#investigators"},
        "license": "Access as the protocol and the consent of the subjects allow.",
        "datePublished": _published(described.facts),
        "hasPart": [{"@id": path} for path in sorted(paths)],
    }
    if described.predecessor:
        root["isBasedOn"] = f"livercohort:{described.predecessor}"
    files = [
        {
            "@id": path,
            "@type": "File",
            "name": path.rsplit("/", 1)[-1],
            "encodingFormat": _encoding(path),
            **({"sha256": sums[path]} if path in sums else {}),
        }
        for path in sorted(paths)
    ]
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    who = {"@id": "#investigators", "@type": "Organization", "name": CREATOR}
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [descriptor, root, who, *files],
    }


def datacite(described: Described) -> dict[str, Any]:
    """Return DataCite 4.5 metadata without a DOI: what a registration would need is there.

    `:tba` and `:unav` are DataCite's own words for "to be announced" and "unavailable".
    """
    before = described.predecessor
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "identifiers": [
            {"identifier": described.identifier, "identifierType": "livercohort release (local)"}
        ],
        "alternateIdentifiers": [
            {
                "alternateIdentifier": described.content_hash,
                "alternateIdentifierType": "SHA-256 of the content",
            }
        ],
        "creators": [{"name": CREATOR, "nameType": "Organizational"}],
        "titles": [{"title": f"{TITLE}, release {described.version}"}],
        "publisher": {"name": ":tba"},
        "publicationYear": _published(described.facts)[:4] or ":unav",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Cohort release"},
        "version": described.version,
        "language": "en",
        "rightsList": [{"rights": "Access as the protocol and the consent of the subjects allow."}],
        "descriptions": [
            {"description": described.description, "descriptionType": "Abstract"},
        ],
        "relatedItems": [
            {
                "relationType": "IsNewVersionOf",
                "relatedItemType": "Dataset",
                "titles": [{"title": f"{TITLE}, release {before}"}],
            }
        ]
        if before
        else [],
    }


def citation(described: Described) -> str:
    """Return `CITATION.cff` (Citation File Format 1.2.0)."""
    return "\n".join(
        [
            "cff-version: 1.2.0",
            "type: dataset",
            'message: "Cite the release by its identifier and content hash."',
            f'title: "{TITLE}, release {described.version}"',
            f'version: "{described.version}"',
            "authors:",
            f'  - name: "{CREATOR}"',
            "identifiers:",
            "  - type: other",
            f'    value: "{described.identifier}"',
            '    description: "Local identifier of the release; not a DOI."',
            "  - type: other",
            f'    value: "sha256:{described.content_hash}"',
            '    description: "Hash of the content: the same content has the same hash."',
            f'abstract: "{described.description}"',
            "",
        ]
    )


def _table_schema(described: Described, table: str) -> dict[str, Any]:
    contract = described.contracts[table]
    schema: dict[str, Any] = {
        "fields": [_frictionless_field(column) for column in contract.columns],
        "primaryKey": list(contract.primary_key),
    }
    return schema


def _frictionless_field(column: ColumnContract) -> dict[str, Any]:
    constraints: dict[str, Any] = {"required": True} if not column.nullable else {}
    is_list = column.duckdb_type.endswith("[]")
    if column.allowed_values and not is_list:
        constraints["enum"] = list(column.allowed_values)
    if is_list or _may_be_empty(column):
        constraints.pop("required", None)
    return {
        "name": column.name,
        "type": "string" if is_list else _FRICTIONLESS[column.duckdb_type],
        "description": column.comment,
        **({"constraints": constraints} if constraints else {}),
    }


def _may_be_empty(column: ColumnContract) -> bool:
    # CSV does not tell an empty text from an absent one.
    return column.duckdb_type == "VARCHAR" and not column.allowed_values


def _croissant_field(table: str, column: ColumnContract) -> dict[str, Any]:
    # A list stands in CSV as one text.
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": column.comment,
        "dataType": _CROISSANT.get(column.duckdb_type, "sc:Text"),
        "source": {"fileObject": {"@id": f"{table}.csv"}, "extract": {"column": column.name}},
    }


def _encoding(path: str) -> str:
    suffix = "." + path.rsplit(".", 1)[-1] if "." in path else ""
    return _ROLES.get(suffix, "text/plain")


def _published(facts: ReleaseFacts) -> str:
    """Return the year the data stand for (ISO 8601 allows it alone); no day, see `ReleaseFacts`."""
    return str(facts.year) if facts.year else ""


_CROISSANT_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
