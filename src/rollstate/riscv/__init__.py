"""A machine whose single step a contract checks: RV32IM over a Merkle memory.

- `machine`: state, memory, what they commit to, why a run ends
- `interpreter`: the machine, compiled
- `reference`: the machine again, written apart and slow, to compare with
- `verifier`: one step from a witness alone, by the rules of ``contracts/step.vy``
- `on_chain`: that contract, deployed
- `bisection`: which of a run's steps two parties differ in
- `guest`: the transition that the machine runs, in C, and its inputs

Source of the instruction set: The RISC-V Instruction Set Manual, volume I, version 20191213,
https://riscv.org/specifications/.
"""
