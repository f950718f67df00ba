//! The flags of `mesos-execute`, a framework that runs one command.

use std::time::Duration;

use super::LoggingFlags;
use super::limits::POSITIVE;
use super::reasons::{NOT_IMPLEMENTED, SECURITY};
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
            task_group: Option<Json> => "A TaskGroupInfo to run.";
            kill_after: Option<Duration>, in POSITIVE => "Kill the task after this time.";
            rlimits: Option<Json> => "Resource limits (RLimitInfo) of the command.";
            volumes: Option<Json> => "Volumes (an array of Volume) of the container.";
            [Refused: NOT_IMPLEMENTED] {
                tty: bool = "false" => "Attach a terminal.";
            }
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
            [Refused: NOT_IMPLEMENTED] {
                containerizer: String = "mesos" => "The containerizer: mesos or docker.";
                docker_image: String => "A Docker image to run in.";
                appc_image: String => "An appc image to run in.";
                networks: List => "Comma-separated CNI networks.";
                package: String => "A package to upload to HDFS.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                hadoop: String = "hadoop" => "The Hadoop client.";
                hdfs: String = "localhost:9000" => "The HDFS name node.";
                overwrite: bool = "false" => "Overwrite the package.";
            }
        }
    }
}
