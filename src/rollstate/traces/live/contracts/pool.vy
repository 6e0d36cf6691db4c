# pragma version ~=0.4.0
# A constant-product exchange of two tokens. Slots: reserves 0 and 1, price sum 2.

interface Token:
    def transfer(to: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, to: address, amount: uint256) -> bool: nonpayable

A: immutable(address)
B: immutable(address)
reserves: public(uint256[2])
volume: public(uint256)


@deploy
def __init__(a: address, b: address):
    A = a
    B = b


@external
def add(amount: uint256):
    extcall Token(A).transferFrom(msg.sender, self, amount)
    extcall Token(B).transferFrom(msg.sender, self, amount)
    self.reserves[0] += amount
    self.reserves[1] += amount


@external
def swap(into_b: bool, paid: uint256):
    one: uint256 = self.reserves[0]
    other: uint256 = self.reserves[1]
    got: uint256 = 0
    if into_b:
        got = other * paid // (one + paid)
        self.reserves = [one + paid, other - got]
        extcall Token(A).transferFrom(msg.sender, self, paid)
        extcall Token(B).transfer(msg.sender, got)
    else:
        got = one * paid // (other + paid)
        self.reserves = [one - got, other + paid]
        extcall Token(B).transferFrom(msg.sender, self, paid)
        extcall Token(A).transfer(msg.sender, got)
    self.volume += paid
