//! The state of a framework: whether it has a scheduler.

use messages::v1::master::response::get_frameworks::Framework;

use super::eligibility::ExplainQuery;
use crate::commands::cli::CommandError;
use crate::commands::state::{State, is_called};

/// Finds a framework by its id, the end of its id, or its name; live frameworks come first.
pub fn find<'a>(state: &'a State, subject: &str) -> Option<(&'a Framework, bool)> {
    state.frameworks().find(|(framework, _)| {
        let id = id(framework);
        is_called(id, subject) || framework.framework_info.name == subject
    })
}

pub fn query(state: &State, subject: &str) -> Result<ExplainQuery, CommandError> {
    match find(state, subject) {
        Some((framework, true)) => {
            Ok(ExplainQuery { framework: Some(id(framework).to_owned()), ..ExplainQuery::default() })
        }
        Some((framework, false)) => Err(CommandError::message(format!(
            "framework '{}' ({}) is completed: it was torn down, or stayed disconnected longer than its \
             failover_timeout; it must subscribe without an id to start anew",
            framework.framework_info.name,
            id(framework)
        ))),
        None => Err(CommandError::message(format!("no framework '{subject}': `tepui frameworks --all` lists them"))),
    }
}

pub fn lines(state: &State, subject: &str) -> Vec<String> {
    let Some((framework, _)) = find(state, subject) else { return Vec::new() };
    let info = &framework.framework_info;
    let tasks = state.tasks.tasks.iter().filter(|task| task.framework_id.value == id(framework)).count();
    let mut lines = vec![format!("framework '{}' ({}) has {tasks} live tasks", info.name, id(framework))];
    if !framework.connected {
        lines.push(format!(
            "it is disconnected: it gets no offers until its scheduler subscribes again; after {} s without it, it is removed",
            info.failover_timeout()
        ));
    } else if !framework.active {
        lines.push("it is connected but deactivated: it gets no offers".to_owned());
    }
    lines
}

fn id(framework: &Framework) -> &str {
    framework.framework_info.id.as_ref().map_or("", |id| id.value.as_str())
}
