"""What the consumers of structured data demand of it, as JSON Schema.

Sources: https://developers.google.com/search/docs/appearance/structured-data/dataset (Dataset: name, description of 50
to 5000 characters; licence, creator, distribution with an address), https://schema.org/ScholarlyArticle ,
https://schema.org/Book , https://codemeta.github.io/terms/ , https://w3id.org/ro/wfrun/process/0.5 ,
https://www.researchobject.org/ro-crate/specification/1.1 ,
https://github.com/citation-file-format/citation-file-format (schema-guide.md).
"""

from pathlib import Path
from typing import Any

CREATORS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["@type"],
        "oneOf": [
            {"properties": {"@type": {"const": "Organization"}}, "required": ["name"]},
            {"properties": {"@type": {"const": "Person"}}, "required": ["givenName", "familyName"]},
        ],
    },
}
DATE = {"type": "string", "pattern": r"^\d{4}(-\d\d-\d\d)?$"}
COMMON = {
    "@context": {"const": "https://schema.org"},
    "name": {"type": "string", "minLength": 3},
    "description": {"type": "string", "minLength": 50, "maxLength": 5000},
    "datePublished": DATE,
    "license": {"type": "string", "pattern": "^https://"},
}
REQUIRED = [*COMMON, "@type", "version"]
PART = {"type": "object", "required": ["@type", "name", "url"]}
SCHEMAS = {
    "ScholarlyArticle": {
        "type": "object",
        "required": [*REQUIRED, "headline", "author", "isPartOf"],
        "properties": {**COMMON, "author": CREATORS, "isPartOf": PART},
    },
    "Book": {
        "type": "object",
        "required": [*REQUIRED, "author"],
        "properties": {**COMMON, "author": CREATORS},
    },
    "Dataset": {
        "type": "object",
        "required": [*REQUIRED, "creator", "distribution", "identifier", "isPartOf"],
        "properties": {
            **COMMON,
            "creator": CREATORS,
            "isPartOf": PART,
            "identifier": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
            "distribution": {
                "type": "array",
                "minItems": 2,
                "items": {
                    "type": "object",
                    "required": ["@type", "contentUrl", "encodingFormat"],
                    "properties": {"@type": {"const": "DataDownload"}},
                },
            },
            "variableMeasured": {
                "type": "object",
                "required": ["@type", "name", "value"],
                "properties": {"@type": {"const": "PropertyValue"}},
            },
        },
    },
}
CODEMETA = {
    "type": "object",
    "required": [
        "@context",
        "@type",
        "name",
        "version",
        "author",
        "license",
        "codeRepository",
        "datePublished",
    ],
    "properties": {
        "@context": {"const": "https://w3id.org/codemeta/3.0"},
        "@type": {"const": "SoftwareSourceCode"},
        "author": CREATORS,
        "datePublished": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "license": {"type": "string", "pattern": "^https://spdx.org/licenses/"},
    },
}
SHA = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
RELEASES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["version", "content_sha256", "state"],
        "properties": {"content_sha256": SHA},
    },
}
NUMBER_RECORD = {
    "type": "object",
    "required": [
        "key",
        "value",
        "unit",
        "interval",
        "meaning",
        "guard",
        "current",
        "content_sha256",
        "releases",
    ],
    "properties": {
        "key": {"type": "string", "pattern": r"^[a-z_]+\.[a-z0-9_]+$"},
        "value": {"type": ["number", "boolean", "string", "null"]},
        "interval": {
            "oneOf": [
                {"type": "null"},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            ]
        },
        "meaning": {"type": "string", "minLength": 3},
        "guard": {"type": "string", "pattern": "::"},
        "current": {"type": "boolean"},
        "content_sha256": SHA,
        "releases": RELEASES,
    },
}
FIGURE_RECORD = {
    "type": "object",
    "required": ["figure", "caption", "content_sha256", "url", "releases"],
    "properties": {
        "figure": {"type": "string", "pattern": "^[a-z_]+/[a-z0-9-]+$"},
        "caption": {"type": "string", "minLength": 3},
        "content_sha256": SHA,
        "releases": RELEASES,
    },
    "dependentRequired": {"alt": ["provenance"], "provenance": ["alt"]},
}
CITATION = {
    "type": "object",
    "required": [
        "cff-version",
        "message",
        "title",
        "authors",
        "version",
        "date-released",
        "license",
        "repository-code",
    ],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "type": {"enum": ["software", "dataset"]},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [{"required": ["name"]}, {"required": ["family-names", "given-names"]}]},
        },
        "date-released": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "repository-code": {"type": "string", "pattern": "^https://"},
        "keywords": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
}


def crate_faults(data: dict[str, Any], folder: Path) -> list[str]:
    """Return what a Workflow Run RO-Crate in `folder` lacks, one line each."""
    entities = {entity["@id"]: entity for entity in data["@graph"]}
    faults = [] if len(entities) == len(data["@graph"]) else ["two entities share an @id"]
    described = entities.get("ro-crate-metadata.json", {})
    if described.get("about") != {"@id": "./"} or "ro/crate" not in str(described.get("conformsTo")):
        faults.append("the metadata file does not describe ./ by a version of RO-Crate")
    root = entities.get("./", {})
    faults += [
        f"./ lacks {name}"
        for name in ("name", "description", "datePublished", "license")
        if not root.get(name)
    ]

    def ids(value: Any) -> list[str]:
        return [
            one["@id"] for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)
        ]

    parts = set(ids(root.get("hasPart", [])))
    for name, entity in entities.items():
        for key, value in entity.items():
            missing = [one for one in ids(value) if one not in entities and not one.startswith("https://")]
            faults += [f"{name}: {key} names {one}, which is not described" for one in missing]
        kinds = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
        if "File" in kinds and (name not in parts or not (folder / name).is_file()):
            faults.append(f"{name} is no part of the crate, or is not there")
        if "CreateAction" in kinds:
            made, (instrument,) = ids(entity.get("result", [])), ids(entity["instrument"])
            if not made or not set(made) <= parts:
                faults.append(f"{name} has results that are no part of the crate, or none")
            if "ComputationalWorkflow" not in entities[instrument]["@type"]:
                faults.append(f"{name} was made by no workflow")
    return faults
