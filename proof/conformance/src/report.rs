//! The report of a run: a table, or JSON.

use std::error::Error;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::suite::{self, Case, Outcome, Verdict};

/// The results of one master, in the order of the cases.
pub struct Column {
    pub title: String,
    pub outcomes: Vec<Outcome>,
}

const ID_WIDTH: usize = 8;
const COLUMN_WIDTH: usize = 8;

/// Writes the outcomes of cases as a table with one column for each master.
///
/// # Errors
/// Returns the error of the first write that fails.
pub fn table(out: &mut impl Write, cases: &[&Case], columns: &[Column]) -> io::Result<()> {
    let sentences = cases.iter().map(|case| case.checks.chars().count()).max().unwrap_or(0);
    for (letter, column) in letters().zip(columns) {
        writeln!(out, "{letter} = {}", column.title)?;
    }
    write!(out, "\n{:ID_WIDTH$}{:sentences$}", "case", "what holds")?;
    for (letter, _) in letters().zip(columns) {
        write!(out, "  {letter:COLUMN_WIDTH$}")?;
    }
    writeln!(out)?;
    for (row, case) in cases.iter().enumerate() {
        write!(out, "{:ID_WIDTH$}{:sentences$}", case.id, case.checks)?;
        for outcome in cells(columns, row) {
            write!(out, "  {:COLUMN_WIDTH$}", word(&outcome.verdict))?;
        }
        writeln!(out)?;
    }
    details(out, cases, columns)?;
    totals(out, columns)
}

/// Writes why cases failed or were skipped.
fn details(out: &mut impl Write, cases: &[&Case], columns: &[Column]) -> io::Result<()> {
    for (letter, column) in letters().zip(columns) {
        for (case, outcome) in cases.iter().zip(&column.outcomes) {
            match &outcome.verdict {
                Verdict::Pass => {}
                Verdict::Fail(stop) => {
                    writeln!(out, "\nFAIL {letter} {}: {}", case.id, case.checks)?;
                    writeln!(out, "    {}", explain(stop))?;
                }
                Verdict::Skip(reason) => writeln!(out, "\nSKIP {letter} {}: {reason}", case.id)?,
            }
        }
    }
    Ok(())
}

fn totals(out: &mut impl Write, columns: &[Column]) -> io::Result<()> {
    writeln!(out)?;
    for (letter, column) in letters().zip(columns) {
        let count = |wanted: &str| column.outcomes.iter().filter(|o| word(&o.verdict) == wanted).count();
        let seconds: f64 = column.outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
        writeln!(
            out,
            "{letter} {}: {} passed, {} failed, {} skipped in {seconds:.1} s",
            column.title,
            count("PASS"),
            count("FAIL"),
            count("SKIP")
        )?;
    }
    Ok(())
}

pub fn json(cases: &[&Case], columns: &[Column]) -> Value {
    let row = |(row, case): (usize, &&Case)| {
        let outcomes: Vec<Value> = cells(columns, row)
            .map(|outcome| {
                let why = match &outcome.verdict {
                    Verdict::Pass => Value::Null,
                    Verdict::Fail(stop) => explain(stop).into(),
                    Verdict::Skip(reason) => reason.as_str().into(),
                };
                json!({"verdict": word(&outcome.verdict), "why": why, "seconds": outcome.took.as_secs_f64()})
            })
            .collect();
        let needs: Vec<String> = case.needs.iter().copied().map(suite::name).collect();
        json!({"case": case.id, "checks": case.checks, "needs": needs, "outcomes": outcomes})
    };
    let titles: Vec<&str> = columns.iter().map(|column| column.title.as_str()).collect();
    json!({"masters": titles, "cases": cases.iter().enumerate().map(row).collect::<Vec<_>>()})
}

pub fn any_failed(columns: &[Column]) -> bool {
    columns.iter().flat_map(|column| &column.outcomes).any(|outcome| matches!(outcome.verdict, Verdict::Fail(_)))
}

fn cells(columns: &[Column], row: usize) -> impl Iterator<Item = &Outcome> {
    columns.iter().filter_map(move |column| column.outcomes.get(row))
}

fn letters() -> impl Iterator<Item = char> {
    'A'..='Z'
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail(_) => "FAIL",
        Verdict::Skip(_) => "SKIP",
    }
}

/// Returns an error with its causes on one line.
fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::case_error::CaseError;

    fn case(id: &'static str, checks: &'static str) -> Case {
        Case { id, checks, needs: &[], run: |_| Ok(()) }
    }

    fn column(title: &str, verdicts: Vec<Verdict>) -> Column {
        let took = Duration::from_millis(500);
        let outcomes = verdicts.into_iter().map(|verdict| Outcome { verdict, took }).collect();
        Column { title: title.to_owned(), outcomes }
    }

    #[test]
    fn the_report_shows_failed_cases_with_reasons() {
        let cases = [case("1.1", "it works"), case("1.2", "it is fast")];
        let cases: Vec<&Case> = cases.iter().collect();
        let failure = CaseError::unexpected("status", 200, 404);
        let columns = [
            column("master one", vec![Verdict::Pass, Verdict::Skip("needs --agent".into())]),
            column("master two", vec![Verdict::Fail(failure), Verdict::Pass]),
        ];
        let mut out = Vec::new();
        table(&mut out, &cases, &columns).unwrap();
        let text: String =
            String::from_utf8(out).unwrap().lines().map(|line| format!("{}\n", line.trim_end())).collect();
        insta::assert_snapshot!(text, @r"
        A = master one
        B = master two

        case    what holds  A         B
        1.1     it works    PASS      FAIL
        1.2     it is fast  SKIP      PASS

        SKIP A 1.2: needs --agent

        FAIL B 1.1: it works
            status: expected 200, got 404

        A master one: 1 passed, 0 failed, 1 skipped in 1.0 s
        B master two: 1 passed, 1 failed, 0 skipped in 1.0 s
        ");
        assert!(any_failed(&columns));
        let json = json(&cases, &columns);
        assert_eq!(json["cases"][0]["outcomes"][1]["why"], "status: expected 200, got 404");
    }
}
