/* Integer types and the permutation of Keccak-f[1600], for the programs in this folder. */

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

static const u64 constants[24] = {
  0x0000000000000001ull, 0x0000000000008082ull, 0x800000000000808aull, 0x8000000080008000ull,
  0x000000000000808bull, 0x0000000080000001ull, 0x8000000080008081ull, 0x8000000000008009ull,
  0x000000000000008aull, 0x0000000000000088ull, 0x0000000080008009ull, 0x000000008000000aull,
  0x000000008000808bull, 0x800000000000008bull, 0x8000000000008089ull, 0x8000000000008003ull,
  0x8000000000008002ull, 0x8000000000000080ull, 0x000000000000800aull, 0x800000008000000aull,
  0x8000000080008081ull, 0x8000000000008080ull, 0x0000000080000001ull, 0x8000000080008008ull};
static const u8 rotations[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};
static const u8 lanes[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};

static void permute(u64 *a) {
  u64 c[5];
  for (int round = 0; round < 24; round++) {
    for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    for (int x = 0; x < 5; x++) {
      u64 next = c[x == 4 ? 0 : x + 1], d = c[x == 0 ? 4 : x - 1] ^ (next << 1 | next >> 63);
      for (int y = 0; y < 25; y += 5) a[x + y] ^= d;
    }
    u64 moved = a[1];
    for (int i = 0; i < 24; i++) {
      u64 held = a[lanes[i]];
      u32 by = rotations[i];
      a[lanes[i]] = moved << by | moved >> (64 - by);
      moved = held;
    }
    for (int y = 0; y < 25; y += 5) {
      for (int x = 0; x < 5; x++) c[x] = a[x + y];
      for (int x = 0; x < 5; x++) a[x + y] = c[x] ^ (~c[x == 4 ? 0 : x + 1] & c[x >= 3 ? x - 3 : x + 2]);
    }
    a[0] ^= constants[round];
  }
}
