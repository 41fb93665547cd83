//! Writes the format: families, samples, histograms.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::observe::histogram::{Distribution, Histogram};

/// Bounds of a histogram's buckets: in nanoseconds and, for the label, in seconds.
const BOUNDS: [(u64, &str); 17] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// Some of them. A coarse histogram knows them exactly.
const FEW_BOUNDS: [(u64, &str); 9] = [
    (250_000, "0.00025"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
];

/// A page that is being written. Names and label values are fixed, and need no escaping.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
}

/// Pages are made seldom. So its methods are functions, and not parts of the many places that call
/// them.
impl Page {
    #[inline(never)]
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) {
        self.family(name, "counter", help);
    }

    #[inline(never)]
    pub(super) fn only_gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauge(name, help);
        self.plain(name, value);
    }

    #[inline(never)]
    pub(super) fn only_counter(&mut self, name: &str, help: &str, value: u64) {
        self.counter(name, help);
        self.plain(name, value);
    }

    pub(super) fn plain(&mut self, name: &str, value: impl Display) {
        self.sample(name, &[], value);
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(name, labels, &value);
    }

    #[inline(never)]
    pub(super) fn line(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    pub(super) fn histogram<'h>(
        &mut self,
        name: &str,
        help: &str,
        parts: impl Iterator<Item = &'h Histogram>,
    ) {
        self.family(name, "histogram", help);
        self.buckets(name, &[], &Distribution::of(parts));
    }

    /// One distribution of a histogram's family.
    pub(super) fn buckets(&mut self, name: &str, labels: &[(&str, &str)], of: &Distribution) {
        self.buckets_at(&BOUNDS, name, labels, of);
    }

    /// The same in half as many buckets, for a family of many distributions.
    pub(super) fn few_buckets(&mut self, name: &str, labels: &[(&str, &str)], of: &Distribution) {
        self.buckets_at(&FEW_BOUNDS, name, labels, of);
    }

    #[inline(never)]
    fn buckets_at(
        &mut self,
        bounds: &[(u64, &str)],
        name: &str,
        labels: &[(&str, &str)],
        distribution: &Distribution,
    ) {
        let bucket = format!("{name}_bucket");
        let with = |bound| [labels, &[("le", bound)]].concat();
        for &(nanos, bound) in bounds {
            self.line(&bucket, &with(bound), &distribution.at_most(nanos));
        }
        self.line(&bucket, &with("+Inf"), &distribution.count);
        let sum = Seconds(Duration::from_nanos(distribution.sum));
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, distribution.count);
    }
}

/// A duration in seconds, exactly.
pub(super) struct Seconds(pub(super) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// A label's value, as the format wants it: backslash, quote and line end are escaped.
pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
