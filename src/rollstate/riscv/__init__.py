"""A machine whose single step a contract checks: RV32IM over a Merkle memory.

- `machine`: state, memory, what they commit to, why a run ends
- `interpreter`: the machine, compiled
- `reference`: the machine again, written apart and slow, to compare with
- `verifier`: one step from a witness alone, by the rules of ``contracts/step.vy``
- `on_chain`: that contract, deployed
- `guest`: the transition that the machine runs, in C, and its inputs
- `regions`: what a batch's state is to the machine
- `runs`, `worlds`: a transaction, and all batches, as one party has them, true or with a false instruction
- `stage`: the rules of the program stage, which finds the instruction, as ``contracts/program_stage.vy``
- `rollup`: the dispute contract that hands its last stage over, and boards to play it on
- `parties`: who plays, and a game played to its end

Source of the instruction set: The RISC-V Instruction Set Manual, volume I, version 20191213,
https://riscv.org/specifications/.
"""
