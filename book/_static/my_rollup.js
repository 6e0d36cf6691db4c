// "My rollup": the closed forms of the chapters, as in rollstate.compendium.my_rollup; tests hold the two together.
// A formula returns NaN where the package refuses: what cannot keep up has no delay.
"use strict";

window.myRollup = (() => {
  const MONTH_S = 30 * 86400;
  const RAM_LATENCY_S = 100e-9;
  const NO_WAIT_S = 1e-290;
  const OP = { gas: 400000, growth: 1.09493, gwei: 200 };

  // --- tiering.costs.worksheet: $ per slot-block, $ per access that waits
  const sheet = (v) => {
    const held = (usd) => ((usd * v.slot_bytes) / 2 ** 30) * (v.block_s / MONTH_S);
    const late = (latency) => (latency - RAM_LATENCY_S) * v.usd_per_s;
    return {
      ram: held(v.ram_usd), ssd: held(v.ssd_usd), cold: held(v.cold_usd),
      missSsd: late(v.ssd_us * 1e-6), missCold: late(v.cold_ms * 1e-3),
    };
  };
  const ordered = (s) => s.ram >= s.ssd && s.ssd >= s.cold && s.missSsd <= s.missCold;
  const skiRental = (miss, above, below) => (above > below ? miss / (above - below) : Infinity);

  // --- proving.closed_form
  const capacity = (v) =>
    Math.min(1 / v.close_s, (v.provers * (1 - v.failure)) / v.prove_s, v.agg_s ? v.group / v.agg_s : Infinity);
  const keepsUp = (v) => capacity({ ...v, failure: 0 }) >= (1 / v.close_s) * (1 - 1e-12);
  const delayWorst = (v) => (keepsUp(v) ? v.group * v.close_s + v.prove_s + v.agg_s + v.slot_s : NaN);
  const erlangC = (servers, offered) => {
    let blocking = 1;
    for (let k = 1; k <= servers; k++) blocking = (offered * blocking) / (k + offered * blocking);
    return blocking / (1 - (offered / servers) * (1 - blocking));
  };
  const waitForProver = (v) => {
    // Kimura's interpolation for Poisson arrivals; service with retries has the squared variation `failure`.
    const service = v.prove_s / (1 - v.failure);
    const offered = service / v.close_s;
    const c = v.provers;
    const rho = offered / c;
    if (rho >= 1) return NaN;
    const exponential = (erlangC(c, offered) * service) / (c - offered);
    if (exponential < NO_WAIT_S) return 0;
    const correction = 1 + ((1 - rho) * (c - 1) * (Math.sqrt(4 + 5 * c) - 2)) / (16 * rho * c);
    const regular = 0.5 * correction * exponential;
    const terms = (1 - v.failure) / regular + (2 * v.failure) / exponential;
    return (1 + v.failure) / terms;
  };
  const usdPerGas = (v) => v.gwei * 1e-9 * v.eth_usd;
  const batchTx = (v) => v.tx_per_s * v.close_s;

  // --- execution.caches
  const readS = (v, depth) => Math.max(v.disk_us * 1e-6, v.block_slots / (depth / (v.disk_us * 1e-6)));
  const blockMs = (v) => (v.compute_ms * 1e-3 + readS(v, 1)) * 1e3;
  const fastBlockMs = (v) => Math.max((v.compute_ms * 1e-3) / v.threads, readS(v, v.depth)) * 1e3;

  // --- execution.state_trees
  const hashesPerKey = (width, state, batch) => {
    if (batch > state) return NaN;
    const levels = Math.ceil(Math.log(state) / Math.log(width) - 1e-9);
    let inner = 0;
    for (let level = 0; level < levels; level++) {
      const nodes = width ** level;
      inner += level ? -nodes * Math.expm1(batch * Math.log1p(-1 / nodes)) : 1;
    }
    return (inner + batch) / batch;
  };
  const kept = (width, v) =>
    hashesPerKey(width, v.state_slots, v.written_slots * v.interval) /
    hashesPerKey(width, v.state_slots, v.written_slots);
  const witness = (v, node, width) =>
    v.written_slots <= v.state_slots
      ? (node * v.written_slots * (Math.log(v.state_slots / v.written_slots) / Math.log(width)) +
          112 * v.written_slots) / 1e3
      : NaN;

  const formulas = {
    penalty: (v) => { const s = sheet(v); return ordered(s) ? s.missSsd / s.ram : NaN; },
    ssd_window_h: (v) => {
      const s = sheet(v);
      return ordered(s) ? (skiRental(s.missSsd, s.ram, s.ssd) * v.block_s) / 3600 : NaN;
    },
    cold_window_d: (v) => {
      const s = sheet(v);
      return ordered(s) ? (skiRental(s.missCold - s.missSsd, s.ssd, s.cold) * v.block_s) / 86400 : NaN;
    },
    min_provers: (v) => Math.floor(((1 / v.close_s) * v.prove_s) / (1 - v.failure) + 1e-9) + 1,
    capacity_h: (v) => 3600 * capacity(v),
    delay_mean: (v) => delayWorst(v) - (v.group * v.close_s) / 2,
    delay_worst: delayWorst,
    wait: waitForProver,
    slot_wait: (v) => v.slot_s / 2 + (v.slot_s * v.miss) / (1 - v.miss),
    backlog: (v) => Math.max(0, v.prove_s / v.provers - v.close_s),
    best_group: (v) => Math.sqrt((2 * v.verify_gas * usdPerGas(v)) / (v.tx_per_s * v.delay_usd)) / v.close_s,
    verify_usd: (v) => (v.verify_gas * usdPerGas(v)) / (v.group * batchTx(v)),
    post_usd: (v) => (v.batch_gas * usdPerGas(v)) / batchTx(v),
    prove_usd: (v) => ((v.prover_usd_per_h / 3600) * v.prove_s) / batchTx(v),
    serial_read_ms: (v) => readS(v, 1) * 1e3,
    deep_read_ms: (v) => readS(v, v.depth) * 1e3,
    block_ms: blockMs,
    fast_block_ms: fastBlockMs,
    speed_up: (v) => blockMs(v) / fastBlockMs(v),
    two_phase: (v) => 1 / (v.independent / v.threads + 1 - v.independent),
    amdahl: (v) => 1 / (1 - v.independent),
    kept_binary: (v) => kept(2, v),
    kept_hexary: (v) => kept(16, v),
    binary_kb: (v) => witness(v, 32, 2),
    hexary_kb: (v) => witness(v, 512, 16),
    game_s: (v) => (v.extension_s <= v.clock_s ? 2 * (v.clock_s + 2 * v.extension_s) : NaN),
    per_eth_s: (v) => (v.extension_s <= v.clock_s ? v.window_s / (v.bond_eth / 2) : NaN),
    dispute_eth: (v) => v.dispute_gas * v.gwei * 1e-9,
    op_bond_eth: (v) => OP.gas * OP.growth ** v.op_depth * OP.gwei * 1e-9,
  };

  const answers = (values) => Object.fromEntries(Object.entries(formulas).map(([name, f]) => [name, f(values)]));

  const shown = (value) => {
    if (Number.isNaN(value)) return "no answer";
    if (!Number.isFinite(value)) return "without limit";
    if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9)) return value.toExponential(3);
    return value.toLocaleString("en", { maximumSignificantDigits: 5 });
  };

  const start = (form) => {
    const fields = [...form.querySelectorAll("input[name]")];
    const problem = (field) => {
      const value = field.valueAsNumber;
      if (Number.isNaN(value)) return "a number";
      if (value < +field.min || value > +field.max) return `from ${field.min} to ${field.max}`;
      return field.step === "1" && !Number.isInteger(value) ? "a whole number" : "";
    };
    const read = () => {
      const wanted = new URLSearchParams(window.location.hash.slice(1));
      for (const field of fields) field.value = wanted.get(field.name) ?? field.defaultValue;
    };
    const show = () => {
      const values = {};
      for (const field of fields) {
        const wrong = problem(field);
        field.setAttribute("aria-invalid", String(Boolean(wrong)));
        field.parentElement.querySelector(".rs-wrong").textContent = wrong && `must be ${wrong}`;
        values[field.name] = wrong ? NaN : field.valueAsNumber;
      }
      for (const [name, value] of Object.entries(answers(values))) {
        form.querySelector(`output[name="${name}"]`).textContent = shown(value);
      }
    };
    const keep = () => {
      const changed = fields.filter((field) => field.value !== field.defaultValue);
      const state = new URLSearchParams(changed.map((field) => [field.name, field.value])).toString();
      // A page from a file keeps its state too; where it may not, the answers stand all the same.
      try { history.replaceState(null, "", state ? `#${state}` : window.location.pathname); } catch { /* see above */ }
    };
    form.addEventListener("input", () => { show(); keep(); });
    form.addEventListener("reset", () => setTimeout(() => { show(); keep(); }));
    form.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("hashchange", () => { read(); show(); });
    read();
    show();
  };

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("form.rs-rollup").forEach(start));
  return { answers };
})();
