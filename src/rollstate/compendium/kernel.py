"""The kernel that notebooks run in: this very Python, and nothing of the user's that no record names."""

from __future__ import annotations

from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

ARGUMENTS = (
    # The shutdown of a kernel that did well would be logged as an interrupt.
    "--log-level=50",
    # A module in the reader's folder must not take the place of a library of the same name.
    "--InteractiveShellApp.ignore_cwd=True",
    "--InteractiveShellApp.exec_PYTHONSTARTUP=False",
    # Libraries and figures are millions of objects that live long. To look through them for garbage every 700 new ones
    # is a tenth of a run, and to take them apart one by one at the end half a second.
    "--InteractiveShellApp.exec_lines=import atexit, gc; gc.set_threshold(10_000); _ = atexit.register(gc.freeze)",
)


def arguments(folder: Path) -> list[str]:
    """Return what a kernel is started with, so that IPython's own settings and start-up files come from `folder`."""
    return [*ARGUMENTS, f"--ipython-dir={folder}"]


def manager(folder: Path) -> type[AsyncKernelManager]:
    """Return a class of kernel managers for notebooks that this Python runs.

    A specification ``python3`` elsewhere (``JUPYTER_PATH``, ``~/.local/share/jupyter``) may name another Python, whose
    libraries are not those of the record.

    Parameters
    ----------
    folder : Path
        Where the kernel's connection file goes.
    """

    class Manager(AsyncKernelManager):
        """Manager of a kernel of this Python."""

        @default("kernel_spec_manager")
        def _own(self) -> KernelSpecManager:
            # Without folders to look into only the specification of the installed ipykernel is left.
            return KernelSpecManager(parent=self, kernel_dirs=[])

        @default("connection_file")
        def _beside_the_run(self) -> str:
            return str(folder / "connection.json")

    return Manager
