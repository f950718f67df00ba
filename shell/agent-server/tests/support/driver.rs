//! An executor that speaks the driver protocol as libmesos does. It registers, runs one task that counts until the file
//! `end` exists, and reregisters with an agent that asks for it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use messages::schema::HasDescriptor;
use messages::{internal, v1};

struct Message {
    name: String,
    body: Vec<u8>,
}

struct Driver {
    agent: String,
    own: String,
    framework: v1::FrameworkId,
    executor: v1::ExecutorId,
    task: Option<v1::TaskInfo>,
    unacknowledged: HashMap<Vec<u8>, internal::StatusUpdate>,
    agent_id: v1::AgentId,
    over: bool,
}

pub fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).expect("a variable of the agent");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let own = format!("executor(1)@{}", listener.local_addr().expect("an address"));
    let (sender, messages) = sync_channel(16);
    let incoming = sender.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = incoming.clone();
            thread::spawn(move || receive(stream, &sender));
        }
    });
    let mut driver = Driver {
        agent: variable("MESOS_SLAVE_PID"),
        own,
        framework: v1::FrameworkId { value: variable("MESOS_FRAMEWORK_ID") },
        executor: v1::ExecutorId { value: variable("MESOS_EXECUTOR_ID") },
        agent_id: v1::AgentId { value: variable("MESOS_SLAVE_ID") },
        task: None,
        unacknowledged: HashMap::new(),
        over: false,
    };
    let register = internal::RegisterExecutorMessage {
        framework_id: driver.framework.clone(),
        executor_id: driver.executor.clone(),
    };
    driver.send("RegisterExecutorMessage", &register);
    for message in messages {
        driver.received(&message, &sender);
        if driver.over && driver.unacknowledged.is_empty() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Reads the requests of one connection, which the agent keeps open.
fn receive(stream: TcpStream, sender: &SyncSender<Message>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let name = line.split(' ').nth(1)?.rsplit('/').next()?.to_owned();
        let mut length = 0;
        let mut chunked = false;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        while chunked {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            chunked = size > 0;
        }
        sender.send(Message { name, body }).ok()?;
    }
}

fn decode<T: HasDescriptor>(body: &[u8]) -> T {
    wire::decode(body, &wire::Limits::default()).expect("a message of an agent")
}

impl Driver {
    fn received(&mut self, message: &Message, sender: &SyncSender<Message>) {
        match message.name.as_str() {
            "mesos.internal.RunTaskMessage" => {
                let run: internal::RunTaskMessage = decode(&message.body);
                self.task = Some(run.task);
                self.update(v1::TaskState::TaskRunning);
                let sender = sender.clone();
                thread::spawn(move || count(&sender));
            }
            "ended" => {
                self.over = true;
                self.update(v1::TaskState::TaskFinished);
            }
            "mesos.internal.ReconnectExecutorMessage" => {
                let reregister = internal::ReregisterExecutorMessage {
                    framework_id: self.framework.clone(),
                    executor_id: self.executor.clone(),
                    tasks: Vec::new(),
                    updates: self.unacknowledged.values().cloned().collect(),
                };
                self.send("ReregisterExecutorMessage", &reregister);
            }
            "mesos.internal.StatusUpdateAcknowledgementMessage" => {
                let acknowledged: internal::StatusUpdateAcknowledgementMessage = decode(&message.body);
                self.unacknowledged.remove(&acknowledged.uuid);
            }
            "mesos.internal.ShutdownExecutorMessage" => std::process::exit(0),
            _ => {}
        }
    }

    fn update(&mut self, state: v1::TaskState) {
        let Some(task) = &self.task else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let uuid = uuid::Uuid::new_v4().as_bytes().to_vec();
        let status = v1::TaskStatus {
            task_id: task.task_id.clone(),
            state: state.into(),
            agent_id: Some(self.agent_id.clone()),
            executor_id: Some(self.executor.clone()),
            source: Some(v1::task_status::Source::Executor.into()),
            timestamp: Some(now.as_secs_f64()),
            uuid: Some(uuid.clone()),
            ..Default::default()
        };
        let update = internal::StatusUpdate {
            framework_id: self.framework.clone(),
            executor_id: Some(self.executor.clone()),
            slave_id: Some(self.agent_id.clone()),
            timestamp: now.as_secs_f64(),
            uuid: Some(uuid.clone()),
            status,
            latest_state: None,
        };
        self.unacknowledged.insert(uuid, update.clone());
        self.send("StatusUpdateMessage", &internal::StatusUpdateMessage { update, pid: Some(self.own.clone()) });
    }

    /// Sends a message. An agent that is away does not get it, and asks again later.
    fn send<T: HasDescriptor>(&self, name: &str, message: &T) {
        let Some((process, address)) = self.agent.split_once('@') else { return };
        let Ok(mut stream) = TcpStream::connect(address) else { return };
        let body = wire::encode(message);
        let head = format!(
            "POST /{process}/mesos.internal.{name} HTTP/1.1\r\nUser-Agent: libprocess/{own}\r\nLibprocess-From: {own}\r\n\
             Connection: Keep-Alive\r\nContent-Length: {}\r\n\r\n",
            body.len(),
            own = self.own,
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        // The wait lets the peer read the message, because closing the connection at once may discard it.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.read(&mut [0; 256]);
    }
}

fn count(sender: &SyncSender<Message>) {
    let mut number = 0;
    while !Path::new("end").exists() {
        number += 1;
        println!("{number}");
        thread::sleep(Duration::from_millis(10));
    }
    println!("last");
    let _ = sender.send(Message { name: "ended".to_owned(), body: Vec::new() });
}
