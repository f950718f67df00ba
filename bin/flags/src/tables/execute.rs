//! The flags of `mesos-execute`, a framework that runs one command.

use std::time::Duration;

use super::LoggingFlags;
use super::limits::POSITIVE;
use super::reasons::SECURITY;
use crate::choices::ExecutorContainerizer;
use crate::macros::flags;
use crate::value::{Json, List};

flags! {
    /// The flags of `mesos-execute`.
    ExecuteFlags {
        logging: LoggingFlags;
        "What to run" {
            command: Option<String> => "The command to run.";
            name: Option<String> => "The name of the task; also its id.";
            shell: bool = "true" => "Run the command with /bin/sh -c; otherwise its first word is the program.";
            env: Option<Json> => "Environment of the command, a JSON object of strings.";
            resources: String = "cpus:1;mem:128" => "Resources of the task.";
            task: Option<Json> => "A complete TaskInfo instead of --command; agent_id may be left out.";
            task_group: Option<Json> => "A TaskGroupInfo whose tasks one default executor runs together; agent_id may be left out.";
            kill_after: Option<Duration>, in POSITIVE => "Kill the task after this time.";
            rlimits: Option<Json> => "Resource limits (RLimitInfo) of the command.";
            volumes: Option<Json> => "Volumes (an array of Volume) of the container.";
            tty: bool = "false" => "Give the command a terminal.";
        }
        "Framework" {
            master: String => "The master: host:port.";
            role: String = "*" => "The role to run in.";
            principal: Option<String> => "The framework's principal.";
            checkpoint: bool = "false" => "Let the task survive a restart of the agent.";
            framework_capabilities: Option<List> => "Comma-separated framework capabilities, e.g. GPU_RESOURCES.";
            partition_aware: bool = "true" => "Enable PARTITION_AWARE.";
            [Refused: SECURITY] {
                secret: String => "The principal's secret.";
            }
            [NoEffect: "it is always protobuf"] {
                content_type: String = "protobuf" => "The content type of calls to the master: protobuf or json.";
            }
        }
        "Containers" {
            effective_capabilities: Option<Json> => "Effective capabilities (CapabilityInfo).";
            bounding_capabilities: Option<Json> => "Bounding capabilities (CapabilityInfo).";
            containerizer: ExecutorContainerizer = "mesos" => "The containerizer: mesos or docker.";
            docker_image: Option<String> => "A Docker or OCI image to run in; with --shell=false and without --command, its own command is run.";
            appc_image: Option<String> => "An appc image to run in; not supported by agents of Tepui, which run Docker and OCI images (--docker_image).";
            networks: Option<List> => "Comma-separated CNI networks to join.";
        }
        "HDFS" {
            package: Option<String> => "A file to copy into HDFS, from which the agent fetches it into the sandbox.";
            hadoop: String = "hadoop" => "The Hadoop client that copies the package.";
            hdfs: String = "localhost:9000" => "The HDFS name node, host:port.";
            overwrite: bool = "false" => "Replace the package in HDFS if it exists.";
        }
    }
}
