/* The transition that the machine runs: transfers of the native coin, and token transfers with the storage writes of an
   ERC-20, balances[account] at slot keccak(account . index). No library, no system call but the last.

   Memory: transactions at INPUT, a table of storage at TABLE (open addressing, linear probing), the same kind of table of
   what was written, key to last value, at DIFFERENCE, outcomes at OUTPUT. A refused transaction changes nothing.
   Build: see guest/build.sh. */

#include "keccak.h"

#define INPUT ((volatile u8 *)0x40000)
#define TABLE ((struct entry *)0x80000)
#define DIFFERENCE ((struct entry *)0xc0000)
#define OUTPUT ((volatile u32 *)0x100000)
#define ENTRIES 4096u

struct entry { u32 key[8]; u64 value; };

/* keccak(account, padded to 32 bytes, index of the mapping, 32 bytes) */
static void slot_of(const volatile u8 *account, u32 index, u32 *key) {
  u64 state[25];
  u8 *bytes = (u8 *)state;
  for (int i = 0; i < 25; i++) state[i] = 0;
  for (int i = 0; i < 20; i++) bytes[12 + i] = account[i];
  bytes[63] = (u8)index;
  bytes[64] = 1;
  bytes[135] = 0x80;
  permute(state);
  for (int i = 0; i < 4; i++) {
    key[2 * i] = (u32)state[i];
    key[2 * i + 1] = (u32)(state[i] >> 32);
  }
}

static int same(const u32 *a, const u32 *b) {
  for (int i = 0; i < 8; i++) if (a[i] != b[i]) return 0;
  return 1;
}

/* The entry of a key, or the free one where it belongs; 0 if the table is full. */
static struct entry *find(struct entry *table, const u32 *key) {
  static const u32 nothing[8];
  for (u32 i = 0; i < ENTRIES; i++) {
    struct entry *at = table + ((key[0] + i) & (ENTRIES - 1));
    if (same(at->key, key) || same(at->key, nothing)) return at;
  }
  return 0;
}

static void put(struct entry *at, const u32 *key, u64 value) {
  for (int i = 0; i < 8; i++) at->key[i] = key[i];
  at->value = value;
}

static u32 apply(const volatile u8 *tx) {
  u32 index = tx[0], from[8], to[8];
  u64 amount = 0;
  if (index > 1) return 0;
  for (int i = 7; i >= 0; i--) amount = amount << 8 | tx[41 + i];
  slot_of(tx + 1, index, from);
  slot_of(tx + 21, index, to);
  struct entry *source = find(TABLE, from);
  if (!source || !same(source->key, from) || source->value < amount) return 0;
  if (same(from, to)) return 1;
  struct entry *target = find(TABLE, to);
  if (!target || target->value + amount < amount) return 0;
  source->value -= amount;
  put(target, to, target->value + amount);
  put(find(DIFFERENCE, from), from, source->value);  /* never full: every key in it is in TABLE, which is as large */
  put(find(DIFFERENCE, to), to, target->value);
  return 1;
}

void run(void) {
  u32 count = INPUT[0] | INPUT[1] << 8;
  for (u32 i = 0; i < count; i++) OUTPUT[i] = apply(INPUT + 2 + 49 * i);
}

__attribute__((naked, section(".start"))) void start(void) {
  __asm__("lui sp, 0x1f0\n jal ra, run\n ecall");
}
