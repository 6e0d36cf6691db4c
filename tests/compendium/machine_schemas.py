"""What the consumers of structured data demand of it, as JSON Schema.

Sources: https://developers.google.com/search/docs/appearance/structured-data/dataset (Dataset: name, description of 50
to 5000 characters; licence, creator, distribution with an address), https://schema.org/ScholarlyArticle ,
https://schema.org/Book , https://codemeta.github.io/terms/ .
"""

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
