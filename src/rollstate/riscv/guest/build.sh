#!/bin/sh
# Make transition.bin from transition.c. Needs Debian's gcc-riscv64-unknown-elf (12.2 made the binary that is shipped).
set -e
cd "$(dirname "$0")"
out="${1:-transition.bin}"
work="$(mktemp -d)"
trap 'rm -r "$work"' EXIT
riscv64-unknown-elf-gcc -march=rv32im -mabi=ilp32 -O2 -ffreestanding -nostdlib -nostartfiles -fno-builtin \
    -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wl,-T,layout.ld -Wl,--build-id=none \
    -o "$work/transition.elf" transition.c
riscv64-unknown-elf-objcopy -O binary "$work/transition.elf" "$out"
