//! The requests of Docker's API that are used, without its version: the daemon then speaks its own, and those parts of it
//! have been the same since Docker 17.

use std::time::Duration;

use serde_json::{Value, json};

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    target: String,
    /// Further lines of the head.
    headers: String,
    body: Option<Vec<u8>>,
}

impl Request {
    fn new(method: Method, target: String) -> Self {
        Request { method, target, headers: String::new(), body: None }
    }

    fn with_json(mut self, body: &Value) -> Self {
        self.headers.push_str("Content-Type: application/json\r\n");
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Returns the request for the version of the daemon.
    pub fn version() -> Self {
        Self::new(Method::Get, "/version".to_owned())
    }

    /// Returns the request that creates a container with this name.
    pub fn create(name: &str, body: &Value) -> Self {
        Self::new(Method::Post, format!("/containers/create?name={}", escaped(name))).with_json(body)
    }

    /// Returns the request that starts a container.
    pub fn start(container: &str) -> Self {
        Self::new(Method::Post, format!("/containers/{}/start", escaped(container)))
    }

    /// Returns the request that attaches to both outputs of a container. The connection carries them then.
    pub fn attach(container: &str) -> Self {
        let target = format!("/containers/{}/attach?stream=1&stdout=1&stderr=1", escaped(container));
        let mut request = Self::new(Method::Post, target);
        request.headers.push_str("Connection: Upgrade\r\nUpgrade: tcp\r\n");
        request
    }

    /// Returns the request for the output of a container since this time, in seconds since the epoch, as it grows.
    pub fn logs_since(container: &str, since: f64) -> Self {
        let container = escaped(container);
        let target = format!("/containers/{container}/logs?follow=1&stdout=1&stderr=1&since={since:.9}");
        Self::new(Method::Get, target)
    }

    /// Returns the request that is answered at the end of a container, which may not have started.
    pub fn wait(container: &str) -> Self {
        Self::new(Method::Post, format!("/containers/{}/wait?condition=next-exit", escaped(container)))
    }

    /// Returns the request that is answered when a container does not run.
    pub fn wait_not_running(container: &str) -> Self {
        Self::new(Method::Post, format!("/containers/{}/wait?condition=not-running", escaped(container)))
    }

    /// Returns the request for what Docker knows about a container.
    pub fn inspect(container: &str) -> Self {
        Self::new(Method::Get, format!("/containers/{}/json", escaped(container)))
    }

    /// Returns the request that sends a signal, by its name or its number.
    pub fn kill(container: &str, signal: &str) -> Self {
        Self::new(Method::Post, format!("/containers/{}/kill?signal={}", escaped(container), escaped(signal)))
    }

    /// Returns the request that stops a container: its stop signal, and SIGKILL after this time.
    pub fn stop(container: &str, grace: Duration) -> Self {
        // A part of a second is a second, since Docker knows no parts.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        Self::new(Method::Post, format!("/containers/{}/stop?t={seconds}", escaped(container)))
    }

    /// Returns the request that removes a container with its anonymous volumes, and kills it if it runs.
    pub fn remove(container: &str) -> Self {
        Self::new(Method::Delete, format!("/containers/{}?force=1&v=1", escaped(container)))
    }

    /// Returns the request that changes the limits of a container.
    pub fn update(container: &str, limits: &Value) -> Self {
        Self::new(Method::Post, format!("/containers/{}/update", escaped(container))).with_json(limits)
    }

    /// Returns the request for all containers, running or not, whose names have this prefix.
    pub fn list(prefix: &str) -> Self {
        let filters = json!({ "name": [format!("^/?{prefix}")] }).to_string();
        Self::new(Method::Get, format!("/containers/json?all=1&filters={}", escaped(&filters)))
    }

    /// Returns the request that prepares a command in a container.
    pub fn exec_create(container: &str, argv: &[String], environment: &[String]) -> Self {
        let body = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": argv, "Env": environment });
        Self::new(Method::Post, format!("/containers/{}/exec", escaped(container))).with_json(&body)
    }

    /// Returns the request that runs a prepared command. The body of its answer is the output, and ends with it.
    pub fn exec_start(exec: &str) -> Self {
        let body = json!({ "Detach": false, "Tty": false });
        Self::new(Method::Post, format!("/exec/{}/start", escaped(exec))).with_json(&body)
    }

    /// Returns the request for what Docker knows about a command.
    pub fn exec_inspect(exec: &str) -> Self {
        Self::new(Method::Get, format!("/exec/{}/json", escaped(exec)))
    }

    /// Returns the request for what Docker knows about an image.
    pub fn inspect_image(image: &str) -> Self {
        // The slashes of a name are part of the path.
        let name: Vec<String> = image.split('/').map(escaped).collect();
        Self::new(Method::Get, format!("/images/{}/json", name.join("/")))
    }

    /// Returns the request that pulls an image. `auth` is the value of `X-Registry-Auth`.
    pub fn pull(image: &str, auth: Option<&str>) -> Self {
        let mut request = Self::new(Method::Post, format!("/images/create?fromImage={}", escaped(image)));
        if let Some(auth) = auth {
            request.headers.push_str(&format!("X-Registry-Auth: {auth}\r\n"));
        }
        request
    }

    /// Returns the bytes of the request. The connection carries no second one.
    pub fn encode(&self) -> Vec<u8> {
        let method = match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        };
        let close = if self.headers.contains("Connection:") { "" } else { "Connection: close\r\n" };
        let length = match (&self.body, self.method) {
            (Some(body), _) => format!("Content-Length: {}\r\n", body.len()),
            (None, Method::Post) => "Content-Length: 0\r\n".to_owned(),
            (None, _) => String::new(),
        };
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: docker\r\nUser-Agent: tepui\r\n{close}{}{length}\r\n",
            self.target, self.headers
        );
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

/// Returns a text as a part of a path or a query (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        String::from_utf8(request.encode()).unwrap()
    }

    #[test]
    fn a_request_says_all_in_its_head() {
        assert_eq!(
            text(&Request::start("mesos-a")),
            "POST /containers/mesos-a/start HTTP/1.1\r\nHost: docker\r\nUser-Agent: tepui\r\nConnection: close\r\n\
             Content-Length: 0\r\n\r\n"
        );
        assert!(text(&Request::attach("a")).contains("\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"));
        assert!(text(&Request::create("n", &json!({ "A": 1 }))).ends_with("Content-Length: 7\r\n\r\n{\"A\":1}"));
        assert!(text(&Request::stop("a", Duration::from_millis(1500))).starts_with("POST /containers/a/stop?t=2 "));
    }

    #[test]
    fn no_name_leaves_its_place() {
        assert!(
            text(&Request::inspect("../x?y\r\nZ: 1")).starts_with("GET /containers/..%2Fx%3Fy%0D%0AZ%3A%201/json ")
        );
        assert!(text(&Request::inspect_image("h:5000/a b:t")).starts_with("GET /images/h%3A5000/a%20b%3At/json "));
    }
}
