// Follow a policy file of rollstate, version 1: standard library alone.
//     rustc -O reader.rs && ./reader policy.json < accesses.txt
// Input and output are those of reader.py. With --time: nanoseconds for each decision instead.
use std::{collections::HashMap, env, fs, io::Read, process::exit, time::Instant};

/// Rows of (least accesses, window); f64::INFINITY never demotes. The state is a count and the last block of each slot.
struct Policy { rows: Vec<(u64, f64)>, state: HashMap<u64, (u64, u64)> }

/// The text after a key of the file, which writes each key once before the member that holds it.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let at = text.find(&format!("\"{key}\":"))? + key.len() + 3;
    Some(text[at..].trim_start())
}

/// The number or null at the start of a text.
fn number(text: &str) -> Option<f64> {
    if text.starts_with("null") { return Some(f64::INFINITY); }
    let end = text.find(|c: char| !"0123456789+-.eE".contains(c)).unwrap_or(text.len());
    text[..end].parse().ok()
}

impl Policy {
    fn read(text: &str) -> Option<Policy> {
        if !after(text, "schema")?.starts_with("\"rollstate-policy\"") || number(after(text, "version")?)? != 1.0 {
            return None;
        }
        if !["\"table\"", "\"window\""].iter().any(|m| after(text, "model").unwrap_or("").starts_with(m)) { return None; }
        let table = after(text, "table")?;
        let mut rows = Vec::new();
        for row in table[..table.find(']')?].split('{').skip(1) {
            rows.push((number(after(row, "accesses")?)? as u64, number(after(row, "window")?)?));
        }
        Some(Policy { rows, state: HashMap::new() })
    }

    /// Blocks without an access through which a slot stays in RAM.
    fn window(&self, count: u64) -> f64 {
        self.rows.iter().take_while(|row| row.0 <= count).last().unwrap_or(&self.rows[0]).1
    }

    /// Take an access; return what it found, and the last block through which the slot stays in RAM.
    fn access(&mut self, slot: u64, block: u64) -> (&'static str, f64) {
        let (count, last) = self.state.get(&slot).copied().unwrap_or((0, 0));
        let found = if count == 0 { "first" }
            else if (block - last) as f64 <= self.window(count) { "hit" } else { "miss" };
        let count = if count > 0 && last == block { count } else { count + 1 };
        self.state.insert(slot, (count, block));
        (found, block as f64 + self.window(count).floor())
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let text = fs::read_to_string(&arguments[1]).expect("the policy cannot be read");
    let Some(mut policy) = Policy::read(&text) else {
        eprintln!("not a rollstate policy of version 1 with a table: fit it again, or take another reader");
        exit(1);
    };
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).expect("accesses cannot be read");
    let rows: Vec<Vec<u64>> =
        input.lines().map(|l| l.split_whitespace().map(|w| w.parse().expect("a number")).collect()).collect();
    let (begin, timed, mut hits) = (Instant::now(), arguments.iter().any(|a| a == "--time"), 0u64);
    for row in &rows {
        let (found, until) = policy.access(row[0], row[1]);
        hits += (found == "hit") as u64;
        if !timed { println!("{found} {}", if until.is_finite() { until.to_string() } else { "never".into() }); }
    }
    if timed { println!("{:.1} ns for each of {} decisions, {hits} hits", begin.elapsed().as_nanos() as f64 / rows.len() as f64, rows.len()); }
}
