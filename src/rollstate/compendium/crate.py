"""Provenance in the words of others: a Workflow Run RO-Crate of a figure's bundle, and of a built book.

Source: Leo et al. (2024), Recording provenance of workflow runs with RO-Crate, https://doi.org/10.1371/journal.pone.0309210,
and the profile Workflow Run Crate 0.5, https://w3id.org/ro/wfrun/workflow/0.5.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

NAME = "ro-crate-metadata.json"
_PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
_MEDIA = {
    "csv": "text/csv",
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "json": "application/json",
    "bib": "application/x-bibtex",
    "txt": "text/plain",
    "html": "text/html",
}


def of_figure(stamp: Mapping[str, Any], caption: str, files: Mapping[str, str]) -> str:
    """Return the crate of one figure's bundle.

    Parameters
    ----------
    stamp : mapping
        Provenance of the figure.
    caption : str
        Its caption.
    files : mapping
        SHA-256 by the name of each file of the bundle.
    """
    chapter, name = stamp["chapter"], stamp["figure"]
    crate = _Crate(f"Figure {chapter}/{name}: {stamp['citation']['title']}", caption, stamp["citation"])
    results = [crate.file(file, sha256=digest) for file, digest in sorted(files.items())]
    crate.run(chapter, stamp, results)
    return crate.text()


def of_book(
    runs: Mapping[str, Mapping[str, Any]], pages: Iterable[str], current: Mapping[str, str] | None = None
) -> str:
    """Return the crate of a built book.

    Parameters
    ----------
    runs : mapping
        ``run.json`` by chapter.
    pages : iterable of str
        Paths of its pages, and of the data beside those of numbers and figures.
    current : mapping, optional
        Chapter of each number and figure of this build by its folder, as `addresses.current` returns them: its files
        are results of that chapter's run. What only a release has was made by no run.
    """
    citation = next(iter(runs.values()))["citation"]
    crate = _Crate(citation["title"], "An executable book with all its results.", citation)
    known = {page: crate.file(page) for page in sorted(pages)}
    for chapter, run in runs.items():
        made = [
            entity
            for page, entity in known.items()
            if page == f"notebooks/{chapter}.html" or (current or {}).get(page.rpartition("/")[0]) == chapter
        ]
        crate.run(chapter, run, made)
    return crate.text()


class _Crate:
    """A crate under construction, without the clock and without random names."""

    def __init__(self, name: str, description: str, citation: Mapping[str, str]) -> None:
        self._crate = ROCrate(gen_preview=False)
        root = self._crate.root_dataset
        root["name"], root["description"] = name, description
        root["datePublished"] = citation["year"]
        root["license"] = self._add("https://spdx.org/licenses/MIT", "CreativeWork", name="MIT License")
        root["author"] = self._add("#authors", "Organization", name=citation["author"].strip("{}"))
        root["url"] = citation["url"]
        root["conformsTo"] = [self._add(uri, "CreativeWork", name=uri) for uri in _PROFILES]
        self._actions: list[Any] = []

    def _add(self, identifier: str, kind: str | list[str], **properties: Any) -> Any:
        known = self._crate.get(identifier)
        entity = ContextEntity(self._crate, identifier, properties={"@type": kind, **properties})
        return known or self._crate.add(entity)

    def file(self, path: str, **properties: Any) -> Any:
        """Add a file of the crate."""
        media = _MEDIA.get(path.rpartition(".")[2], "application/octet-stream")
        return self._crate.add_file(
            dest_path=path, properties={"name": path, "encodingFormat": media, **properties}
        )

    def run(self, chapter: str, stamp: Mapping[str, Any], results: list[Any]) -> None:
        """Add a notebook, its run, what it took and what it gave."""
        inputs = stamp["inputs"]
        python = self._add(
            "#python", "ComputerLanguage", name="Python", version=inputs["environment"]["python"]
        )
        workflow = self._add(
            f"{stamp['citation']['url']}/notebooks/{chapter}.ipynb",
            ["SoftwareSourceCode", "ComputationalWorkflow"],
            name=f"notebooks/{chapter}.ipynb",
            version=inputs["version"],
            sha256=inputs["notebook"]["file"],
        )
        workflow["programmingLanguage"] = python
        taken, formal = [], []
        for name, value in inputs["parameters"].items():
            parameter = self._add(
                f"#{chapter}-{name}",
                "FormalParameter",
                name=name,
                additionalType="Text",
                valueRequired="False",
            )
            given = self._add(f"#{chapter}-{name}-value", "PropertyValue", name=name, value=json.dumps(value))
            given["exampleOfWork"] = parameter
            formal.append(parameter)
            taken.append(given)
        taken += [
            self._add(f"#data-{name}", "CreativeWork", name=f"data set {name}", sha256=digest)
            for name, digest in inputs["data"].items()
        ]
        workflow["input"] = formal
        action = self._add(
            f"#run-{chapter}",
            "CreateAction",
            name=f"Run of {chapter}",
            description=f"commit {stamp['git']['commit']}, lock {inputs['lock']}",
            actionStatus="http://schema.org/CompletedActionStatus",
        )
        action["instrument"], action["object"], action["result"] = workflow, taken, results
        self._actions.append(action)
        self._crate.root_dataset["mentions"] = self._actions
        if len(self._actions) == 1:
            self._crate.root_dataset["mainEntity"] = workflow

    def text(self) -> str:
        """Return the crate's metadata, the same bytes for the same content."""
        made = self._crate.metadata.generate()
        made["@graph"].sort(key=lambda entity: entity["@id"])
        return json.dumps(made, indent=1, sort_keys=True) + "\n"
