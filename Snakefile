# The chapters and a sweep as Snakemake sees them: the same command line, one job each, on whatever runs the jobs
# (`--executor slurm`, `--executor kubernetes`). Workers need the checkout and its environment.
#
#   .venv/bin/snakemake --cores 2                            every chapter
#   .venv/bin/snakemake --cores 2 sweep --config chapter=proving name=prove_s values=60,120,240

from pathlib import Path

from rollstate.compendium.runner import chapters, current_key

CHAPTERS = config["chapters"].split(",") if "chapters" in config else chapters(Path.cwd())
OUT = config.get("out", "_build/snakemake")
ROLLSTATE = config.get("rollstate", ".venv/bin/rollstate")
VALUES = str(config.get("values", "60,120")).split(",")


rule all:
    input:
        expand("{out}/runs/{chapter}/run.json", out=OUT, chapter=CHAPTERS),


rule chapter:
    output:
        "{out}/runs/{chapter}/run.json",
    params:
        # What a run depends on: a change of it makes the job due again.
        key=lambda wildcards: current_key(wildcards.chapter, Path.cwd()),
    shell:
        "{ROLLSTATE} run {wildcards.chapter} --out {wildcards.out}/runs/{wildcards.chapter}"


rule sweep:
    input:
        expand("{out}/sweep/{value}/sweep.csv", out=OUT, value=VALUES),


rule point:
    output:
        "{out}/sweep/{value}/sweep.csv",
    params:
        chapter=config.get("chapter", "proving"),
        name=config.get("name", "prove_s"),
    shell:
        "{ROLLSTATE} sweep {params.chapter} -p {params.name} {wildcards.value} --out {wildcards.out}/sweep/{wildcards.value}"
