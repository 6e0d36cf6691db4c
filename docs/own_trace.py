"""Write a tiny access trace of one's own: a table, and beside it the stamp that says what its source can see."""

import csv
import json
import random
import sys
from pathlib import Path

target = Path(sys.argv[1])
start, stop = 1_000, 1_200
random.seed(1)
contracts = [f"0x{number:040x}" for number in range(1, 9)]
rows = []
for block in range(start, stop):
    for tx in range(random.randint(1, 4)):
        # Few contracts are busy, and slots differ in how often they are touched.
        contract = contracts[min(int(random.expovariate(0.7)), 7)]
        slot = f"0x{min(int(random.paretovariate(0.8)), 40):064x}"
        rows.append((block, tx, contract, slot, "read"))
        if random.random() < 0.4:
            rows.append((block, tx, contract, slot, "write"))

with target.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(("block_number", "tx_index", "address", "slot", "kind"))
    writer.writerows(rows)
stamp = {
    "source": "my-node",
    "observes_reads": True,
    "observes_all_writes": True,
    "tx_level": "all",
    "key_form": "slot",
    "window_start": start,
    "window_stop": stop,
    "chain_id": 1337,
    "extractor_version": "1",
}
target.with_name(f"{target.name}.capability.json").write_text(json.dumps(stamp))
