//! The v0 scheduler driver: libprocess messages in both directions.

use std::time::Duration;

use messages::internal::{
    DeactivateFrameworkMessage, FrameworkErrorMessage, FrameworkRegisteredMessage, FrameworkReregisteredMessage,
    LaunchTasksMessage, RegisterFrameworkMessage, ResourceOffersMessage, StatusUpdateMessage,
    UnregisterFrameworkMessage,
};
use messages::v1::scheduler::{Call, call};
use messages::v1::{Filters, FrameworkId, FrameworkInfo, Offer, Resource, TaskId, TaskInfo, TaskState, value};

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::peer::{Peer, Pings};
use crate::scheduler::Scheduler;
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.39",
        checks: "a driver registers; another without force is refused; with force it takes over and the old one is told",
        needs: &[],
        run: registration,
    },
    Case {
        id: "2.12e",
        checks: "a framework of a driver may come back over HTTP, and the driver is told",
        needs: &[],
        run: driver_to_http,
    },
    Case {
        id: "5.7a",
        checks: "offers to a driver carry one pid per offer and no allocation",
        needs: &[],
        run: offers,
    },
    Case {
        id: "5.7b",
        checks: "a driver's task runs: updates carry uuid and pid, and are acknowledged by Call",
        needs: &[],
        run: life_of_a_task,
    },
    Case {
        id: "5.7c",
        checks: "the messages of old still work: RegisterFramework, LaunchTasks, UnregisterFramework",
        needs: &[],
        run: messages_of_old,
    },
    Case { id: "5.7d", checks: "the same pid subscribing again is told Reregistered", needs: &[], run: reregistration },
    Case {
        id: "5.7e",
        checks: "DeactivateFramework ends the offers but keeps the framework",
        needs: &[],
        run: deactivation,
    },
    Case {
        id: "5.7f",
        checks: "a driver whose FrameworkInfo is invalid is told FrameworkError",
        needs: &[],
        run: refusal,
    },
];

const REGISTERED: &str = "mesos.internal.FrameworkRegisteredMessage";
const ERROR: &str = "mesos.internal.FrameworkErrorMessage";
const OFFERS: &str = "mesos.internal.ResourceOffersMessage";
const UPDATE: &str = "mesos.internal.StatusUpdateMessage";

struct Driver {
    peer: Peer,
    info: FrameworkInfo,
    master: model::Upid,
    over: bool,
}

impl Driver {
    fn new(world: &World, info: FrameworkInfo) -> Checked<Self> {
        let master = world.master_pid()?;
        let peer = Peer::new(&world.fresh("scheduler"), master.clone(), Pings::Ignored)?;
        Ok(Driver { peer, info, master, over: false })
    }

    /// Sends SUBSCRIBE without waiting for the answer.
    fn ask(&mut self, force: bool) -> Checked {
        let subscribe = call::Subscribe { framework_info: self.info.clone(), ..Default::default() };
        let call = Call { subscribe: Some(Box::new(subscribe)), ..self.call(call::Type::Subscribe) };
        self.send(&call, force)
    }

    fn subscribe(world: &World, info: FrameworkInfo) -> Checked<Self> {
        let mut driver = Driver::new(world, info)?;
        driver.ask(false)?;
        driver.expect_registered()?;
        Ok(driver)
    }

    fn expect_registered(&mut self) -> Checked {
        let (_, registered) = self.peer.expect::<FrameworkRegisteredMessage>(REGISTERED, SOON)?;
        check::equal("master's port", u32::from(self.master.address.port()), registered.master_info.port)?;
        self.info.id = Some(registered.framework_id);
        Ok(())
    }

    fn call(&self, kind: call::Type) -> Call {
        Call { framework_id: self.info.id.clone(), r#type: Some(kind as i32), ..Default::default() }
    }

    fn send(&mut self, call: &Call, force: bool) -> Checked {
        let body = wire::v0::encode_scheduler_call(call, force);
        let master = self.master.clone();
        self.peer.send_to(&master, "mesos.scheduler.Call", &body)
    }

    fn id(&self) -> &str {
        self.info.id.as_ref().map_or("", |id| &id.value)
    }

    /// Waits for the next offer of this agent. Returns it with the agent's pid.
    fn offer_of(&self, agent: &str) -> Checked<(Offer, String)> {
        let deadline = std::time::Instant::now() + SOON;
        while std::time::Instant::now() < deadline {
            let (_, message) = self.peer.expect::<ResourceOffersMessage>(OFFERS, SOON)?;
            check::equal("pids", message.offers.len(), message.pids.len())?;
            if let Some(found) = message.offers.into_iter().zip(message.pids).find(|(o, _)| o.agent_id.value == agent) {
                return Ok(found);
            }
        }
        Err(CaseError::Timeout { what: "an offer of the agent".into(), seconds: SOON.as_secs_f64() })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.over {
            let teardown = self.call(call::Type::Teardown);
            let _ = self.send(&teardown, false);
        }
    }
}

fn info(world: &World) -> FrameworkInfo {
    FrameworkInfo { user: "root".into(), name: world.fresh("driver"), ..Default::default() }
}

fn task(id: &str, agent: &FakeAgent) -> TaskInfo {
    TaskInfo {
        name: id.into(),
        task_id: TaskId { value: id.into() },
        agent_id: agent.agent_id(),
        resources: vec![Resource {
            name: "cpus".into(),
            r#type: value::Type::Scalar as i32,
            scalar: Some(value::Scalar { value: 1.0 }),
            ..Default::default()
        }],
        command: Some(Box::new(messages::v1::CommandInfo { value: Some("true".into()), ..Default::default() })),
        ..Default::default()
    }
}

fn registration(world: &World) -> Checked {
    let with_timeout = FrameworkInfo { failover_timeout: Some(1000.0), ..info(world) };
    let mut first = Driver::subscribe(world, with_timeout)?;

    let mut second = Driver::new(world, first.info.clone())?;
    second.ask(false)?;
    let (_, error) = second.peer.expect::<FrameworkErrorMessage>(ERROR, SOON).during("without force")?;
    check::equal("error", "Framework failed over", &error.message)?;
    second.over = true;

    let mut third = Driver::new(world, first.info.clone())?;
    third.ask(true)?;
    third.expect_registered().during("with force")?;
    check::equal("framework id", first.id(), third.id())?;
    let (_, error) = first.peer.expect::<FrameworkErrorMessage>(ERROR, SOON).during("the old driver")?;
    check::equal("error", "Framework failed over", &error.message)?;
    first.over = true;
    Ok(())
}

fn driver_to_http(world: &World) -> Checked {
    let with_timeout = FrameworkInfo { failover_timeout: Some(1000.0), ..info(world) };
    let mut driver = Driver::subscribe(world, with_timeout)?;
    let over_http = serde_json::json!({
        "user": "root", "name": driver.info.name, "id": {"value": driver.id()}, "failover_timeout": 1000,
    });
    let scheduler = Scheduler::subscribe(world, over_http)?;
    check::equal("framework id", driver.id(), scheduler.id())?;
    let (_, error) = driver.peer.expect::<FrameworkErrorMessage>(ERROR, SOON)?;
    check::equal("error", "Framework failed over", &error.message)?;
    driver.over = true;
    scheduler.accepted("REVIVE", serde_json::json!({}))
}

fn offers(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let driver = Driver::subscribe(world, info(world))?;
    let (offer, pid) = driver.offer_of(agent.id())?;
    check::equal("pid", agent.peer.pid.to_string(), pid)?;
    check::equal("framework id", driver.id(), &offer.framework_id.value)?;
    check::equal("allocation_info", None, offer.allocation_info)?;
    check::equal("allocated resources", 0, offer.resources.iter().filter(|r| r.allocation_info.is_some()).count())
}

fn life_of_a_task(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut driver = Driver::subscribe(world, info(world))?;
    let (offer, _) = driver.offer_of(agent.id())?;
    let id = world.fresh("task");
    let launch = messages::v1::offer::operation::Launch { task_infos: vec![task(&id, &agent)] };
    let operation = messages::v1::offer::Operation {
        r#type: Some(messages::v1::offer::operation::Type::Launch as i32),
        launch: Some(Box::new(launch)),
        ..Default::default()
    };
    let accept = call::Accept { offer_ids: vec![offer.id], operations: vec![operation], ..Default::default() };
    let call = Call { accept: Some(Box::new(accept)), ..driver.call(call::Type::Accept) };
    driver.send(&call, false)?;
    let run = agent.expect_run_task()?;
    check::equal("pid of the framework", Some(driver.peer.pid.to_string()), run.pid)?;

    let uuid = agent.update(driver.id(), &id, TaskState::TaskRunning)?;
    let (_, update) = driver.peer.expect::<StatusUpdateMessage>(UPDATE, SOON)?;
    check::equal("framework", driver.id(), &update.update.framework_id.value)?;
    check::equal("state", TaskState::TaskRunning, update.update.status.state())?;
    check::equal("uuid", Some(&uuid), update.update.uuid.as_ref())?;
    check::equal("pid", Some(agent.peer.pid.to_string()), update.pid)?;

    let acknowledge =
        call::Acknowledge { agent_id: agent.agent_id(), task_id: TaskId { value: id }, uuid: uuid.clone() };
    let call = Call { acknowledge: Some(Box::new(acknowledge)), ..driver.call(call::Type::Acknowledge) };
    driver.send(&call, false)?;
    let (_, acknowledged) = agent.peer.expect::<messages::internal::StatusUpdateAcknowledgementMessage>(
        "mesos.internal.StatusUpdateAcknowledgementMessage",
        SOON,
    )?;
    check::equal("acknowledged uuid", uuid, acknowledged.uuid)
}

fn messages_of_old(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut driver = Driver::new(world, info(world))?;
    driver.peer.send(
        "mesos.internal.RegisterFrameworkMessage",
        &RegisterFrameworkMessage { framework: driver.info.clone() },
    )?;
    driver.expect_registered()?;
    let (offer, _) = driver.offer_of(agent.id())?;
    let id = world.fresh("task");
    let framework_id = FrameworkId { value: driver.id().to_owned() };
    let launch = LaunchTasksMessage {
        framework_id: framework_id.clone(),
        tasks: vec![task(&id, &agent)],
        filters: Filters::default(),
        offer_ids: vec![offer.id],
    };
    driver.peer.send("mesos.internal.LaunchTasksMessage", &launch)?;
    check::equal("task", id, agent.expect_run_task()?.task.task_id.value)?;
    driver.peer.send("mesos.internal.UnregisterFrameworkMessage", &UnregisterFrameworkMessage { framework_id })?;
    driver.over = true;
    eventually("the framework among the completed ones", || {
        let frameworks = world.get_json("/frameworks")?;
        let completed = check::array_at(&frameworks, "/completed_frameworks")?;
        Ok(completed.iter().any(|framework| framework["id"] == driver.id()).then_some(()))
    })
}

fn reregistration(world: &World) -> Checked {
    let mut driver = Driver::subscribe(world, info(world))?;
    driver.ask(false)?;
    let (_, again) =
        driver.peer.expect::<FrameworkReregisteredMessage>("mesos.internal.FrameworkReregisteredMessage", SOON)?;
    check::equal("framework id", driver.id(), &again.framework_id.value)
}

fn deactivation(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut driver = Driver::subscribe(world, info(world))?;
    driver.offer_of(agent.id())?;
    let framework_id = FrameworkId { value: driver.id().to_owned() };
    driver.peer.send("mesos.internal.DeactivateFrameworkMessage", &DeactivateFrameworkMessage { framework_id })?;
    eventually("an inactive framework", || {
        let frameworks = world.get_json(&format!("/frameworks?framework_id={}", driver.id()))?;
        Ok((frameworks["frameworks"][0]["active"] == false).then_some(()))
    })?;
    driver.peer.expect_none(OFFERS, Duration::from_millis(1500))
}

fn refusal(world: &World) -> Checked {
    #[allow(deprecated)]
    let info = FrameworkInfo { role: Some("/bad".into()), ..info(world) };
    let mut driver = Driver::new(world, info)?;
    driver.ask(false)?;
    driver.over = true;
    let (_, error) = driver.peer.expect::<FrameworkErrorMessage>(ERROR, SOON)?;
    check::equal(
        "error",
        "'FrameworkInfo.role' is not a valid role: Role '/bad' cannot start with a slash",
        &error.message,
    )
}
