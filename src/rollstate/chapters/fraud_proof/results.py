"""Results of the chapter ``fraud_proof``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_GAMES = "tests/dispute/test_games.py"
_SAME = f"{_GAMES}::test_contract_and_rules_agree_message_by_message_on_random_games"
_RANDOM = f"{_GAMES}::test_the_honest_party_wins_random_games"
_STORIES = f"{_GAMES}::test_each_story_ends_well_on_the_chain"
_NAIVE = f"{_GAMES}::test_a_puppet_makes_a_fraud_final_on_the_naive_contract_only"
_GAS = "tests/dispute/test_gas.py::test_gas_of_the_longest_game_and_of_every_message"
_MODEL = "tests/dispute/test_schedules.py::test_with_all_rules_no_schedule_does_harm"
_NEEDED = "tests/dispute/test_schedules.py::test_without_a_rule_there_is_the_attack_that_it_stops"
_CROWD = "tests/dispute/test_crowds.py::test_no_promise_is_broken_and_everything_happens"
_KILLED = "tests/dispute/test_crowds.py::test_a_crowd_finds_a_broken_rule"
_EXIT = "tests/dispute/test_exits.py::test_an_exit_takes_one_window_and_is_paid_once"
_ZK = "tests/dispute/test_economics.py::test_a_groth16_check_costs_what_the_schedule_says"
_BUDGET = (
    "tests/dispute/test_economics.py::test_a_budget_buys_games_side_by_side_and_losses_one_after_the_other"
)
_PRICE = "tests/dispute/test_crowds.py::test_delays_cost_what_the_rules_say"
_PROGRAM = "tests/riscv/test_program_stage.py"
_EVM_TESTS = "tests/riscv/test_evm.py"
_EVM = f"{_EVM_TESTS}::test_a_sample_of_the_embedded_workload_is_executed_exactly"
_EVM_REAL = f"{_EVM_TESTS}::test_transactions_of_mainnet_blocks_are_executed_exactly_or_not_at_all"
_EVM_GAME = f"{_EVM_TESTS}::test_a_false_instruction_inside_an_evm_transaction_is_found"
_INSTRUCTION = f"{_PROGRAM}::test_a_false_instruction_anywhere_is_found"
_LATER = f"{_PROGRAM}::test_a_later_claim_leads_to_the_batch_with_the_lie"
_ON_CHAIN = f"{_PROGRAM}::test_contracts_and_rules_agree_from_either_role_and_gas_is_as_recorded"
_TRUE_STANDS = f"{_PROGRAM}::test_a_true_claim_stands_against_a_challenger_with_a_false_instruction"
_INSTRUCTION_GAS = "tests/riscv/test_verifier.py::test_the_costliest_step_stays_below_half_a_million_gas"


class FraudProofResults(Results):
    """What the game costs, which schedules were searched, and what random play finds."""

    case_a_gas: int = result("gas of the game of Case A", unit="gas", fmt=",", guard=_SAME)
    case_a_x: int = result("batch whose trace Case A searched", guard=_SAME)
    case_a_winner: str = result("winner of Case A", guard=_SAME)
    case_b_gas: int = result("gas of the game of Case B", unit="gas", fmt=",", guard=_SAME)
    case_b_case: str = result("the case that the challenge of the last claim took", guard=_SAME)
    case_b_x: int = result("batch that stage one found", guard=_SAME)
    case_b_messages: int = result("messages of the game of Case B", guard=_SAME)

    largest_gap: int = result("largest n - r played", guard=_GAS)
    gas_largest: int = result(
        "gas of the game at the largest n - r",
        unit="gas",
        fmt=",",
        guard=_GAS,
        gate=gate(616_400, 6_000, "gas depends on the zero bytes of random hashes"),
    )
    gas_smallest: int = result("gas of the game at the smallest n - r", unit="gas", fmt=",", guard=_GAS)
    messages_largest: int = result("messages of the game at the largest n - r", guard=_GAS)
    prove: int = result(
        "gas of the message that runs the disputed transaction, {accounts} accounts",
        unit="gas",
        fmt=",",
        guard=_GAS,
        gate=gate(235_000, 6_000, "gas depends on the zero bytes of random hashes"),
    )

    stage_two: int = result(
        "gas of stage two: the message with the trace and the one that runs a transaction",
        unit="gas",
        fmt=",",
        guard=_GAS,
    )
    zk_stage_two: int = result(
        "model: gas of checking one Groth16 proof in place of stage two, from the gas schedule",
        unit="gas",
        fmt=",",
        guard=_ZK,
    )

    states: int = result("model: states of the timed model with all rules", fmt=",", guard=_MODEL)
    attacks: int = result(
        "model: attacks found in the timed model with all rules",
        guard=_MODEL,
        gate=gate(0, 0, "no schedule may do harm"),
    )
    rules: int = result("rules that were removed one at a time", guard=_NEEDED)
    needed: int = result(
        "model: rules without which the timed model has an attack",
        guard=_NEEDED,
        gate=gate(10, 0, "every rule is there for an attack"),
    )
    longest_attack: int = result("model: messages of the longest of the shortest attacks", guard=_NEEDED)

    games: int = result("random games of two parties", fmt=",", guard=_RANDOM)
    won: int = result("random games of two parties that the honest one won", fmt=",", guard=_RANDOM)
    crowd_plays: int = result("random plays of many parties", fmt=",", guard=_CROWD)
    crowd_broken: int = result(
        "random plays of many parties in which a promise was broken",
        guard=_CROWD,
        gate=gate(0, 0, "no promise may be broken"),
    )
    mutants: int = result("rule sets with one rule broken on purpose", guard=_KILLED)
    found_by_crowds: int = result("broken rule sets that plays of many parties found out", guard=_KILLED)
    found_by_pairs: int = result("broken rule sets that games of two parties found out", guard=_KILLED)

    stories: int = result("stories told on the chain", guard=_STORIES)
    stories_safe: int = result("stories that ended safely", guard=_STORIES)
    naive_final: int = result("batches final after the puppet's lost game, naive contract", guard=_NAIVE)
    ours_final: int = result(
        "batches final after the puppet's lost game, contract of this chapter",
        guard=_NAIVE,
        gate=gate(0, 0, "no fraud may become final"),
    )

    exit_gas: int = result("gas of an exit proven in the final difference", unit="gas", fmt=",", guard=_EXIT)
    exit_s: int = result("time from posting a batch to an exit from it", unit="s", fmt=",", guard=_EXIT)
    checkpoint_s: int = result(
        "time from posting a batch to its state hash being final", unit="s", fmt=",", guard=_EXIT
    )

    game_delay: float = result(
        "model: longest delay that any number of puppet games buy", unit="s", fmt=",.0f", guard=_PRICE
    )
    loss_delay: float = result(
        "model: delay that one ETH buys a sequencer that loses on purpose", unit="s", fmt=",.0f", guard=_PRICE
    )

    program_steps: int = result(
        "instructions of all batches of the program's game", fmt=",", guard=_INSTRUCTION
    )
    run_steps: int = result("instructions of the batch that is found", fmt=",", guard=_INSTRUCTION)
    transaction_steps: int = result("instructions of the disputed transaction", fmt=",", guard=_INSTRUCTION)
    program_batch: int = result("batch that the program's game finds", guard=_LATER)
    found_transaction: int = result("transaction, from 0, that the dispute finds", guard=_INSTRUCTION)
    found_instruction: int = result(
        "instruction of the transaction, from 0, that the dispute finds", fmt=",", guard=_INSTRUCTION
    )
    false_instruction: int = result(
        "instruction of the transaction, from 0, that was executed falsely", fmt=",", guard=_INSTRUCTION
    )
    instruction_rounds: int = result(
        "pairs of messages in the program stage until the instruction is found", guard=_INSTRUCTION
    )
    program_messages: int = result("messages of the program's game", guard=_ON_CHAIN)
    program_gas: int = result(
        "gas of the program's game",
        unit="gas",
        fmt=",",
        guard=_ON_CHAIN,
    )
    program_stage_gas: int = result(
        "gas of the messages of the program stage in it", unit="gas", fmt=",", guard=_ON_CHAIN
    )
    instruction_gas: int = result(
        "gas of the message that checks the disputed instruction", unit="gas", fmt=",", guard=_ON_CHAIN
    )
    instruction_gas_most: int = result(
        "gas of the costliest instruction that was checked", unit="gas", fmt=",", guard=_INSTRUCTION_GAS
    )
    instruction_refuted: bool = result(
        "whether the contracts refute the false instruction",
        guard=_ON_CHAIN,
        gate=gate(1, 0, "a false instruction may never stand"),
    )
    program_true_stands: bool = result(
        "whether the true claim stands against a challenger with the same false instruction",
        guard=_TRUE_STANDS,
        gate=gate(1, 0, "a true claim may never fall to a false instruction"),
    )
    step_code_bytes: int = result(
        "code of the contract that checks an instruction", unit="bytes", fmt=",", guard=_INSTRUCTION_GAS
    )
    program_stage_code_bytes: int = result(
        "code of the program stage's contract", unit="bytes", fmt=",", guard=_ON_CHAIN
    )

    evm_blocks: int = result("mainnet blocks whose transactions the machine's EVM was given", guard=_EVM_REAL)
    evm_transactions: int = result("transactions of these blocks", fmt=",", guard=_EVM_REAL)
    evm_wrong: int = result(
        "transactions of these blocks that the machine's EVM executes with another outcome than revm or py-evm",
        guard=_EVM_REAL,
        gate=gate(0, 0, "what is outside the subset must say so"),
    )
    evm_share: float = result(
        "transactions of these blocks that it executes exactly", fmt=".1%", guard=_EVM_REAL
    )
    evm_gas_share: float = result(
        "gas of these blocks in transactions that it executes exactly", fmt=".1%", guard=_EVM_REAL
    )
    evm_call_share: float = result(
        "transactions of these blocks that call code and that it executes exactly, among those that call code",
        fmt=".1%",
        guard=_EVM_REAL,
    )
    evm_call_gas_share: float = result(
        "gas of the transactions that call code in those that it executes exactly", fmt=".1%", guard=_EVM_REAL
    )
    evm_steps_median: int = result(
        "median of the machine's instructions for an executed transaction that calls code",
        fmt=",",
        guard=_EVM_REAL,
    )
    evm_steps_most: int = result(
        "most instructions of an executed transaction that calls code", fmt=",", guard=_EVM_REAL
    )
    evm_disputable: float = result(
        "executed transactions whose run is short enough for the program stage", fmt=".1%", guard=_EVM_REAL
    )
    evm_sampled: int = result("transactions of the embedded workload that were compared", guard=_EVM)
    evm_sample_exact: int = result(
        "transactions of the embedded workload that it executes with the outcome of revm or py-evm",
        guard=_EVM,
    )
    evm_game_steps: int = result("instructions of the disputed EVM transaction", fmt=",", guard=_EVM_GAME)
    evm_game_instruction: int = result(
        "instruction, from 0, that the game about an EVM transaction finds", fmt=",", guard=_EVM_GAME
    )
    evm_game_messages: int = result("messages of the game about an EVM transaction", guard=_EVM_GAME)
    evm_game_gas: int = result(
        "gas of the game about an EVM transaction", unit="gas", fmt=",", guard=_EVM_GAME
    )
    evm_refuted: bool = result(
        "whether the contracts refute the false instruction inside an EVM transaction",
        guard=_EVM_GAME,
        gate=gate(1, 0, "a false instruction may never stand"),
    )

    budget: float = result(
        "parameter: budget of the adversary in the comparison", unit="ETH", fmt=",.0f", guard=_BUDGET
    )
    budget_games: int = result(
        "model: false games that the adversary's budget pays for", fmt=",", guard=_BUDGET
    )
    honest_share: float = result(
        "model: gas that answering all false games costs the honest sequencer, over the adversary's budget",
        fmt=".1%",
        guard=_BUDGET,
    )
    honest_income: float = result(
        "model: half of the lost bonds of all false games, which goes to the honest sequencer, over the adversary's budget",
        fmt=".0%",
        guard=_BUDGET,
    )
    budget_delay: float = result(
        "model: delay that the adversary's budget buys a sequencer that loses on purpose again and again",
        unit="days",
        fmt=",.0f",
        guard=_BUDGET,
    )
