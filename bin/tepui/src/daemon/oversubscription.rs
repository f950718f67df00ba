//! `--resource_estimator` and `--qos_controller`: the names and parameters of Mesos' own modules, which are built in,
//! or the short forms of Tepui: `fixed:cpus:4;mem:1024`, `load:0.2`, `load:load_threshold_5min=8`.

use std::collections::BTreeMap;

use agent::{QosController, ResourceEstimator};
use resources::Resources;
use serde_json::Value;

use crate::commands::CommandError;

const FIXED: &str = "org_apache_mesos_FixedResourceEstimator";
const NO_ESTIMATOR: &str = "org_apache_mesos_NoopResourceEstimator";
const LOAD: &str = "org_apache_mesos_LoadQoSController";
const NO_CONTROLLER: &str = "org_apache_mesos_NoopQoSController";
pub const LOGROTATE: &str = "org_apache_mesos_LogrotateContainerLogger";
/// The default margin by which a container may use more than now before others are affected.
const MARGIN: f64 = 0.2;

type Parameters = BTreeMap<String, String>;

/// The modules that `--modules` names, with their parameters. Modules that are not built in are refused, because C++
/// cannot be loaded.
#[derive(Debug, Default, PartialEq)]
pub struct Modules(BTreeMap<String, Parameters>);

impl Modules {
    pub fn parse(json: Option<&str>) -> Result<Self, CommandError> {
        let Some(json) = json else { return Ok(Modules::default()) };
        let wrong =
            || CommandError::message("--modules must be a JSON object with `libraries` of `modules` with a `name`");
        let value: Value = serde_json::from_str(json).map_err(|_| wrong())?;
        if !value["libraries"].is_array() {
            return Err(wrong());
        }
        let mut modules = BTreeMap::new();
        for module in list(&value, "libraries").flat_map(|library| list(library, "modules")) {
            let name = module["name"].as_str().ok_or_else(wrong)?;
            if ![FIXED, NO_ESTIMATOR, LOAD, NO_CONTROLLER, LOGROTATE].contains(&name) {
                return Err(CommandError::message(format!(
                    "--modules: '{name}' is not built in, and C++ modules cannot be loaded"
                )));
            }
            let text = |parameter: &Value, key: &str| parameter[key].as_str().map(str::to_owned);
            let pair = |parameter: &Value| Some((text(parameter, "key")?, text(parameter, "value")?));
            let parameters = list(module, "parameters").map(pair).collect::<Option<_>>().ok_or_else(wrong)?;
            modules.insert(name.to_owned(), parameters);
        }
        Ok(Modules(modules))
    }

    /// Returns the parameters of a module.
    pub fn parameters(&self, name: &str) -> Parameters {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

pub fn estimator(flag: Option<&str>, modules: &Modules, role: &str) -> Result<ResourceEstimator, CommandError> {
    let wrong = |reason: String| CommandError::message(format!("--resource_estimator: {reason}"));
    let fixed = |text: &str| {
        let resources = Resources::parse(text, role).map_err(|error| wrong(error.to_string()))?;
        if resources.is_empty() { Err(wrong("no resources".into())) } else { Ok(ResourceEstimator::Fixed(resources)) }
    };
    match flag.map(|flag| flag.split_once(':').unwrap_or((flag, ""))) {
        None | Some((NO_ESTIMATOR | "noop", "")) => Ok(ResourceEstimator::Noop),
        Some((FIXED, "")) => match modules.parameters(FIXED).get("resources") {
            Some(text) => fixed(text),
            None => Err(wrong(format!("{FIXED} needs the parameter 'resources' in --modules"))),
        },
        Some(("fixed", text)) => fixed(text),
        Some(("load", "")) => Ok(ResourceEstimator::Load { margin: MARGIN }),
        Some(("load", margin)) => match number(margin) {
            Some(margin) => Ok(ResourceEstimator::Load { margin }),
            None => Err(wrong(format!("'{margin}' is no margin; expected a number such as 0.2"))),
        },
        Some(_) => Err(wrong(format!("expected noop, fixed:cpus:4;mem:1024, load:0.2 or {FIXED}"))),
    }
}

pub fn qos_controller(flag: Option<&str>, modules: &Modules) -> Result<QosController, CommandError> {
    let wrong = |reason: String| CommandError::message(format!("--qos_controller: {reason}"));
    let parameters = match flag.map(|flag| flag.split_once(':').unwrap_or((flag, ""))) {
        None | Some((NO_CONTROLLER | "noop", "")) => return Ok(QosController::default()),
        Some((LOAD, "")) => modules.parameters(LOAD),
        Some(("load", list)) => {
            let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            let pairs = list.split(',').filter(|part| !part.is_empty()).map(pair).collect::<Option<_>>();
            pairs.ok_or_else(|| wrong(format!("'{list}': expected name=number,name=number")))?
        }
        Some(_) => return Err(wrong(format!("expected noop, load:load_threshold_5min=8 or {LOAD}"))),
    };
    let mut controller = QosController::default();
    for (key, value) in &parameters {
        let value = number(value).ok_or_else(|| wrong(format!("'{value}' is no number ({key})")))?;
        match key.as_str() {
            "load_threshold_5min" => controller.load_5min = Some(value),
            "load_threshold_15min" => controller.load_15min = Some(value),
            "memory_available" => controller.memory_available = Some(value),
            other => return Err(wrong(format!("unknown parameter '{other}'"))),
        }
    }
    if controller.is_noop() {
        return Err(wrong("no threshold: load_threshold_5min, load_threshold_15min or memory_available".into()));
    }
    Ok(controller)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULES: &str = r#"{"libraries":[{"file":"/lib/libfixed.so","modules":[
        {"name":"org_apache_mesos_FixedResourceEstimator","parameters":[{"key":"resources","value":"cpus:4"}]}]},
        {"modules":[{"name":"org_apache_mesos_LoadQoSController",
            "parameters":[{"key":"load_threshold_5min","value":"6"},{"key":"load_threshold_15min","value":"4.5"}]}]}]}"#;

    fn check_estimator(flag: &str, expect: Option<ResourceEstimator>) {
        let modules = Modules::parse(Some(MODULES)).unwrap();
        assert_eq!(estimator(Some(flag), &modules, "*").ok(), expect, "{flag}");
    }

    fn check_controller(flag: &str, expect: Option<QosController>) {
        let modules = Modules::parse(Some(MODULES)).unwrap();
        assert_eq!(qos_controller(Some(flag), &modules).ok(), expect, "{flag}");
    }

    #[test]
    fn estimators_have_the_names_of_mesos_and_ours() {
        let fixed = |text| Some(ResourceEstimator::Fixed(Resources::parse(text, "*").unwrap()));
        check_estimator(FIXED, fixed("cpus:4"));
        check_estimator("fixed:cpus:2;mem:64", fixed("cpus:2;mem:64"));
        check_estimator("load", Some(ResourceEstimator::Load { margin: MARGIN }));
        check_estimator("load:0.5", Some(ResourceEstimator::Load { margin: 0.5 }));
        check_estimator("noop", Some(ResourceEstimator::Noop));
        for wrong in ["", "fixed", "fixed:", "fixed:cpus", "load:-1", "load:NaN", "com_example_Estimator"] {
            check_estimator(wrong, None);
        }
        assert_eq!(estimator(None, &Modules::default(), "*").ok(), Some(ResourceEstimator::Noop));
        assert!(estimator(Some(FIXED), &Modules::default(), "*").is_err());
    }

    #[test]
    fn controllers_have_the_names_of_mesos_and_ours() {
        let loads = QosController { load_5min: Some(6.0), load_15min: Some(4.5), ..QosController::default() };
        check_controller(LOAD, Some(loads));
        let memory = QosController { memory_available: Some(0.05), ..QosController::default() };
        check_controller("load:memory_available=0.05", Some(memory));
        check_controller("noop", Some(QosController::default()));
        for wrong in ["load", "load:x=1", "load:load_threshold_5min", "load:load_threshold_5min=x", "y"] {
            check_controller(wrong, None);
        }
    }

    #[test]
    fn modules_that_are_not_built_in_are_refused() {
        assert!(Modules::parse(Some(r#"{"libraries":[{"modules":[{"name":"com_example_Hook"}]}]}"#)).is_err());
        assert!(Modules::parse(Some("[")).is_err());
        assert_eq!(Modules::parse(None).ok(), Some(Modules::default()));
    }
}
