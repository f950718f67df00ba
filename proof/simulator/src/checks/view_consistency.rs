//! Checks that readers see the master's state: a view that has applied every change equals one that is built from a
//! dump of the master.

use std::collections::BTreeMap;
use std::fmt::Debug;

use master::{Effect, Master};
use messages::v1;
use messages::v1::master::call::Type;
use messages::v1::master::{Call, Response};
use model::Upid;
use model::master::Change;
use views::master::{StaticInfo, View};

/// A view that is fed by the changes of one master.
#[derive(Debug)]
pub struct ViewConsistency {
    view: View,
}

impl Default for ViewConsistency {
    fn default() -> Self {
        ViewConsistency { view: empty() }
    }
}

impl ViewConsistency {
    /// Applies the changes among these effects.
    pub fn read(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Publish(change) = effect {
                self.view.apply(change);
            }
        }
    }

    /// Compares the view with the master.
    ///
    /// # Errors
    ///
    /// Returns the first difference.
    pub fn compare(&self, master: &Master) -> Result<(), String> {
        let truth = view_of(&master.dump());
        for kind in
            [Type::GetState, Type::GetOperations, Type::GetWeights, Type::GetQuota, Type::GetMaintenanceSchedule]
        {
            let call = Call { r#type: Some(kind as i32), ..Call::default() };
            let (actual, expected) = (self.view.operator(&call), truth.operator(&call));
            if let (Some(actual), Some(expected)) = (actual, expected) {
                same_answers(actual, expected).map_err(|what| format!("the view differs from the master: {what}"))?;
            }
        }
        compare_gauges(master, &truth)?;
        let (actual, expected) = (unreachable_agents(&self.view), unreachable_agents(&truth));
        if actual != expected {
            return Err(format!("the view has {actual} unreachable agents, and the master {expected}"));
        }
        Ok(())
    }
}

/// Compares the gauges that the master maintains incrementally with those that are counted from its whole state.
fn compare_gauges(master: &Master, truth: &View) -> Result<(), String> {
    let kept: BTreeMap<String, f64> = master.metrics().iter().map(|(name, value)| (name.into_owned(), value)).collect();
    for (name, counted) in views::metrics::recount(&truth.snapshot()) {
        // Operations hold resources that no reader attributes to their agent.
        if name.ends_with("_used") || name.ends_with("_percent") {
            continue;
        }
        match kept.get(&name) {
            Some(value) if (value - counted).abs() < 1e-6 => {}
            value => return Err(format!("the gauge {name} is {value:?}, and there are {counted}")),
        }
    }
    Ok(())
}

fn unreachable_agents(view: &View) -> f64 {
    let gauges = views::metrics::recount(&view.snapshot());
    gauges.into_iter().find(|(name, _)| name == "master/slaves_unreachable").map_or(0.0, |(_, value)| value)
}

fn empty() -> View {
    View::new(StaticInfo::new(Upid::none(), v1::MasterInfo::default()))
}

fn view_of(changes: &[Change]) -> View {
    let mut view = empty();
    changes.iter().for_each(|change| view.apply(change));
    view
}

/// Compares two answers. GET_STATE has four parts that contain lists, the other answers have one; the order of the
/// lists is that of appearance and does not count.
fn same_answers(actual: Response, expected: Response) -> Result<(), String> {
    let state = |response: &Response| response.get_state.clone().unwrap_or_default();
    let (a, b) = (state(&actual), state(&expected));
    let agents = |state: &v1::master::response::GetState| state.get_agents.clone().unwrap_or_default();
    let (agents_a, agents_b) = (agents(&a), agents(&b));
    let id = |info: &v1::AgentInfo| info.id.as_ref().map_or(String::new(), |id| id.value.clone());
    let sorted = |list: Vec<v1::master::response::get_agents::Agent>| {
        list.into_iter().map(|mut agent| {
            sort(&mut agent.allocated_resources);
            sort(&mut agent.offered_resources);
            agent
        })
    };
    same("agents", sorted(agents_a.agents), sorted(agents_b.agents), |agent| id(&agent.agent_info))?;
    same("recovered agents", agents_a.recovered_agents, agents_b.recovered_agents, id)?;

    let frameworks = |state: &v1::master::response::GetState| {
        let list = state.get_frameworks.clone().unwrap_or_default().frameworks;
        list.into_iter().map(|mut framework| {
            for resources in [&mut framework.allocated_resources, &mut framework.offered_resources] {
                // Sums of ranges and sets over agents mean little, and less after a subtraction; the same is true in
                // Mesos (MESOS-2373).
                resources.retain(|resource| resource.scalar.is_some());
                sort(resources);
            }
            // The executors that an offer names are those at the time when it was made.
            framework.offers.iter_mut().for_each(|offer| offer.executor_ids.clear());
            framework.offers.sort_by(|a, b| a.id.value.cmp(&b.id.value));
            framework
        })
    };
    same("frameworks", frameworks(&a), frameworks(&b), |framework| {
        framework.framework_info.id.as_ref().map_or(String::new(), |id| id.value.clone())
    })?;

    let tasks = |state: &v1::master::response::GetState| state.get_tasks.clone().unwrap_or_default();
    let (tasks_a, tasks_b) = (tasks(&a), tasks(&b));
    let task = |task: &v1::Task| format!("{}/{}", task.framework_id.value, task.task_id.value);
    same("tasks", tasks_a.tasks, tasks_b.tasks, task)?;
    let known: std::collections::BTreeSet<String> =
        frameworks(&b).filter_map(|f| f.framework_info.id).map(|id| id.value).collect();
    let of_known = |list: Vec<v1::Task>| {
        list.into_iter().filter(|task| known.contains(&task.framework_id.value)).collect::<Vec<_>>()
    };
    same("unreachable tasks", of_known(tasks_a.unreachable_tasks), of_known(tasks_b.unreachable_tasks), task)?;

    let executors = |state: &v1::master::response::GetState| state.get_executors.clone().unwrap_or_default().executors;
    same("executors", executors(&a), executors(&b), |executor| {
        let info = &executor.executor_info;
        let framework = info.framework_id.as_ref().map_or("", |id| id.value.as_str());
        format!("{framework}/{}/{}", executor.agent_id.value, info.executor_id.value)
    })?;

    let operations = |response: &Response| response.get_operations.clone().unwrap_or_default().operations;
    same("operations", operations(&actual), operations(&expected), |operation| format!("{:?}", operation.uuid))?;
    let others = |response: Response| Response { get_state: None, get_operations: None, ..response };
    same("policy", vec![others(actual)], vec![others(expected)], |_| String::new())
}

fn sort(resources: &mut [v1::Resource]) {
    resources.sort_by_cached_key(|resource| format!("{resource:?}"));
}

fn same<T: PartialEq + Debug>(
    what: &str,
    actual: impl IntoIterator<Item = T>,
    expected: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> Result<(), String> {
    let by_key = |list: &mut dyn Iterator<Item = T>| list.map(|item| (key(&item), item)).collect::<BTreeMap<_, _>>();
    let (actual, expected) = (by_key(&mut actual.into_iter()), by_key(&mut expected.into_iter()));
    if actual == expected {
        return Ok(());
    }
    let different = actual.iter().find(|(key, item)| expected.get(*key) != Some(item)).map(|(key, _)| key);
    let missing = || expected.keys().find(|key| !actual.contains_key(*key));
    let key = different.or_else(missing).cloned().unwrap_or_default();
    let (actual, expected) = (format!("{:?}", actual.get(&key)), format!("{:?}", expected.get(&key)));
    let same = actual.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count().saturating_sub(60);
    let part = |text: &str| text.chars().skip(same).take(240).collect::<String>();
    Err(format!("{what}: {key}: the view has ..{}.., the master ..{}..", part(&actual), part(&expected)))
}
