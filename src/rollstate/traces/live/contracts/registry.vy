# pragma version ~=0.4.0
# Names and votes: storage that moves without any transfer. Slots: names 0, votes 1, tally 2, paused 3.

names: public(HashMap[bytes32, address])
voted: public(HashMap[uint256, HashMap[address, bool]])
tally: public(HashMap[uint256, uint256])
paused: public(bool)


@external
def claim(name: bytes32):
    assert not self.paused, "paused"
    assert self.names[name] == empty(address), "taken"
    self.names[name] = msg.sender


@external
def release(name: bytes32):
    assert not self.paused, "paused"
    assert self.names[name] == msg.sender, "not the holder"
    self.names[name] = empty(address)


@external
def vote(proposal: uint256):
    assert not self.voted[proposal][msg.sender], "voted"
    self.voted[proposal][msg.sender] = True
    self.tally[proposal] += 1


@external
def check(name: bytes32) -> address:
    return self.names[name]
