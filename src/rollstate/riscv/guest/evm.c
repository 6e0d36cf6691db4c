/* A subset of the EVM that the machine runs: one transaction, London to Cancun, over the accounts, code and slots that lie
   in TABLE. No library, no system call but the last.

   Memory: at INPUT a count of 2 bytes and 49 bytes, the first 32 of them Keccak of the transaction's record; at TABLE a
   header, that record, accounts, slots and code (see struct header); the transaction changes the table in place. At
   DIFFERENCE the outcome and what was written (see finish). What the subset leaves out ends in a status of its own and
   changes nothing: creations, SELFDESTRUCT, CALLCODE, BLOCKHASH, BLOBBASEFEE, precompiles but identity, an account or slot
   that the table does not hold, more memory, depth or writes than there is room for. Build: see guest/build.sh. */

#include "keccak.h"
#include "word.h"

#define INPUT ((const u8 *)0x40000)
#define TABLE 0x80000u
#define RESULT ((u32 *)0xc0000)
#define WRITES_MOST 2700u  /* slots and accounts that the region of the outcome has room for */
#define JOURNAL ((struct change *)0x100000)
#define JOURNAL_MOST 3200u
#define STACK ((u32 *)0x120000)
#define STACK_MOST 4096u
#define BITMAP ((u8 *)0x140000)
#define TRANSIENT ((struct transient *)0x148000)
#define TRANSIENT_MOST 200u
#define RETURNED ((u8 *)0x150000)
#define RETURNED_MOST 0x8000u
#define ARENA 0x158000u
#define ARENA_END 0x1c0000u
#define DEPTH_MOST 40u
#define NO_GAS 0x20000000u

enum { OUTSIDE_NOT_RUN, DONE, BAD_RECORD, INVALID, CREATION, OPCODE, PRECOMPILE, NO_ACCOUNT, NO_SLOT, ROOM };
enum { FAILED, RETURNS, REVERTS };
enum { LONDON, MERGE, SHANGHAI, CANCUN };

struct header { u32 record_bytes, accounts_at, accounts, slots_at, slots, rest[3]; };  /* then the record */
struct record {
  u32 fork[8], data_bytes[8], gas[8], nonce[8], sender[8], to[8], value[8], price[8], base_fee[8], coinbase[8], number[8],
      time[8], gas_limit[8], random[8], chain[8];
  u8 data[];
};
struct account { u32 address[8], balance[8], nonce, code_at, code_bytes, warm, before[8], nonce_before, mapped, rest[2]; };
struct slot { u32 account, warm, key[8], value[8], before[8]; };
struct change { u32 *where, words, old[8]; };
struct transient { u32 account, key[8], value[8]; };
struct frame {
  struct account *self, *code;
  const u32 *caller, *value;
  const u8 *input, *out;
  u8 *memory;
  u32 input_bytes, out_bytes, memory_bytes, gas, fixed, depth;
  u32 *stack;
};

#define HEADER ((struct header *)TABLE)
#define RECORD ((const struct record *)(TABLE + 32))
#define ACCOUNTS ((struct account *)HEADER->accounts_at)
#define SLOTS ((struct slot *)HEADER->slots_at)

static u32 changes, refund, returned, logs, transients, fork;

static void undo(u32 to) {
  while (changes > to) {
    struct change *c = JOURNAL + --changes;
    for (u32 i = 0; i < c->words; i++) c->where[i] = c->old[i];
  }
}

__attribute__((noreturn)) static void stop(u32 status) {
  RESULT[0] = status;
  __asm__ volatile("ecall");
  __builtin_unreachable();
}

/* What was missing, or the opcode, is told where the outcome would be. */
__attribute__((noreturn)) static void outside(u32 status, const u32 *what, const u32 *key) {
  undo(0);
  EACH(i) RESULT[8 + i] = what ? what[i] : 0;
  EACH(i) RESULT[16 + i] = key ? key[i] : 0;
  stop(status);
}

static void keep(u32 *where, u32 words) {
  if (changes == JOURNAL_MOST) outside(ROOM, 0, 0);
  struct change *c = JOURNAL + changes++;
  c->where = where;
  c->words = words;
  for (u32 i = 0; i < words; i++) c->old[i] = where[i];
}
static void change(u32 *where, u32 value) { keep(where, 1); *where = value; }
static void change_word(u32 *where, const u32 *value) { keep(where, 8); copy(where, value); }

static void hash(u32 *out, const u8 *text, u32 bytes) {
  u64 state[25];
  u8 *rate = (u8 *)state;
  u32 at = 0;
  for (int i = 0; i < 25; i++) state[i] = 0;
  for (u32 i = 0; i < bytes; i++) {
    rate[at++] ^= text[i];
    if (at == 136) { permute(state); at = 0; }
  }
  rate[at] ^= 1;
  rate[135] ^= 0x80;
  permute(state);
  u32 copied[8];
  EACH(i) copied[i] = i & 1 ? (u32)(state[i >> 1] >> 32) : (u32)state[i >> 1];
  load(out, (const u8 *)copied);
}

static struct account *account(const u32 *address) {
  for (u32 i = 0; i < HEADER->accounts; i++) if (equal(ACCOUNTS[i].address, address)) return ACCOUNTS + i;
  outside(NO_ACCOUNT, address, 0);
}
static struct slot *slot(const struct account *of, const u32 *key) {
  u32 index = of - ACCOUNTS;
  for (u32 i = 0; i < HEADER->slots; i++) if (SLOTS[i].account == index && equal(SLOTS[i].key, key)) return SLOTS + i;
  outside(NO_SLOT, of->address, key);
}
static struct transient *passing(const struct account *of, const u32 *key) {
  u32 index = of - ACCOUNTS, i = 0;
  while (i < transients && !(TRANSIENT[i].account == index && equal(TRANSIENT[i].key, key))) i++;
  if (i == TRANSIENT_MOST) outside(ROOM, 0, 0);
  if (i == transients) {
    transients++;
    TRANSIENT[i].account = index;
    copy(TRANSIENT[i].key, key);
    set(TRANSIENT[i].value, 0);
  }
  return TRANSIENT + i;
}
static int empty(const struct account *a) { return !a->nonce && zero(a->balance) && !a->code_bytes; }
static u32 precompile(const u32 *address) {
  for (int i = 1; i < 8; i++) if (address[i]) return 0;
  return address[0] <= (fork >= CANCUN ? 10u : 9u) ? address[0] : 0;
}
static int target(const struct account *code, u32 at) {  /* whether at is a JUMPDEST and no data of a PUSH */
  u32 from = code->code_at - TABLE;
  return BITMAP[(from + at) >> 3] >> ((from + at) & 7) & 1;
}
static void map(struct account *code) {
  const u8 *text = (const u8 *)code->code_at;
  u32 from = code->code_at - TABLE;
  if (code->mapped) return;
  change(&code->mapped, 1);
  for (u32 i = 0; i < code->code_bytes; i++) {
    if (text[i] == 0x5b) BITMAP[(from + i) >> 3] |= 1 << ((from + i) & 7);
    else if (text[i] >= 0x60 && text[i] < 0x80) i += text[i] - 0x5f;
  }
}

static int pay(struct frame *f, u32 gas) {
  if (f->gas < gas) return 0;
  f->gas -= gas;
  return 1;
}
static u32 small(const u32 *a) {  /* a number below 2^31, larger ones as 2^31 */
  for (int i = 1; i < 8; i++) if (a[i]) return 1u << 31;
  return a[0] >> 31 ? 1u << 31 : a[0];
}
static u32 memory_gas(u32 bytes) { u32 w = bytes >> 5; return 3 * w + (u32)((u64)w * w >> 9); }
static u32 words(u32 bytes) { return (bytes + 31) >> 5; }
static int room(struct frame *f, const u32 *at, const u32 *length) {  /* pay for memory up to at + length */
  u32 offset = small(at), bytes = small(length);
  if (!bytes) return 1;
  if (offset > 1u << 24 || bytes > 1u << 24) return 0;  /* 2^24 bytes cost more than NO_GAS */
  u32 end = words(offset + bytes) << 5;
  if (end <= f->memory_bytes) return 1;
  if (!pay(f, memory_gas(end) - memory_gas(f->memory_bytes))) return 0;
  if ((u32)f->memory + end > ARENA_END) outside(ROOM, 0, 0);
  for (u32 i = f->memory_bytes; i < end; i += 4) *(u32 *)(f->memory + i) = 0;
  f->memory_bytes = end;
  return 1;
}
static void move(u8 *to, const u8 *from, u32 bytes) {
  if (to > from && to < from + bytes) while (bytes--) to[bytes] = from[bytes];
  else for (u32 i = 0; i < bytes; i++) to[i] = from[i];
}
static void fetch(u8 *to, const u8 *from, u32 have, const u32 *at, u32 bytes) {  /* zeros beyond the end */
  u32 start = small(at);
  for (u32 i = 0; i < bytes; i++) to[i] = start + i < have ? from[start + i] : 0;
}
static int warm(struct frame *f, struct account *a, u32 cold) {
  if (a->warm || precompile(a->address)) return pay(f, 100);
  change(&a->warm, 1);
  return pay(f, cold);
}
static void address_of(u32 *r, const u32 *a) { copy(r, a); r[5] = r[6] = r[7] = 0; }

static int load_slot(struct frame *f, u32 *top) {
  struct slot *s = slot(f->self, top);
  u32 cold = !s->warm;
  if (cold) change(&s->warm, 1);
  copy(top, s->value);
  return pay(f, cold ? 2100 : 100);
}
static int store_slot(struct frame *f, const u32 *key, const u32 *value) {
  if (f->fixed || f->gas <= 2300) return 0;
  struct slot *s = slot(f->self, key);
  u32 gas = 0, back = refund;
  if (!s->warm) { gas = 2100; change(&s->warm, 1); }
  if (equal(s->value, value) || !equal(s->value, s->before)) gas += 100;
  else gas += zero(s->before) ? 20000 : 2900;
  if (!pay(f, gas)) return 0;
  if (equal(s->value, value)) return 1;
  if (!zero(s->before)) back += (zero(value) ? 4800 : 0) - (!equal(s->value, s->before) && zero(s->value) ? 4800 : 0);
  if (!equal(s->value, s->before) && equal(s->before, value)) back += zero(s->before) ? 19900 : 2800;
  change(&refund, back);
  change_word(s->value, value);
  return 1;
}

static u32 run(struct frame *f);

static int transfer(struct account *from, struct account *to, const u32 *value) {
  u32 left[8];
  if (sub(left, from->balance, value)) return 0;
  change_word(from->balance, left);
  add(left, to->balance, value);
  change_word(to->balance, left);
  return 1;
}

/* CALL 0xf1, DELEGATECALL 0xf4, STATICCALL 0xfa: top is the first argument's place, values lie below it. */
static int call(struct frame *f, u32 op, u32 *top) {
  u32 with = op == 0xf1, target_address[8], nothing[8], gas;
  const u32 *wanted = top, *value = with ? top - 16 : nothing, *rest = with ? top - 24 : top - 16;
  const u32 *in = rest, *in_bytes = rest - 8, *out = rest - 16, *out_bytes = rest - 24;
  set(nothing, 0);
  address_of(target_address, top - 8);
  if (with && f->fixed && !zero(value)) return 0;
  if (!room(f, in, in_bytes) || !room(f, out, out_bytes)) return 0;
  u32 special = precompile(target_address);
  if (special && (special != 4 || !zero(value))) outside(PRECOMPILE, target_address, 0);
  struct account *code = special ? 0 : account(target_address);
  if (special ? !pay(f, 100) : !warm(f, code, 2600)) return 0;
  if (!zero(value) && !pay(f, 9000 + (empty(code) ? 25000 : 0))) return 0;
  gas = f->gas - (f->gas >> 6);
  if (small(wanted) < gas) gas = small(wanted);
  f->gas -= gas;
  if (!zero(value)) gas += 2300;
  u32 *result = (u32 *)rest - 24;
  u32 length = small(in_bytes), kept = changes, ended = RETURNS;
  const u8 *input = length ? f->memory + small(in) : f->memory;
  returned = 0;
  if (special) {
    u32 price = 15 + 3 * words(length);
    if (length > RETURNED_MOST) outside(ROOM, 0, 0);
    if (gas < price) { gas = 0; ended = FAILED; }
    else { gas -= price; move(RETURNED, input, length); returned = length; }
  } else if (f->depth == DEPTH_MOST) {
    outside(ROOM, 0, 0);
  } else if (with && !zero(value) && less(f->self->balance, value)) {
    ended = REVERTS;
  } else {
    struct frame g;
    if (!zero(value)) transfer(f->self, code, value);
    g.self = op == 0xf4 ? f->self : code;
    g.code = code;
    g.caller = op == 0xf4 ? f->caller : f->self->address;
    g.value = op == 0xf4 ? f->value : value;
    g.input = input;
    g.input_bytes = length;
    g.out_bytes = g.memory_bytes = 0;
    g.memory = f->memory + f->memory_bytes;
    g.gas = gas;
    g.fixed = f->fixed | (op == 0xfa);
    g.depth = f->depth + 1;
    g.stack = top + 8;
    ended = run(&g);
    gas = g.gas;
    if (ended == FAILED) gas = 0;
    if (ended != RETURNS) undo(kept);
    returned = ended == FAILED ? 0 : g.out_bytes;
    if (returned > RETURNED_MOST) outside(ROOM, 0, 0);
    move(RETURNED, g.out, returned);
  }
  f->gas += gas;
  length = small(out_bytes);
  move(f->memory + small(out), RETURNED, returned < length ? returned : length);
  set(result, ended == RETURNS);
  return 1;
}

static const u8 taken[256] = {  /* words that an opcode takes, below 0x80 and DUP, SWAP apart */
  [0x01] = 2, 2, 2, 2, 2, 2, 2, 3, 3, 2, 2, [0x10] = 2, 2, 2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2, 2, [0x20] = 2, [0x31] = 1,
  [0x35] = 1, [0x37] = 3, [0x39] = 3, [0x3b] = 1, 4, [0x3e] = 3, 1, 1, [0x49] = 1, [0x50] = 1, 1, 2, 2, 1, 2, 1, 2,
  [0x5c] = 1, 2, 3, [0xa0] = 2, 3, 4, 5, 6, [0xf0] = 3, 7, 7, 2, 6, 4, [0xfa] = 6, [0xfd] = 2, [0xff] = 1};
static const u8 cost[256] = {  /* gas, or what of it does not depend on anything */
  [0x01] = 3, 5, 3, 5, 5, 5, 5, 8, 8, 10, 5, [0x10] = 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, [0x20] = 30, [0x30] = 2,
  [0x32] = 2, 2, 2, 3, 2, 3, 2, 3, 2, [0x3d] = 2, 3, [0x41] = 2, 2, 2, 2, 2, 2, 5, 2, 3, [0x50] = 2, 3, 3, 3, [0x56] = 8, 10, 2,
  2, 2, 1, [0x5c] = 100, 100, 3, 2, [0x60 ... 0x9f] = 3};

/* Whether an opcode leaves one word more than it found: PUSH, DUP, and what takes nothing and costs something. */
static int grows(u32 op) { return op < 0x5f ? !taken[op] && cost[op] && op != 0x5b : op < 0x90; }

static u32 run(struct frame *f) {
  const u8 *code = (const u8 *)f->code->code_at;
  const u32 size = f->code->code_bytes;
  u32 pc = 0, n, *s = f->stack - 8;  /* s is the topmost word */
  const struct record *r = RECORD;
  f->out = f->memory;
  map(f->code);
  for (;;) {
    u32 op = pc < size ? code[pc] : 0, height = (u32)(s + 8 - f->stack) >> 3;
    u32 *a = s, *b = s - 8, *c = s - 16, word[8];
    pc++;
    if (op >= 0x80 && op < 0xa0 ? height < op - (op < 0x90 ? 0x7f : 0x8e) : height < taken[op]) return FAILED;
    if (height == 1024 && grows(op)) return FAILED;
    if (s >= STACK + 8 * (STACK_MOST - 2)) outside(ROOM, 0, 0);
    if (!pay(f, cost[op])) return FAILED;
    if (op >= 0x60 && op < 0x80) {
      n = op - 0x5f;
      s += 8;
      set(s, 0);
      for (u32 i = 0; i < n; i++) {
        u32 place = n - 1 - i;
        s[place >> 2] |= (u32)(pc + i < size ? code[pc + i] : 0) << (8 * (place & 3));
      }
      pc += n;
      continue;
    }
    if (op >= 0x80 && op < 0x90) { s += 8; copy(s, s - 8 * (op - 0x7f)); continue; }
    if (op >= 0x90 && op < 0xa0) { b = s - 8 * (op - 0x8f); copy(word, b); copy(b, s); copy(s, word); continue; }
    switch (op) {
      case 0x00: f->out_bytes = 0; return RETURNS;
      case 0x01: add(b, a, b); s = b; break;
      case 0x02: multiply(b, a, b, 8); s = b; break;
      case 0x03: sub(b, a, b); s = b; break;
      case 0x04: { u32 q[8]; divide(q, word, a, 8, b); copy(b, q); s = b; break; }
      case 0x05: { u32 q[8]; divide_signed(q, word, a, b); copy(b, q); s = b; break; }
      case 0x06: { u32 q[8]; divide(q, word, a, 8, b); copy(b, word); s = b; break; }
      case 0x07: { u32 q[8]; divide_signed(q, word, a, b); copy(b, word); s = b; break; }
      case 0x08: {
        u32 q[16], whole[16];
        for (int i = 9; i < 16; i++) whole[i] = 0;
        whole[8] = add(whole, a, b);
        divide(q, word, whole, 16, c); copy(c, word); s = c; break;
      }
      case 0x09: { u32 q[16], whole[16]; multiply(whole, a, b, 16); divide(q, word, whole, 16, c); copy(c, word); s = c; break; }
      case 0x0a: {
        n = 32;
        while (n && !(b[(n - 1) >> 2] >> (8 * ((n - 1) & 3)) & 255)) n--;
        if (!pay(f, 50 * n)) return FAILED;
        power(b, a, b); s = b; break;
      }
      case 0x0b:
        n = small(a);
        if (n < 31) {
          u32 bit = 8 * n + 7, high = b[bit >> 5] >> (bit & 31) & 1;
          for (u32 i = n + 1; i < 32; i++) {
            u32 mask = 255u << (8 * (i & 3));
            b[i >> 2] = high ? b[i >> 2] | mask : b[i >> 2] & ~mask;
          }
        }
        s = b; break;
      case 0x10: set(b, less(a, b)); s = b; break;
      case 0x11: set(b, less(b, a)); s = b; break;
      case 0x12: set(b, signed_less(a, b)); s = b; break;
      case 0x13: set(b, signed_less(b, a)); s = b; break;
      case 0x14: set(b, equal(a, b)); s = b; break;
      case 0x15: set(a, zero(a)); break;
      case 0x16: EACH(i) b[i] &= a[i]; s = b; break;
      case 0x17: EACH(i) b[i] |= a[i]; s = b; break;
      case 0x18: EACH(i) b[i] ^= a[i]; s = b; break;
      case 0x19: EACH(i) a[i] = ~a[i]; break;
      case 0x1a: n = small(a); set(b, n < 32 ? b[(31 - n) >> 2] >> (8 * ((31 - n) & 3)) & 255 : 0); s = b; break;
      case 0x1b: n = small(a); if (n < 256) shift_left(b, b, n); else set(b, 0); s = b; break;
      case 0x1c: n = small(a); if (n < 256) shift_right(b, b, n, 0); else set(b, 0); s = b; break;
      case 0x1d: {
        u32 fill = b[7] >> 31 ? 0xffffffff : 0;
        n = small(a);
        if (n < 256) shift_right(b, b, n, fill); else EACH(i) b[i] = fill;
        s = b; break;
      }
      case 0x20:
        n = small(b);
        if (!room(f, a, b) || !pay(f, 6 * words(n))) return FAILED;
        hash(b, f->memory + (n ? small(a) : 0), n); s = b; break;
      case 0x30: s += 8; copy(s, f->self->address); break;
      case 0x31: case 0x3b: case 0x3f: {
        address_of(word, a);
        struct account *other = account(word);
        if (!warm(f, other, 2600)) return FAILED;
        if (op == 0x31) copy(a, other->balance);
        else if (op == 0x3b) set(a, other->code_bytes);
        else if (empty(other)) set(a, 0);
        else hash(a, (const u8 *)other->code_at, other->code_bytes);
        break;
      }
      case 0x32: s += 8; copy(s, r->sender); break;
      case 0x33: s += 8; copy(s, f->caller); break;
      case 0x34: s += 8; copy(s, f->value); break;
      case 0x35: { u8 text[32] __attribute__((aligned(4))); fetch(text, f->input, f->input_bytes, a, 32); load(a, text); break; }
      case 0x36: s += 8; set(s, f->input_bytes); break;
      case 0x37: case 0x39:
        n = small(c);
        if (!room(f, a, c) || !pay(f, 3 * words(n))) return FAILED;
        fetch(f->memory + small(a), op == 0x37 ? f->input : code, op == 0x37 ? f->input_bytes : size, b, n);
        s -= 24; break;
      case 0x38: s += 8; set(s, size); break;
      case 0x3a: s += 8; copy(s, r->price); break;
      case 0x3c: {
        address_of(word, a);
        struct account *other = account(word);
        n = small(s - 24);
        if (!warm(f, other, 2600) || !room(f, b, s - 24) || !pay(f, 3 * words(n))) return FAILED;
        fetch(f->memory + small(b), (const u8 *)other->code_at, other->code_bytes, c, n);
        s -= 32; break;
      }
      case 0x3d: s += 8; set(s, returned); break;
      case 0x3e:
        n = small(c);
        if (small(b) > returned || n > returned - small(b)) return FAILED;
        if (!room(f, a, c) || !pay(f, 3 * words(n))) return FAILED;
        move(f->memory + small(a), RETURNED + small(b), n);
        s -= 24; break;
      case 0x41: s += 8; copy(s, r->coinbase); break;
      case 0x42: s += 8; copy(s, r->time); break;
      case 0x43: s += 8; copy(s, r->number); break;
      case 0x44: s += 8; copy(s, r->random); break;
      case 0x45: s += 8; copy(s, r->gas_limit); break;
      case 0x46: s += 8; copy(s, r->chain); break;
      case 0x47: s += 8; copy(s, f->self->balance); break;
      case 0x48: s += 8; copy(s, r->base_fee); break;
      case 0x49: if (fork < CANCUN) return FAILED; set(a, 0); break;  /* no blobs: a transaction with some is outside */
      case 0x50: s -= 8; break;
      case 0x51: case 0x52: case 0x53:
        set(word, op == 0x53 ? 1 : 32);
        if (!room(f, a, word)) return FAILED;
        if (op == 0x51) { load(a, f->memory + small(a)); break; }
        if (op == 0x52) store(f->memory + small(a), b);
        else f->memory[small(a)] = b[0];
        s -= 16; break;
      case 0x54: if (!load_slot(f, a)) return FAILED; break;
      case 0x55: if (!store_slot(f, a, b)) return FAILED; s -= 16; break;
      case 0x56: case 0x57:
        n = small(a);
        s -= op == 0x56 ? 8 : 16;
        if (op == 0x57 && zero(b)) break;
        if (n >= size || !target(f->code, n)) return FAILED;
        pc = n; break;
      case 0x58: s += 8; set(s, pc - 1); break;
      case 0x59: s += 8; set(s, f->memory_bytes); break;
      case 0x5a: s += 8; set(s, f->gas); break;
      case 0x5b: break;
      case 0x5c: if (fork < CANCUN) return FAILED; copy(a, passing(f->self, a)->value); break;
      case 0x5d: if (fork < CANCUN || f->fixed) return FAILED; change_word(passing(f->self, a)->value, b); s -= 16; break;
      case 0x5e:
        if (fork < CANCUN) return FAILED;
        n = small(c);
        if (!room(f, less(a, b) ? b : a, c) || !pay(f, 3 * words(n))) return FAILED;
        if (n) move(f->memory + small(a), f->memory + small(b), n);
        s -= 24; break;
      case 0x5f: if (fork < SHANGHAI) return FAILED; s += 8; set(s, 0); break;
      case 0xa0: case 0xa1: case 0xa2: case 0xa3: case 0xa4:
        if (f->fixed) return FAILED;
        n = small(b);
        if (!room(f, a, b) || !pay(f, 375 * (op - 0x9f)) || !pay(f, 8 * n)) return FAILED;
        change(&logs, logs + 1);
        s -= 8 * taken[op]; break;
      case 0xf1: case 0xf4: case 0xfa:
        if (!call(f, op, s)) return FAILED;
        s -= 8 * (taken[op] - 1); break;
      case 0xf3: case 0xfd:
        if (!room(f, a, b)) return FAILED;
        f->out_bytes = small(b);
        f->out = f->memory + (f->out_bytes ? small(a) : 0);
        return op == 0xf3 ? RETURNS : REVERTS;
      case 0x40: case 0x4a: case 0xf0: case 0xf2: case 0xf5: case 0xff: set(word, op); outside(OPCODE, word, 0);
      default: return FAILED;
    }
  }
}

/* Words at RESULT: status, success, gas used, logs, number of slots written, number of accounts changed; from word 24 each
   slot as address, key, value, then each account as address, balance, nonce (as a word). Values become the agreed ones. */
static void finish(u32 success, u32 gas) {
  u32 *at = RESULT + 24;
  RESULT[1] = success; RESULT[2] = gas; RESULT[3] = logs;
  for (u32 i = 0; i < HEADER->slots; i++) {
    struct slot *s = SLOTS + i;
    s->warm = 0;
    if (equal(s->value, s->before)) continue;
    copy(at, ACCOUNTS[s->account].address); copy(at + 8, s->key); copy(at + 16, s->value);
    copy(s->before, s->value);
    at += 24;
    RESULT[4]++;
  }
  for (u32 i = 0; i < HEADER->accounts; i++) {
    struct account *a = ACCOUNTS + i;
    a->warm = a->mapped = 0;
    if (equal(a->balance, a->before) && a->nonce == a->nonce_before) continue;
    copy(at, a->address); copy(at + 8, a->balance); set(at + 16, a->nonce);
    copy(a->before, a->balance); a->nonce_before = a->nonce;
    at += 24;
    RESULT[5]++;
  }
  stop(DONE);
}

void begin(void) {
  const struct record *r = RECORD;
  u32 found[8], told[8], gas[8], spent[8], left[8], data = r->data_bytes[0], base = 21000, most = r->gas[0], nothing[8];
  set(nothing, 0);
  load(told, INPUT + 2);
  if (INPUT[0] != 1 || HEADER->record_bytes > 0x20000 || HEADER->record_bytes != sizeof(struct record) + data)
    outside(BAD_RECORD, 0, 0);
  if (HEADER->slots + HEADER->accounts > WRITES_MOST) outside(ROOM, 0, 0);
  hash(found, (const u8 *)r, HEADER->record_bytes);
  if (!equal(found, told)) outside(BAD_RECORD, 0, 0);
  fork = r->fork[0];
  struct account *sender = account(r->sender), *coinbase = account(r->coinbase), *to = account(r->to);
  if (precompile(r->to)) outside(PRECOMPILE, r->to, 0);
  for (u32 i = 0; i < data; i++) base += r->data[i] ? 16 : 4;
  multiply(spent, r->gas, r->price, 8);
  add(left, spent, r->value);
  if (small(r->gas) >= NO_GAS || most < base || sender->nonce != small(r->nonce) || less(sender->balance, left) ||
      less(r->price, r->base_fee) || sender->code_bytes)
    outside(INVALID, 0, 0);
  change(&sender->nonce, sender->nonce + 1);
  sub(left, sender->balance, spent);
  change_word(sender->balance, left);
  change(&sender->warm, 1);
  change(&to->warm, 1);
  if (fork >= SHANGHAI) change(&coinbase->warm, 1);
  struct frame f = {.self = to, .code = to, .caller = r->sender, .value = r->value, .input = r->data, .out = r->data,
    .memory = (u8 *)ARENA, .input_bytes = data, .gas = most - base, .stack = STACK + 8};
  u32 kept = changes;
  if (!zero(r->value)) transfer(sender, to, r->value);
  u32 ended = run(&f);
  if (ended != RETURNS) { undo(kept); refund = 0; }
  if (ended == FAILED) f.gas = 0;
  u32 used = most - f.gas, back = refund < used / 5 ? refund : used / 5;
  used -= back;
  set(gas, most - used);
  multiply(spent, gas, r->price, 8);
  add(left, sender->balance, spent);
  change_word(sender->balance, left);
  set(gas, used);
  sub(left, r->price, r->base_fee);
  multiply(spent, gas, left, 8);
  add(left, coinbase->balance, spent);
  change_word(coinbase->balance, left);
  finish(ended == RETURNS, used);
}

__attribute__((naked, section(".start"))) void start(void) {
  __asm__("lui sp, 0x1f0\n jal ra, begin\n ecall");
}
