//! Reads and writes amounts of resources: `cpus:4,mem:8GB`.

use std::collections::BTreeMap;
use std::fmt;

use messages::v1::value::Scalar;
use resources::Resources;
use serde_json::Value;

/// Amounts by resource name. Memory and disk are in megabytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amounts(pub BTreeMap<String, f64>);

impl Amounts {
    pub fn of(scalars: &BTreeMap<String, Scalar>) -> Self {
        Amounts(scalars.iter().map(|(name, scalar)| (name.clone(), scalar.value)).collect())
    }

    pub fn scalars(&self) -> BTreeMap<String, Scalar> {
        self.0.iter().map(|(name, value)| (name.clone(), Scalar { value: *value })).collect()
    }

    /// Reads `{"cpus": 4.0}`; members that are no numbers are left out.
    pub fn from_json(value: &Value) -> Self {
        let members = value.as_object().into_iter().flatten();
        Amounts(members.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect())
    }
}

/// Writes `cpus:4 mem:8192`, or `-` if there are none.
impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        let each: Vec<String> = self.0.iter().map(|(name, amount)| format!("{name}:{amount}")).collect();
        f.write_str(&each.join(" "))
    }
}

/// Reads scalars; `none` stands for no amounts at all.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn amounts(text: &str) -> Result<Amounts, String> {
    if text.trim() == "none" {
        return Ok(Amounts::default());
    }
    let mut read = BTreeMap::new();
    for (name, value) in parts(text)? {
        let amount = value.parse().ok().filter(|amount: &f64| (0.0..=resources::Scalar::MAX_INPUT).contains(amount));
        let amount = amount.ok_or_else(|| format!("'{value}' is no amount of {name}; write e.g. {name}:4"))?;
        if read.insert(name.clone(), amount).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    Ok(Amounts(read))
}

/// Reads unreserved scalars, ranges and sets: `cpus:4,ports:[31000-31009]`.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn resources(text: &str) -> Result<Resources, String> {
    let parts: Vec<String> = parts(text)?.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let resources = Resources::parse(&parts.join(";"), "*").map_err(|error| error.to_string())?;
    if resources.is_empty() {
        return Err(format!("'{text}' is nothing; write e.g. cpus:4,mem:8GB"));
    }
    match resources.iter().all(resources::Resource::is_unreserved) {
        true => Ok(resources),
        false => Err("name resources without a role; --role says whose they are to be".to_owned()),
    }
}

/// Reads a size in megabytes: `2048`, `2GB`.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn megabytes(text: &str) -> Result<f64, String> {
    let amount: f64 = in_megabytes(text).parse().map_err(|_| format!("'{text}' is no size; write e.g. 2048 or 2GB"))?;
    // Mesos counts in thousandths.
    let is_size = (0.001..=resources::Scalar::MAX_INPUT).contains(&amount);
    if is_size {
        Ok(amount)
    } else {
        Err(format!("a size is above 0 MB and at most {} MB", resources::Scalar::MAX_INPUT))
    }
}

/// Splits at `;`, as in Mesos, or at `,`, which needs no quoting in shells.
fn parts(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut depth = 0_usize;
    let split = text.split(|c: char| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(c, ';' | ',')
    });
    let parts: Result<Vec<(String, String)>, String> =
        split.map(str::trim).filter(|p| !p.is_empty()).map(part).collect();
    parts.and_then(|parts| if parts.is_empty() { Err(expected(text)) } else { Ok(parts) })
}

fn part(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| expected(text))?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err(expected(text));
    }
    let value = if matches!(name, "mem" | "disk") { in_megabytes(value) } else { value.to_owned() };
    Ok((name.to_owned(), value))
}

fn expected(text: &str) -> String {
    format!("'{text}' names no resources; write e.g. cpus:4,mem:8GB (mem and disk without a unit are in MB)")
}

/// Converts units to megabytes. They are powers of 1024, as everywhere in Mesos.
fn in_megabytes(text: &str) -> String {
    const UNITS: [(&str, f64); 6] =
        [("mb", 1.0), ("gb", 1024.0), ("tb", 1_048_576.0), ("m", 1.0), ("g", 1024.0), ("t", 1_048_576.0)];
    let lower = text.to_ascii_lowercase();
    let with_unit = UNITS.iter().find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, factor)));
    let number = with_unit.and_then(|(number, factor)| Some(number.trim().parse::<f64>().ok()? * factor));
    number.map_or_else(|| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_parsed() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let read = amounts(text).map(|amounts| amounts.to_string());
            match (read, expect) {
                (Ok(read), Ok(expect)) => assert_eq!(read, expect, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        };
        check("cpus:4,mem:8GB", Ok("cpus:4 mem:8192"));
        check("cpus:4;mem:8192", Ok("cpus:4 mem:8192"));
        check(" cpus: 0.5 , disk:1.5 tb,", Ok("cpus:0.5 disk:1572864"));
        check("cpus:0", Ok("cpus:0"));
        check("none", Ok("-"));
        check("gpus:2g", Err("'2g' is no amount of gpus"));
        check("cpus:1,cpus:2", Err("twice"));
        check("cpus", Err("write e.g. cpus:4,mem:8GB"));
        check("", Err("write e.g."));
        check("cpus:", Err("write e.g."));
    }

    #[test]
    fn ranges_keep_their_commas() {
        let read = resources("cpus:1,ports:[31000-31001,31005-31006],mem:1G").unwrap();
        assert_eq!((read.cpus(), read.mem(), read.ports().count()), (1.0, 1024.0, 4));
        assert!(resources("cpus(eng):1").unwrap_err().contains("--role"));
        assert!(resources("cpus:x:y").is_err());
        assert!(resources("cpus:0").unwrap_err().contains("is nothing"));
    }

    #[test]
    fn sizes_are_positive() {
        assert_eq!(megabytes("2GB"), Ok(2048.0));
        assert_eq!(megabytes("64"), Ok(64.0));
        assert!(megabytes("0").is_err() && megabytes("-1").is_err() && megabytes("much").is_err());
    }
}
