/* Words of 256 bits in eight limbs of 32, the lowest first. No function needs a library, division of 64 bits included. */

#define EACH(i) for (int i = 0; i < 8; i++)

static inline void set(u32 *r, u32 v) { r[0] = v; for (int i = 1; i < 8; i++) r[i] = 0; }
static inline void copy(u32 *r, const u32 *a) { EACH(i) r[i] = a[i]; }
static inline int zero(const u32 *a) { return !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]); }
static inline int equal(const u32 *a, const u32 *b) { EACH(i) if (a[i] != b[i]) return 0; return 1; }
static int less(const u32 *a, const u32 *b) {
  for (int i = 7; i >= 0; i--) if (a[i] != b[i]) return a[i] < b[i];
  return 0;
}
static int signed_less(const u32 *a, const u32 *b) {
  u32 x = a[7] >> 31, y = b[7] >> 31;
  return x != y ? (int)x : less(a, b);
}
static u32 add(u32 *r, const u32 *a, const u32 *b) {
  u32 carry = 0;
  EACH(i) { u32 s = a[i] + b[i], t = s + carry; carry = (s < a[i]) | (t < s); r[i] = t; }
  return carry;
}
static u32 sub(u32 *r, const u32 *a, const u32 *b) {
  u32 borrow = 0;
  EACH(i) { u32 d = a[i] - b[i], t = d - borrow; borrow = (a[i] < b[i]) | (d < borrow); r[i] = t; }
  return borrow;
}
static void negate(u32 *r) { u32 c = 1; EACH(i) { r[i] = ~r[i] + c; c = c && !r[i]; } }
static void multiply(u32 *r, const u32 *a, const u32 *b, int limbs) {  /* the low 8 or all 16 limbs of a product */
  u32 out[16];
  for (int i = 0; i < limbs; i++) out[i] = 0;
  EACH(i) {
    u32 carry = 0;
    if (!a[i]) continue;
    for (int j = 0; j < 8 && i + j < limbs; j++) {
      u64 t = (u64)a[i] * b[j] + out[i + j] + carry;
      out[i + j] = (u32)t;
      carry = (u32)(t >> 32);
    }
    if (i + 8 < limbs) out[i + 8] = carry;
  }
  for (int i = 0; i < limbs; i++) r[i] = out[i];
}

/* Quotient of high:low by d, which has its highest bit set, high < d (Warren, Hacker's Delight, 2nd ed., figure 9-3). */
static u32 divide_two(u32 high, u32 low, u32 d, u32 *rest) {
  u32 d1 = d >> 16, d0 = d & 0xffff, l1 = low >> 16, l0 = low & 0xffff;
  u32 q1 = high / d1, r = high - q1 * d1;
  while (q1 >> 16 || q1 * d0 > (r << 16 | l1)) { q1--; r += d1; if (r >> 16) break; }
  u32 middle = (high << 16 | l1) - q1 * d, q0 = middle / d1;
  r = middle - q0 * d1;
  while (q0 >> 16 || q0 * d0 > (r << 16 | l0)) { q0--; r += d1; if (r >> 16) break; }
  *rest = (middle << 16 | l0) - q0 * d;
  return (q1 << 16) + q0;
}

/* q, of n limbs, and r = a, of n limbs, divided by d; both zero if d is (Knuth, TAOCP 2, 4.3.1, algorithm D). */
static void divide(u32 *q, u32 *r, const u32 *a, int n, const u32 *d) {
  u32 u[17], v[8], shift = 0;
  int m = 8;
  for (int i = 0; i < n; i++) q[i] = 0;
  while (m && !d[m - 1]) m--;
  if (!m) { set(r, 0); return; }
  while (!(d[m - 1] << shift >> 31)) shift++;
  for (int i = m - 1; i >= 0; i--) v[i] = d[i] << shift | (shift && i ? d[i - 1] >> (32 - shift) : 0);
  u[n] = shift ? a[n - 1] >> (32 - shift) : 0;
  for (int i = n - 1; i >= 0; i--) u[i] = a[i] << shift | (shift && i ? a[i - 1] >> (32 - shift) : 0);
  for (int j = n - m; j >= 0; j--) {
    u32 guess, rest = 0, over = 0, carry = 0, borrow = 0;
    if (u[j + m] >= v[m - 1]) {
      guess = 0xffffffff;
      rest = u[j + m - 1] + v[m - 1];
      over = rest < v[m - 1];
    } else {
      guess = divide_two(u[j + m], u[j + m - 1], v[m - 1], &rest);
    }
    while (m > 1 && !over) {
      u64 p = (u64)guess * v[m - 2];
      if (p <= ((u64)rest << 32 | u[j + m - 2])) break;
      guess--;
      rest += v[m - 1];
      over = rest < v[m - 1];
    }
    for (int i = 0; i < m; i++) {
      u64 p = (u64)guess * v[i] + carry;
      carry = (u32)(p >> 32);
      u32 x = u[i + j], t = x - (u32)p, s = t - borrow;
      borrow = (x < (u32)p) | (t < borrow);
      u[i + j] = s;
    }
    u32 x = u[j + m], t = x - carry, s = t - borrow;
    borrow = (x < carry) | (t < borrow);
    u[j + m] = s;
    if (borrow) {
      u32 c = 0;
      guess--;
      for (int i = 0; i < m; i++) { u64 p = (u64)u[i + j] + v[i] + c; u[i + j] = (u32)p; c = (u32)(p >> 32); }
      u[j + m] += c;
    }
    q[j] = guess;
  }
  EACH(i) r[i] = i < m ? u[i] >> shift | (shift && i + 1 < m ? u[i + 1] << (32 - shift) : 0) : 0;
}
static void divide_signed(u32 *q, u32 *r, const u32 *a, const u32 *b) {
  u32 x[8], y[8], sa = a[7] >> 31, sb = b[7] >> 31;
  copy(x, a); copy(y, b);
  if (sa) negate(x);
  if (sb) negate(y);
  divide(q, r, x, 8, y);
  if (sa != sb) negate(q);
  if (sa) negate(r);
}
static void power(u32 *r, const u32 *a, const u32 *e) {
  u32 base[8], out[8];
  int top = 255;
  copy(base, a); set(out, 1);
  while (top >= 0 && !(e[top >> 5] >> (top & 31) & 1)) top--;
  for (int i = 0; i <= top; i++) {
    if (e[i >> 5] >> (i & 31) & 1) multiply(out, out, base, 8);
    multiply(base, base, base, 8);
  }
  copy(r, out);
}
static void shift_left(u32 *r, const u32 *a, u32 by) {
  u32 out[8];
  int limbs = by >> 5, bits = by & 31;
  EACH(i) out[i] = i < limbs ? 0 : a[i - limbs] << bits | (bits && i > limbs ? a[i - limbs - 1] >> (32 - bits) : 0);
  copy(r, out);
}
static void shift_right(u32 *r, const u32 *a, u32 by, u32 fill) {
  u32 out[8];
  int limbs = by >> 5, bits = by & 31;
  EACH(i) {
    u32 low = i + limbs < 8 ? a[i + limbs] : fill, high = i + limbs + 1 < 8 ? a[i + limbs + 1] : fill;
    out[i] = bits ? low >> bits | high << (32 - bits) : low;
  }
  copy(r, out);
}
static inline u32 turned(u32 v) { return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24; }
static void load(u32 *r, const u8 *at) {  /* from 32 bytes, the highest first */
  if ((u32)at & 3) EACH(i) { const u8 *p = at + 28 - 4 * i; r[i] = p[3] | p[2] << 8 | p[1] << 16 | (u32)p[0] << 24; }
  else EACH(i) r[i] = turned(((const u32 *)at)[7 - i]);
}
static void store(u8 *at, const u32 *a) {
  if ((u32)at & 3) EACH(i) { u8 *p = at + 28 - 4 * i; u32 v = a[i]; p[3] = v; p[2] = v >> 8; p[1] = v >> 16; p[0] = v >> 24; }
  else EACH(i) ((u32 *)at)[7 - i] = turned(a[i]);
}
