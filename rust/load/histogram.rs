//! Histogram: latencies as the percentile text of HdrHistogram, which its plotters and those of other tools read.

use hdrhistogram::Histogram;
use std::fmt::Write;

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 3_600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
const TICKS: u32 = 5;
const NS_PER_MS: f64 = 1e6;

/// The percentiles of `latencies_ns` in milliseconds, three digits, from one microsecond to one hour.
///
/// `unanswered` requests have no latency; a comment counts them.
pub fn percentiles(latencies_ns: &[u64], unanswered: u64) -> Result<String, String> {
    let mut histogram = Histogram::<u64>::new_with_bounds(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
        .map_err(|error| error.to_string())?;
    for &latency in latencies_ns {
        histogram.saturating_record(latency.max(LOWEST_NS));
    }
    written(&histogram, unanswered).map_err(|error| error.to_string())
}

fn written(histogram: &Histogram<u64>, unanswered: u64) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let mut total = 0;
    writeln!(text, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64 / NS_PER_MS, step.quantile_iterated_to());
        if quantile < 1.0 {
            writeln!(text, "{value:12.3} {quantile:2.12} {total:10} {:14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(text, "{value:12.3} {quantile:2.12} {total:10}")?;
        }
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(
        text,
        "#[Max     = {:12.3}, Total count    = {:12}]",
        histogram.max() as f64 / NS_PER_MS,
        histogram.len()
    )?;
    writeln!(text, "#[Unit    = milliseconds, Unanswered     = {unanswered:12}]")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Percentile, value and count of each line.
    fn rows(text: &str) -> Vec<(f64, f64, u64)> {
        let lines = text.lines().skip(2).filter(|line| !line.starts_with('#'));
        let number = |field: &str| field.parse::<f64>().expect("a number");
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .map(|fields| (number(fields[1]), number(fields[0]), number(fields[2]) as u64))
            .collect()
    }

    #[test]
    fn nothing_is_no_line_but_a_count() {
        let text = percentiles(&[], 3).expect("a text");
        assert!(text.contains("Unanswered     =            3"));
        assert!(rows(&text).iter().all(|row| row.2 == 0));
    }

    proptest! {
        #[test]
        fn every_latency_is_counted_and_the_last_line_is_the_longest(ns in prop::collection::vec(1_000..60_000_000_000_u64, 1..200)) {
            let rows = rows(&percentiles(&ns, 0).expect("a text"));
            let longest = *ns.iter().max().expect("one at least") as f64 / NS_PER_MS;
            let last = rows.last().expect("a line");
            prop_assert_eq!((last.0, last.2), (1.0, ns.len() as u64));
            // Three significant digits, and half a microsecond of the text itself.
            prop_assert!((last.1 - longest).abs() <= longest * 1e-3 + 6e-4, "{} {}", last.1, longest);
            prop_assert!(rows.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        }
    }
}
