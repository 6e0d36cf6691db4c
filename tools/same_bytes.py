"""Are two folders the same to the byte? Names each file that differs and shows both texts around the first difference.

Usage: ``python tools/same_bytes.py FIRST SECOND``; exits with 1 when they differ.
``diff -r`` prints whole minified lines instead.
"""

import sys
from pathlib import Path

AROUND = 120


def differences(first: Path, second: Path) -> list[str]:
    """One line per file that is in one folder only or differs, in the order of their names."""
    names = {path.relative_to(root) for root in (first, second) for path in root.rglob("*") if path.is_file()}
    return [line for name in sorted(names) if (line := _difference(first / name, second / name, str(name)))]


def _difference(first: Path, second: Path, name: str) -> str:
    for here, there in ((first, second), (second, first)):
        if not here.is_file():
            return f"{name}: only in {there.parents[len(Path(name).parts) - 1]}"
    a, b = first.read_bytes(), second.read_bytes()
    if a == b:
        return ""
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    before, after = (data[max(0, at - AROUND) : at + AROUND].decode(errors="replace") for data in (a, b))
    return (
        f"{name}: differs from byte {at} of {len(a)} and {len(b)}\n  first:  {before!r}\n  second: {after!r}"
    )


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "the same bytes")
    sys.exit(bool(found))
