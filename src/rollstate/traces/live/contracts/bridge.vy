# pragma version ~=0.4.0
# A bridge as rollups have one: a queue of messages, claims against replay, a guard. Slots: guard 0, count 1, queue 2,
# done 3.

interface Token:
    def transferFrom(sender: address, to: address, amount: uint256) -> bool: nonpayable
    def transfer(to: address, amount: uint256) -> bool: nonpayable

TOKEN: immutable(address)
guard: uint256
count: public(uint256)
queue: public(HashMap[uint256, bytes32])
done: public(HashMap[uint256, bool])


@deploy
def __init__(token: address):
    TOKEN = token
    # Nothing was queued: a load that no view of a node shows, for the contract is only being created.
    assert self.count == 0
    self.guard = 1


@external
def deposit(amount: uint256):
    assert self.guard == 1, "entered"
    self.guard = 2
    extcall Token(TOKEN).transferFrom(msg.sender, self, amount)
    self.queue[self.count] = keccak256(abi_encode(msg.sender, amount))
    self.count += 1
    self.guard = 1


@external
def withdraw(message: uint256, amount: uint256):
    assert self.guard == 1, "entered"
    self.guard = 2
    assert not self.done[message], "done"
    self.done[message] = True
    assert self.queue[message] == keccak256(abi_encode(msg.sender, amount)), "not the message"
    extcall Token(TOKEN).transfer(msg.sender, amount)
    self.guard = 1
