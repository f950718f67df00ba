//! Live progress on stderr: one line that is rewritten on a terminal, and a line per change elsewhere.

use std::io::IsTerminal;

use messages::v1::TaskState as State;

use super::observer::Observer;
use super::plan::Plan;
use crate::output;

#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    last: String,
    last_over: usize,
}

impl Progress {
    pub fn new() -> Self {
        Progress { terminal: std::io::stderr().is_terminal(), last: String::new(), last_over: 0 }
    }
}

impl Observer for Progress {
    fn changed(&mut self, plan: &Plan) {
        let total = plan.tasks().len();
        let count = |wanted: &dyn Fn(Option<State>) -> bool| plan.tasks().iter().filter(|t| wanted(t.state)).count();
        let over = plan.tasks().iter().filter(|t| t.is_over()).count();
        let running = count(&|s| s == Some(State::TaskRunning));
        let bad = over - count(&|s| s == Some(State::TaskFinished));
        let launched = plan.tasks().iter().filter(|t| t.launched.is_some()).count();
        let failed = if bad > 0 { format!(", {bad} not successful") } else { String::new() };
        let text = format!("{over}/{total} done{failed}, {running} running, {} waiting for an offer", total - launched);
        if text == self.last {
            return;
        }
        // A file or pipe gets about ten lines, not one per event.
        let due = self.terminal || over == total || over >= self.last_over + total.div_ceil(10);
        if due {
            if self.terminal {
                output::progress(&text);
            } else {
                output::write_stderr(&text);
            }
            self.last_over = over;
        }
        self.last = text;
    }

    fn finished(&mut self) {
        output::end_progress();
    }
}
