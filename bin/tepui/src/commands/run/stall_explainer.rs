//! Explains while a batch waits why nothing starts.

use std::sync::{Arc, Mutex, PoisonError};

use tepui_client::Error;

use crate::batch::Stalled;
use crate::commands::cli::CommandError;
use crate::commands::explain::{Eligibility, ExplainQuery};
use crate::commands::state::short;
use crate::output;

/// Asks the master and prints its answer, once for each set of reasons.
#[derive(Debug, Default)]
pub struct StallExplainer {
    /// The codes of the reasons that were printed last.
    last_codes: Arc<Mutex<Vec<String>>>,
}

impl StallExplainer {
    /// Asks the master and prints the reasons if they are new. Must be called inside a tokio runtime.
    pub fn explain(&self, stalled: Stalled) {
        let last_codes = self.last_codes.clone();
        tokio::spawn(async move {
            let Some((codes, lines)) = ask(&stalled).await else { return };
            let mut last_codes = last_codes.lock().unwrap_or_else(PoisonError::into_inner);
            if *last_codes != codes {
                lines.into_iter().for_each(output::write_stderr);
                *last_codes = codes;
            }
        });
    }
}

/// Returns the codes of the reasons and sentences about them; `None` if the master does not answer or nothing prevents
/// an offer.
async fn ask(stalled: &Stalled) -> Option<(Vec<String>, Vec<String>)> {
    let query = ExplainQuery {
        framework: Some(stalled.framework.value.clone()),
        demand: Some(stalled.demand.clone()),
        ..ExplainQuery::default()
    };
    let answer = match Eligibility::ask(&stalled.master, &query).await {
        Ok(answer) => answer,
        Err(CommandError::Client(Error::Status { .. })) => return Some(unexplained(stalled)),
        Err(_) => return None,
    };
    let (codes, mut lines) = answer.summary()?;
    let needs = stalled.demand.replace(';', ",");
    let framework = short(&stalled.framework.value);
    lines.push(format!("still waiting; more: tepui explain framework {framework} --needs {needs}"));
    Some((codes, lines))
}

/// Returns a general sentence, because Mesos masters have no `/explain`.
fn unexplained(stalled: &Stalled) -> (Vec<String>, Vec<String>) {
    let line = format!(
        "nothing starts: no agent has offered {} in one piece yet; still waiting (`tepui agents` shows what there is)",
        stalled.demand
    );
    (vec!["UNEXPLAINED".to_owned()], vec![line])
}
