"""Names of the policies that `rollstate.caching.curves` compares, for who shows them and needs nothing else of them."""

LRU, LFU, ARC, LIRS = "LRU", "LFU", "ARC", "LIRS"
SIEVE, S3FIFO, WTINYLFU, GDSF, LHD, CACHEUS = "SIEVE", "S3-FIFO", "W-TinyLFU", "GDSF", "LHD", "Cacheus"
FILLED, WIPED, BELADY = "fills up", "wiped at its cap", "Belady"
HAZARD, RATE = "conditional hazard", "posterior rate"
