"""Follow a policy file of rollstate, version 1: standard library alone.

    python reader.py policy.json < accesses.txt

Each line of the input is a slot and a block number, blocks ascending; each line of the output is what the access found
(first, hit, miss) and the last block through which the slot now stays in RAM ("never" if it is never demoted).
"""

import json
import sys


class Policy:
    """Windows by how often a slot has been accessed so far; the state is a count and the last block of each slot."""

    def __init__(self, text):
        data = json.loads(text)
        if data.get("schema") != "rollstate-policy" or data.get("version") != 1:
            raise ValueError("not a rollstate policy of version 1: fit it again, or take another reader")
        if data["model"] not in ("table", "window"):
            raise ValueError(f"model {data['model']!r} needs the package; fit one with --model table")
        self.rows = [(row["accesses"], row["window"]) for row in data["table"]]
        self.state = {}

    def window(self, count):
        """Return the blocks without an access through which a slot stays in RAM, None for ever."""
        found = self.rows[0][1]
        for least, window in self.rows:
            if count < least:
                break
            found = window
        return found

    def access(self, slot, block):
        """Take an access; return what it found, and the last block through which the slot stays in RAM."""
        count, last = self.state.get(slot, (0, None))
        if last == block:  # several touches in one block are one access
            found = "hit"
        else:
            window = self.window(count)
            found = "first" if last is None else "hit" if window is None or block - last <= window else "miss"
            count += 1
            self.state[slot] = (count, block)
        window = self.window(count)
        return found, None if window is None else block + int(window)


def main():
    """Read a policy, and accesses from the standard input."""
    with open(sys.argv[1], encoding="utf-8") as file:
        policy = Policy(file.read())
    for line in sys.stdin:
        slot, block = line.split()
        found, until = policy.access(slot, int(block))
        print(found, "never" if until is None else until)


if __name__ == "__main__":
    main()
