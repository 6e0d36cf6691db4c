#!/bin/sh
# Make a program, transition.bin or evm.bin, from its source: build.sh [NAME [OUT]].
# Needs Debian's gcc-riscv64-unknown-elf (12.2 made the binaries that are shipped).
set -e
cd "$(dirname "$0")"
name="${1:-transition}"
out="${2:-$name.bin}"
work="$(mktemp -d)"
trap 'rm -r "$work"' EXIT
riscv64-unknown-elf-gcc -march=rv32im -mabi=ilp32 -O2 -ffreestanding -nostdlib -nostartfiles -fno-builtin \
    -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wl,-T,layout.ld -Wl,--build-id=none \
    -o "$work/$name.elf" "$name.c"
riscv64-unknown-elf-objcopy -O binary "$work/$name.elf" "$out"
