//! The figures of a run as a table or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// One figure. A figure that could not be measured (no process id, no events) is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    pub phase: &'static str,
    pub name: String,
    pub unit: &'static str,
    pub value: f64,
}

/// The figures of one master.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub master: String,
    pub figures: Vec<Metric>,
}

impl Report {
    pub fn new(master: String) -> Self {
        Report { master, figures: Vec::new() }
    }

    pub fn add(&mut self, phase: &'static str, name: impl Into<String>, unit: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.figures.push(Metric { phase, name: name.into(), unit, value });
        }
    }

    fn value(&self, figure: &Metric) -> Option<f64> {
        self.figures.iter().find(|f| (f.phase, &f.name) == (figure.phase, &figure.name)).map(|f| f.value)
    }
}

/// Returns a table with a column for each master. With two of them it also has the ratio of the first to the second,
/// which is the reference.
pub fn table(reports: &[Report]) -> String {
    let mut text = format!("{:<48}", "");
    for report in reports {
        let _ = write!(text, "{:>18}", report.master);
    }
    if reports.len() == 2 {
        let _ = write!(text, "{:>10}", "ratio");
    }
    text.push('\n');
    let Some(first) = reports.first() else { return text };
    let mut phase = "";
    for figure in &first.figures {
        if figure.phase != phase {
            phase = figure.phase;
            let _ = writeln!(text, "{phase}");
        }
        let _ = write!(text, "  {:<46}", format!("{} ({})", figure.name, figure.unit));
        let values: Vec<_> = reports.iter().map(|report| report.value(figure)).collect();
        for value in &values {
            let _ = write!(text, "{:>18}", value.map_or("-".to_owned(), number));
        }
        if let [Some(ours), Some(reference)] = values[..]
            && reference != 0.0
        {
            let _ = write!(text, "{:>10.3}", ours / reference);
        }
        text.push('\n');
    }
    text
}

/// Writes reports as JSON.
///
/// # Errors
/// Returns an error if a figure is not a number that JSON can hold.
pub fn json(reports: &[Report]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(reports)
}

/// Formats a number with three digits; more would be noise in a measurement on a shared machine.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(master: &str, wall: f64, cpu: Option<f64>) -> Report {
        let mut report = Report::new(master.to_owned());
        report.add("register 10 agents", "wall", "s", Some(wall));
        report.add("register 10 agents", "master cpu", "s", cpu);
        report.add("idle", "master cpu", "%", Some(0.5));
        report
    }

    #[test]
    fn one_master_has_one_column() {
        insta::assert_snapshot!(table(&[report("127.0.0.1:1", 1.25, None)]), @r"
                                                               127.0.0.1:1
        register 10 agents
          wall (s)                                                    1.25
        idle
          master cpu (%)                                             0.500
        ");
    }

    #[test]
    fn two_masters_are_compared() {
        let reports = [report("127.0.0.1:1", 1.25, Some(0.1)), report("127.0.0.1:2", 2.5, None)];
        insta::assert_snapshot!(table(&reports), @r"
                                                               127.0.0.1:1       127.0.0.1:2     ratio
        register 10 agents
          wall (s)                                                    1.25              2.50     0.500
          master cpu (s)                                             0.100                 -
        idle
          master cpu (%)                                             0.500             0.500     1.000
        ");
    }
}
