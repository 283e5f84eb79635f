//! The one table that comes out.

use std::io::Write as _;
use std::time::Duration;

/// What was measured of one row of the table, over all its rounds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds of work are exact in a double")]
impl Measured {
    pub(crate) fn add(&mut self, (answers, took): (u64, Duration), cpu: Duration) {
        self.answers += answers;
        self.took += took;
        self.cpu += cpu;
    }

    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }

    /// Processor time an answer, in microseconds.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.answers as f64
    }
}

/// Says one line.
pub(crate) fn say(line: &str) {
    // A closed pipe has nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Says whether a number keeps its limit.
fn verdict(holds: bool, by: f64, unit: &str) -> String {
    if holds { "meets".to_owned() } else { format!("misses by {by:.2}{unit}") }
}

/// At most so much.
pub(crate) fn at_most(value: f64, limit: f64, unit: &str) -> String {
    verdict(value <= limit, value - limit, unit)
}

/// At least so much.
pub(crate) fn at_least(value: f64, limit: f64, unit: &str) -> String {
    verdict(value >= limit, limit - value, unit)
}

/// The head of the rows of readings.
pub(crate) fn head() {
    say(&format!(
        "{:<42}{:>11}{:>9}{:>11}{:>9}   limits: ≥ 0.7 of bare a second, ≤ 2 × bare's CPU",
        "", "a second", "of bare", "CPU µs", "of bare"
    ));
}

/// A row that is only measured against.
pub(crate) fn reference(name: &str, measured: &Measured) {
    say(&format!("{name:<42}{:>11.0}{:>9}{:>11.2}", measured.rate(), "", measured.cost()));
}

/// A row of readings.
pub(crate) fn reading(name: &str, measured: &Measured, bare: &Measured) {
    let (rate, cost) = (measured.rate() / bare.rate(), measured.cost() / bare.cost());
    let (fast, cheap) = (at_least(rate, 0.7, ""), at_most(cost, 2.0, ""));
    say(&format!(
        "{name:<42}{:>11.0}{rate:>9.2}{:>11.2}{cost:>9.2}   {fast} / {cheap}",
        measured.rate(),
        measured.cost()
    ));
}

/// The head of the rows of writes.
pub(crate) fn head_of_writes() {
    say(&format!(
        "\n{:<42}{:>11}{:>9}{:>11}{:>9}   limit: ≥ 0.5 of the store's own",
        "", "a second", "of store", "CPU µs", ""
    ));
}

/// A row of writes.
pub(crate) fn writing(name: &str, measured: &Measured, limit: &Measured) {
    let rate = measured.rate() / limit.rate();
    say(&format!(
        "{name:<42}{:>11.0}{rate:>9.2}{:>11.2}{:>9}   {}",
        measured.rate(),
        measured.cost(),
        "",
        at_least(rate, 0.5, "")
    ));
}

/// A row of one number.
pub(crate) fn single(name: &str, value: &str, verdict: &str) {
    say(&format!("{name:<42}{value:>20}   {verdict}"));
}

/// The head of the rows of objects.
pub(crate) fn head_of_objects() {
    say(&format!("{:<42}{:>11}{:>9}{:>11}", "", "", "share", "CPU µs"));
}

/// A row of objects: `shown` is what was reached, in its unit; `share` of what could not be faster.
pub(crate) fn object(name: &str, shown: &str, share: Option<(f64, f64)>, cost: Option<(f64, Option<f64>)>) {
    let of = share.map_or(String::new(), |(reached, _)| format!("{reached:.2}"));
    let spent = cost.map_or(String::new(), |(micros, _)| format!("{micros:.1}"));
    let mut said = Vec::new();
    if let Some((reached, least)) = share {
        said.push(format!("limit ≥ {least}: {}", at_least(reached, least, "")));
    }
    if let Some((micros, Some(most))) = cost {
        said.push(format!("limit ≤ {most:.1} µs: {}", at_most(micros, most, " µs")));
    }
    say(&format!("{name:<42}{shown:>11}{of:>9}{spent:>11}   {}", said.join(" / ")));
}
