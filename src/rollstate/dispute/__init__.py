"""Flat key-value execution with the two-stage fraud proof: commitments, game, contract, adversaries.

After Qi Zhou, "Accelerate L2 EVM Execution with Flat KV and Two-Stage Fraud Proof",
https://ethresear.ch/t/18134. A batch is posted as ``(T_n, h(Delta_n))``; state roots are asked for only in a
dispute.
"""
