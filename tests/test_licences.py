"""Every locked library may be used by a project under the MIT licence; exceptions are named with their reasons."""

import re
from importlib import metadata

import pytest

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT-CMU",
    "MPL-2.0",
    "OLDAP-2.8",
    "PSF-2.0",
    "Public Domain",
    "Zlib",
}
SAME = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License (GPL)": "GPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names of classifiers and free texts, as SPDX writes them; a BSD licence without a number has three."""
EXCEPTIONS = {
    "docutils": ("GPL", "one Emacs mode in its source archive, which is neither installed nor imported"),
    "pyrevm": (
        None,
        "it states none; readers install it themselves, and nothing of it is passed on with this package",
    ),
}


def locked(root):
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)))


def licences(name):
    """Return the licences that an installed distribution states: expression, else classifiers, text, licence file."""
    stated = metadata.metadata(name)
    if expression := stated.get("License-Expression"):
        return set(re.split(r" AND | OR ", expression.replace("(", "").replace(")", "")))
    classifiers = {
        one.rpartition(" :: ")[2]
        for one in stated.get_all("Classifier") or ()
        if one.startswith("License ::")
    }
    if text := (stated.get("License") or "").strip():
        classifiers = classifiers or set(re.split(r" AND |, (?!Version)", text.splitlines()[0]))
    if not classifiers:
        files = [file for file in metadata.files(name) or () if "licen" in file.name.lower()]
        classifiers = {file.read_text(encoding="utf-8").strip().splitlines()[0].strip() for file in files}
    return {SAME.get(one, one) for one in classifiers}


def test_every_locked_library_has_a_licence_that_is_allowed(root):
    wrong, checked = {}, 0
    for name in locked(root):
        try:
            stated = licences(name)
        except metadata.PackageNotFoundError:
            # The lock is for every platform; this one does without it.
            continue
        checked += 1
        excepted, _ = EXCEPTIONS.get(name, ("", ""))
        if not stated - {excepted} <= ALLOWED or (not stated and excepted is not None):
            wrong[name] = stated
    assert checked > 200
    assert not wrong, "look at these licences; allow them or name an exception with its reason"


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_is_still_needed(name):
    excepted, reason = EXCEPTIONS[name]
    assert reason
    assert licences(name) == set() if excepted is None else excepted in licences(name)
