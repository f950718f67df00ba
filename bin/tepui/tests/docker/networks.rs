//! Networks and port mappings, at a daemon in a network namespace of its own.

use serde_json::json;

use super::cluster::{Cluster, Fields};
use super::daemon::Daemon;

#[test]
fn a_port_of_the_agent_leads_to_the_container() {
    let Some(daemon) = Daemon::with_bridge() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
    let ports = json!({ "name": "ports", "type": "RANGES", "ranges": { "range": [{ "begin": 31005, "end": 31005 }] } });
    let health = json!({ "type": "HTTP", "http": { "port": 80, "path": "/index.html" }, "delay_seconds": 0.0, "interval_seconds": 0.2, "grace_period_seconds": 30.0 });
    let check = json!({ "type": "TCP", "tcp": { "port": 80 }, "delay_seconds": 0.0, "interval_seconds": 0.2 });
    let fields = Fields {
        docker: json!({ "network": "BRIDGE", "port_mappings": [{ "host_port": 31005, "container_port": 80 }] }),
        task: json!({ "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), ports], "health_check": health, "check": check }),
        ..Fields::default()
    };
    let command =
        "mkdir /tmp/www; echo hello from the container > /tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www";
    let mut task = cluster.begin_task("web", command, fields);
    // Probes run in the network of the container, where port 80 is.
    cluster.until_status("web", "/healthy", &json!(true));
    cluster.until_status("web", "/check_status/tcp/succeeded", &json!(true));
    let answer = daemon.in_network("curl --silent --max-time 10 http://172.31.251.1:31005/index.html");
    assert_eq!(answer, "hello from the container\n");
    let ip = &cluster.status("web", "TASK_RUNNING")["container_status"]["network_infos"][0]["ip_addresses"][0];
    assert_eq!(ip["ip_address"], json!("172.31.251.2"));
    task.kill();
}
