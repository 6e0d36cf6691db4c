"""Say why this Python cannot make the environment, before anything is installed; any Python 3 can run this."""

import shutil
import sys


def complaint(version, rust):
    """Return what is wrong with a version of Python, and what to do; empty if nothing is.

    Parameters
    ----------
    version : tuple of int
        Major and minor version.
    rust : bool
        Whether this machine can compile Rust.
    """
    found = "found {}.{}; name another one: make PYTHON=python3.12 ...".format(*version)
    if version < (3, 11):
        return "rollstate needs Python 3.11 or newer, " + found
    # The newest pyrevm has wheels of no later version for Linux and macOS.
    if version >= (3, 13) and not rust:
        return (
            "pyrevm has no wheel for Python 3.13 and newer and must be compiled with Rust (cargo), " + found
        )
    return ""


if __name__ == "__main__":
    sys.exit(complaint(sys.version_info[:2], shutil.which("cargo") is not None) or 0)
