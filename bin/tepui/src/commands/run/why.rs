//! Why nothing starts, said while a batch waits.

use std::sync::{Arc, Mutex, PoisonError};

use client::Error;

use crate::batch::Stalled;
use crate::commands::cli::CommandError;
use crate::commands::explain::{Eligibility, Question};
use crate::commands::state::short;
use crate::output;

/// Asks the master and says what it answers, once for each reason.
#[derive(Debug, Default)]
pub struct Why {
    /// The codes of the reasons that were said last.
    said: Arc<Mutex<Vec<String>>>,
}

impl Why {
    /// Must be called inside a tokio runtime.
    pub fn say(&self, stalled: Stalled) {
        let said = self.said.clone();
        tokio::spawn(async move {
            let Some((codes, lines)) = ask(&stalled).await else { return };
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if *said != codes {
                lines.into_iter().for_each(output::write_stderr);
                *said = codes;
            }
        });
    }
}

/// The codes of the reasons, and sentences about them; nothing while the master does not answer or nothing keeps the tasks
/// from an offer.
async fn ask(stalled: &Stalled) -> Option<(Vec<String>, Vec<String>)> {
    let question = Question {
        framework: Some(stalled.framework.value.clone()),
        demand: Some(stalled.demand.clone()),
        ..Question::default()
    };
    let answer = match Eligibility::ask(&stalled.master, &question).await {
        Ok(answer) => answer,
        Err(CommandError::Client(Error::Status { .. })) => return Some(unexplained(stalled)),
        Err(_) => return None,
    };
    let (codes, mut lines) = answer.shortly()?;
    let needs = stalled.demand.replace(';', ",");
    let framework = short(&stalled.framework.value);
    lines.push(format!("still waiting; more: tepui explain framework {framework} --needs {needs}"));
    Some((codes, lines))
}

/// Masters of Mesos have no `/explain`.
fn unexplained(stalled: &Stalled) -> (Vec<String>, Vec<String>) {
    let line = format!(
        "nothing starts: no agent has offered {} in one piece yet; still waiting (`tepui agents` shows what there is)",
        stalled.demand
    );
    (vec!["UNEXPLAINED".to_owned()], vec![line])
}
