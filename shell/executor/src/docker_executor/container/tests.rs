//! The life of a container as a scenario of replies and the steps that follow.

use super::*;

struct Scenario(Container);

const NAME: &str = "mesos-c";

fn ok(body: &str) -> Result<Answer, Error> {
    Ok(Answer { status: 200, body: body.into() })
}

fn created() -> Result<Answer, Error> {
    ok(r#"{"Id":"i","Warnings":[]}"#)
}

fn refused(message: &str) -> Result<Answer, Error> {
    Err(Error::Refused { status: 409, message: message.into() })
}

fn broken() -> Result<Answer, Error> {
    Err(Error::Broken(std::io::ErrorKind::ConnectionReset.into()))
}

fn inspection(state: &str) -> Result<Answer, Error> {
    ok(&format!(
        r#"{{"Id":"i","State":{{"StartedAt":"2026-11-30T15:55:14Z",{state}}},"HostConfig":{{"Memory":1048576}}}}"#
    ))
}

fn running() -> Result<Answer, Error> {
    inspection(r#""Running":true,"Pid":7"#)
}

fn exited(code: i32) -> Result<Answer, Error> {
    inspection(&format!(r#""Running":false,"ExitCode":{code}"#))
}

fn brief(step: &Step) -> String {
    match step {
        Step::Request(purpose, request, _) => {
            let text = String::from_utf8(request.encode()).unwrap();
            let target = text.split(' ').nth(1).unwrap().to_owned();
            let signal = target.split_once("signal=").map(|(_, signal)| format!(" {signal}")).unwrap_or_default();
            format!("{purpose:?}{signal}")
        }
        Step::Arm(timer, after) => format!("{timer:?} in {after:?}"),
        Step::Started(inspection, _) => format!("started {:?}", inspection.pid),
        Step::Ended(exit, limit) => format!("ended {exit:?} {limit:?}"),
        Step::Failed(reason) => format!("failed: {reason}"),
        Step::Log(_) => "log".to_owned(),
    }
}

impl Scenario {
    fn new(remove: bool) -> Self {
        let mut scenario = Scenario(Container::new(NAME, serde_json::json!({}), remove));
        let steps = scenario.0.begin();
        scenario.check(steps, &["Create"]);
        scenario
    }

    fn check(&mut self, steps: Vec<Step>, expect: &[&str]) -> &mut Self {
        assert_eq!(steps.iter().map(brief).collect::<Vec<_>>(), expect);
        self
    }

    fn reply(&mut self, purpose: Purpose, reply: Result<Answer, Error>, expect: &[&str]) -> &mut Self {
        let steps = self.0.on_reply(purpose, reply);
        self.check(steps, expect)
    }

    fn head(&mut self, purpose: Purpose, expect: &[&str]) -> &mut Self {
        let steps = self.0.on_head(purpose);
        self.check(steps, expect)
    }

    fn timer(&mut self, timer: Timer, expect: &[&str]) -> &mut Self {
        let steps = self.0.on_timer(timer);
        self.check(steps, expect)
    }

    fn terminate(&mut self, expect: &[&str]) -> &mut Self {
        let steps = self.0.terminate();
        self.check(steps, expect)
    }

    fn kill(&mut self, expect: &[&str]) -> &mut Self {
        let steps = self.0.kill();
        self.check(steps, expect)
    }

    /// Goes up to the request that starts the container.
    fn starting(remove: bool) -> Self {
        let mut scenario = Scenario::new(remove);
        scenario
            .reply(Purpose::Create, created(), &["Attach"])
            .head(Purpose::Attach, &["Wait"])
            .head(Purpose::Wait, &["Start"]);
        scenario
    }

    fn running(remove: bool) -> Self {
        let mut scenario = Self::starting(remove);
        scenario.reply(Purpose::Start, ok(""), &["Inspect"]).reply(Purpose::Inspect, running(), &["started Some(7)"]);
        scenario
    }
}

#[test]
fn a_container_ends_once_its_outputs_are_complete() {
    Scenario::running(false)
        .reply(Purpose::Wait, ok(r#"{"StatusCode":3}"#), &["Inspect"])
        .reply(Purpose::Inspect, exited(3), &["Outputs in 5s"])
        .reply(Purpose::Attach, ok(""), &["ended Some(Status(3)) None"])
        .reply(Purpose::Inspect, running(), &[]);
}

#[test]
fn outputs_that_do_not_end_are_not_waited_for() {
    Scenario::running(false)
        .reply(Purpose::Wait, ok(r#"{"StatusCode":0}"#), &["Inspect"])
        .reply(Purpose::Inspect, exited(0), &["Outputs in 5s"])
        .timer(Timer::Outputs, &["ended Some(Status(0)) None"]);
}

#[test]
fn a_short_container_has_run() {
    Scenario::starting(false)
        .reply(Purpose::Start, ok(""), &["Inspect"])
        .reply(Purpose::Wait, ok(r#"{"StatusCode":0}"#), &["Inspect"])
        .reply(Purpose::Attach, ok(""), &[])
        .reply(Purpose::Inspect, exited(0), &["started None", "ended Some(Status(0)) None"]);
}

#[test]
fn a_lack_of_memory_is_told_with_the_limit() {
    Scenario::running(false)
        .reply(Purpose::Attach, ok(""), &[])
        .reply(Purpose::Wait, ok(r#"{"StatusCode":137}"#), &["Inspect"])
        .reply(
            Purpose::Inspect,
            inspection(r#""Running":false,"ExitCode":137,"OOMKilled":true"#),
            &["ended Some(Status(137)) Some(MemoryLimit { bytes: 1048576 })"],
        );
}

#[test]
fn a_container_that_is_to_be_removed_is() {
    Scenario::running(true)
        .reply(Purpose::Attach, ok(""), &[])
        .reply(Purpose::Wait, ok(r#"{"StatusCode":0}"#), &["Inspect"])
        .reply(Purpose::Inspect, exited(0), &["Remove"])
        .reply(Purpose::Remove, broken(), &["log", "ended Some(Status(0)) None"]);
}

#[test]
fn what_docker_refuses_is_told() {
    Scenario::new(false).reply(Purpose::Create, refused("no"), &["Remove"]).reply(
        Purpose::Remove,
        ok(""),
        &["failed: Failed to run docker container: no"],
    );
    Scenario::starting(false).reply(Purpose::Start, refused("no such program"), &["Remove"]).reply(
        Purpose::Remove,
        ok(""),
        &["failed: Failed to run docker container: no such program"],
    );
    Scenario::new(false).reply(Purpose::Create, ok("abcde"), &["Remove"]).reply(
        Purpose::Remove,
        ok("abcde"),
        &["failed: Failed to run docker container: Docker's answer cannot be understood: no id of a container"],
    );
    let away = Error::Unreachable { socket: "/s".into(), source: std::io::ErrorKind::NotFound.into() };
    Scenario::new(false).reply(
        Purpose::Create,
        Err(away),
        &["failed: Failed to run docker container: cannot reach Docker at '/s'; is dockerd running, and is this its socket?: entity not found"],
    );
}

#[test]
fn a_start_without_an_answer_is_in_doubt() {
    Scenario::starting(false)
        .reply(Purpose::Start, Err(Error::TimedOut(120)), &["log", "Inspect in 500ms"])
        .timer(Timer::Inspect, &["Inspect"])
        .reply(Purpose::Inspect, broken(), &["Inspect in 500ms"])
        .timer(Timer::Inspect, &["Inspect"])
        .reply(Purpose::Inspect, running(), &["started Some(7)"]);
    Scenario::starting(false)
        .reply(Purpose::Start, broken(), &["log", "Inspect in 500ms"])
        .timer(Timer::Inspect, &["Inspect"])
        .reply(
            Purpose::Inspect,
            ok(r#"{"Id":"i","State":{"StartedAt":"0001-01-01T00:00:00Z","Error":"bad"}}"#),
            &["Remove"],
        )
        .reply(Purpose::Remove, ok(""), &["failed: Failed to run docker container: bad"]);
}

#[test]
fn a_daemon_that_restarts_is_asked_until_it_answers() {
    Scenario::running(false)
        .reply(Purpose::Wait, broken(), &["log", "Inspect in 500ms"])
        .reply(Purpose::Attach, broken(), &[])
        .timer(Timer::Inspect, &["Inspect"])
        .reply(Purpose::Inspect, broken(), &["Inspect in 500ms"])
        .timer(Timer::Inspect, &["Inspect"])
        .reply(Purpose::Inspect, running(), &["Wait"])
        .reply(Purpose::Wait, ok(r#"{"StatusCode":5}"#), &["Inspect"])
        .reply(Purpose::Inspect, exited(5), &["ended Some(Status(5)) None"]);
}

#[test]
fn an_end_that_docker_has_missed_is_one_after_a_minute() {
    let mut scenario = Scenario::running(false);
    let steps = scenario.0.on_process_gone();
    scenario
        .check(steps, &["Gone in 60s"])
        .reply(Purpose::Attach, ok(""), &[])
        .timer(Timer::Gone, &["log", "Inspect"])
        .reply(Purpose::Inspect, running(), &["ended None None"]);
    let mut scenario = Scenario::running(false);
    scenario.reply(Purpose::Attach, ok(""), &[]).reply(Purpose::Wait, broken(), &["log", "Inspect in 500ms"]).reply(
        Purpose::Inspect,
        Err(Error::Refused { status: 404, message: "gone".into() }),
        &["ended None None"],
    );
}

#[test]
fn signals_are_those_of_the_image_and_are_repeated() {
    Scenario::starting(false)
        .terminate(&[])
        .reply(Purpose::Start, ok(""), &["Inspect"])
        .reply(
            Purpose::Inspect,
            ok(r#"{"Id":"i","State":{"StartedAt":"2026-11-30T15:55:14Z","Running":true,"Pid":7},"Config":{"StopSignal":"SIGQUIT"}}"#),
            &["started Some(7)"],
        )
        .terminate(&["Signal SIGQUIT"])
        .reply(Purpose::Signal, broken(), &["log", "Signal in 500ms"])
        .timer(Timer::Signal, &["Signal SIGQUIT"])
        .kill(&["Signal SIGKILL", "Signal in 5s"])
        .reply(Purpose::Signal, ok(""), &[])
        .timer(Timer::Signal, &["Signal SIGKILL", "Signal in 5s"]);
}

#[test]
fn a_kill_before_the_start_leaves_nothing() {
    let killed = "failed: Container was killed before it was started";
    Scenario::new(false).terminate(&[]).reply(Purpose::Create, created(), &["Remove"]).reply(
        Purpose::Remove,
        ok(""),
        &[killed],
    );
    Scenario::new(false)
        .reply(Purpose::Create, created(), &["Attach"])
        .head(Purpose::Attach, &["Wait"])
        .kill(&[])
        .head(Purpose::Wait, &["Remove"])
        .reply(Purpose::Remove, ok(""), &[killed]);
}
