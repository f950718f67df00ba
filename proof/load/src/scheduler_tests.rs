use messages::v1::scheduler::event::{Error, Offers, Rescind, Subscribed, Update};
use wire::Limits;

use super::*;

struct Scenario {
    scheduler: Scheduler,
    now: Instant,
    out: Vec<u8>,
}

impl Scenario {
    fn subscribed() -> Self {
        let mut scenario =
            Scenario { scheduler: Scheduler::new("m:1".into(), 1), now: Instant::now(), out: Vec::new() };
        scenario.scheduler.opened("stream");
        let subscribed = Subscribed { framework_id: FrameworkId { value: "F".into() }, ..Subscribed::default() };
        scenario.event(Event {
            r#type: Some(event::Type::Subscribed.into()),
            subscribed: Some(Box::new(subscribed)),
            ..Event::default()
        });
        scenario
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.scheduler.receive(event, self.now, &mut self.out);
        self
    }

    fn offers(&mut self, offers: &[(&str, &str)]) -> &mut Self {
        self.offers_of(8.0, offers)
    }

    fn offers_of(&mut self, cpus: f64, offers: &[(&str, &str)]) -> &mut Self {
        let offers = offers
            .iter()
            .map(|(id, agent)| Offer {
                id: OfferId { value: (*id).into() },
                agent_id: AgentId { value: (*agent).into() },
                resources: vec![scalar("cpus", cpus), scalar("mem", 1024.0)],
                ..Offer::default()
            })
            .collect();
        let offers = Some(Box::new(Offers { offers }));
        self.event(Event { r#type: Some(event::Type::Offers.into()), offers, ..Event::default() })
    }

    fn update(&mut self, task: &str, state: TaskState, uuid: Option<&[u8]>) -> &mut Self {
        let status = TaskStatus {
            task_id: TaskId { value: task.into() },
            state: state.into(),
            agent_id: Some(AgentId { value: "S".into() }),
            uuid: uuid.map(<[u8]>::to_vec),
            ..TaskStatus::default()
        };
        let update = Some(Box::new(Update { status }));
        self.event(Event { r#type: Some(event::Type::Update.into()), update, ..Event::default() })
    }

    fn launch(&mut self, tasks: usize) -> &mut Self {
        self.scheduler.launch(tasks, self.now, &mut self.out);
        self
    }

    fn later(&mut self, milliseconds: u64) -> &mut Self {
        self.now += Duration::from_millis(milliseconds);
        self
    }

    /// Returns the calls since the last call of this function, in short form.
    fn calls(&mut self) -> Vec<String> {
        let out = std::mem::take(&mut self.out);
        let mut rest = &out[..];
        let mut calls = Vec::new();
        while !rest.is_empty() {
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut request = httparse::Request::new(&mut headers);
            let head = request.parse(rest).unwrap().unwrap();
            let header = |name| {
                let header = request.headers.iter().find(|h| h.name == name);
                header.map(|h| std::str::from_utf8(h.value).unwrap())
            };
            assert_eq!(header("Mesos-Stream-Id"), Some("stream"));
            let length: usize = header("Content-Length").unwrap().parse().unwrap();
            calls.push(describe(&wire::decode(&rest[head..head + length], &Limits::default()).unwrap()));
            rest = &rest[head + length..];
        }
        calls
    }
}

fn describe(call: &Call) -> String {
    assert_eq!(call.framework_id.as_ref().unwrap().value, "F");
    if let Some(accept) = &call.accept {
        let tasks = &accept.operations[0].launch.as_ref().unwrap().task_infos;
        let names: Vec<_> = tasks.iter().map(|task| task.task_id.value.as_str()).collect();
        let (offer, names, agent) = (&accept.offer_ids[0].value, names.join(" "), &tasks[0].agent_id.value);
        let refuse = accept.filters.as_ref().unwrap().refuse_seconds.unwrap();
        return format!("accept {offer}: {names} on {agent}, refuse {refuse}");
    }
    if let Some(acknowledge) = &call.acknowledge {
        return format!("acknowledge {} {:?}", acknowledge.task_id.value, acknowledge.uuid);
    }
    format!("{:?}", call.r#type())
}

#[test]
fn one_task_is_launched_per_offer() {
    let mut scenario = Scenario::subscribed();
    scenario.offers(&[("O1", "S1"), ("O2", "S2")]);
    assert!(scenario.calls().is_empty(), "nothing to launch yet");
    assert_eq!(scenario.scheduler.progress().agents_offered, 2);
    scenario.launch(3);
    assert_eq!(scenario.calls(), ["accept O1: task-1 on S1, refuse 0", "accept O2: task-2 on S2, refuse 0"]);
    scenario.offers(&[("O3", "S1"), ("O4", "S2")]);
    assert_eq!(scenario.calls(), ["accept O3: task-3 on S1, refuse 3600"]);
    assert_eq!(scenario.scheduler.progress().agents_offered, 2);
}

#[test]
fn several_tasks_may_share_an_offer() {
    let mut scenario = Scenario::subscribed();
    scenario.scheduler.tasks_per_offer = 2;
    scenario.offers(&[("O1", "S1"), ("O2", "S2")]).launch(3);
    assert_eq!(
        scenario.calls(),
        ["accept O1: task-1 task-2 on S1, refuse 3600", "accept O2: task-3 on S2, refuse 3600"]
    );
}

#[test]
fn an_offer_gets_no_more_tasks_than_it_has_room_for() {
    let mut scenario = Scenario::subscribed();
    scenario.scheduler.tasks_per_offer = 5;
    scenario.offers_of(0.3, &[("O1", "S1")]).launch(9);
    assert_eq!(scenario.calls(), ["accept O1: task-1 task-2 task-3 on S1, refuse 0"]);
    scenario.offers_of(0.05, &[("O2", "S1")]);
    assert_eq!(scenario.calls(), ["Decline"]);
    scenario.offers_of(100.0, &[("O3", "S1")]);
    assert_eq!(scenario.calls(), ["accept O3: task-4 task-5 task-6 task-7 task-8 on S1, refuse 0"]);
}

#[test]
fn a_greedy_task_takes_all_that_is_offered() {
    let mut scenario = Scenario::subscribed();
    scenario.scheduler.greedy = true;
    scenario.offers_of(0.05, &[("O1", "S1")]).launch(2);
    assert_eq!(scenario.calls(), ["accept O1: task-1 on S1, refuse 0"]);
    scenario.offers(&[("O2", "S2"), ("O3", "S3")]).calls();
    assert_eq!(scenario.scheduler.offers(), 1);
    scenario.scheduler.decline_oldest(2, scenario.now, &mut scenario.out);
    assert_eq!(scenario.calls(), ["Decline"], "the only offer left");
    let measured = scenario.scheduler.take_measurements();
    let agents = |moments: Vec<(String, Instant)>| moments.into_iter().map(|(agent, _)| agent).collect::<Vec<_>>();
    assert_eq!(agents(measured.offered), ["S1", "S2", "S3"]);
    assert_eq!(agents(measured.declined_for_others), ["S3"]);
}

#[test]
fn rescinded_offers_are_not_used() {
    let mut scenario = Scenario::subscribed();
    scenario.offers(&[("O1", "S1"), ("O2", "S2")]);
    let rescind = Some(Box::new(Rescind { offer_id: OfferId { value: "O1".into() } }));
    scenario.event(Event { r#type: Some(event::Type::Rescind.into()), rescind, ..Event::default() });
    assert_eq!(scenario.launch(1).calls(), ["accept O2: task-1 on S2, refuse 3600"]);
}

#[test]
fn updates_are_acknowledged_and_timed() {
    let mut scenario = Scenario::subscribed();
    scenario.offers(&[("O1", "S1")]).launch(1).calls();
    scenario.later(5).update("task-1", TaskState::TaskRunning, Some(b"u1"));
    assert_eq!(scenario.calls(), ["acknowledge task-1 [117, 49]"]);
    scenario.later(5).update("task-1", TaskState::TaskFinished, Some(b"u2"));
    assert_eq!(scenario.calls(), ["acknowledge task-1 [117, 50]"]);
    scenario.update("task-1", TaskState::TaskFinished, None);
    assert!(scenario.calls().is_empty(), "without uuid there is nothing to acknowledge");
    assert_eq!(scenario.scheduler.progress().tasks_ended, 1);
    let measured = scenario.scheduler.take_measurements();
    assert_eq!(measured.running.median(), Some(Duration::from_millis(5)));
    assert_eq!(measured.finished.median(), Some(Duration::from_millis(10)));
    assert_eq!(measured.tasks_failed, 0);
}

#[test]
fn failed_tasks_are_counted() {
    let mut scenario = Scenario::subscribed();
    scenario.offers(&[("O1", "S1")]).launch(1).update("task-1", TaskState::TaskLost, None);
    assert_eq!(
        (scenario.scheduler.progress().tasks_ended, scenario.scheduler.take_measurements().tasks_failed),
        (1, 1)
    );
}

#[test]
fn responses_answer_calls_in_order() {
    let mut scenario = Scenario::subscribed();
    scenario.offers(&[("O1", "S1"), ("O2", "S2")]).launch(1).later(3).launch(1);
    scenario.later(4);
    for status in [202, 400] {
        scenario.scheduler.answered(status, scenario.now);
    }
    let measured = scenario.scheduler.take_measurements();
    assert_eq!(measured.calls.max(), Some(Duration::from_millis(7)));
    assert_eq!(measured.calls.percentile(1), Some(Duration::from_millis(4)));
    assert_eq!(measured.calls_refused, 1);
}

#[test]
fn an_error_event_is_kept() {
    let mut scenario = Scenario::subscribed();
    scenario.event(Event {
        r#type: Some(event::Type::Error.into()),
        error: Some(Error { message: "no".into() }),
        ..Event::default()
    });
    assert_eq!(scenario.scheduler.error(), Some("no"));
}
