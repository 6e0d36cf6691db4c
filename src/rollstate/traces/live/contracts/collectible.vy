# pragma version ~=0.4.0
# ERC-721. Slots: balances 0, owners 1, count 2.

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    token: indexed(uint256)

balanceOf: public(HashMap[address, uint256])
ownerOf: public(HashMap[uint256, address])
count: public(uint256)


@external
def mint():
    token: uint256 = self.count
    self.count = token + 1
    self.ownerOf[token] = msg.sender
    self.balanceOf[msg.sender] += 1
    log Transfer(sender=empty(address), receiver=msg.sender, token=token)


@external
def transferFrom(sender: address, to: address, token: uint256):
    assert self.ownerOf[token] == sender, "not the owner"
    assert sender == msg.sender, "not the sender"
    self.ownerOf[token] = to
    self.balanceOf[sender] -= 1
    self.balanceOf[to] += 1
    log Transfer(sender=sender, receiver=to, token=token)
