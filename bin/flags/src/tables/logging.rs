//! The flags of `src/logging/flags.cpp`, which every program has.

use std::path::PathBuf;

use crate::choices::LoggingLevel;
use crate::macros::flags;

flags! {
    /// The flags for the log of a program.
    LoggingFlags {
        "Logging" {
            quiet: bool = "false" => "Log nothing to stderr.";
            logging_level: LoggingLevel = "INFO" => "The least severe level to log.";
            log_dir: Option<PathBuf> =>
                "Also write the log to a file in this directory, e.g. mesos-master.INFO.";
            external_log_file: Option<PathBuf> =>
                "The file to which stderr is redirected; /files shows it instead of the one in --log_dir.";
            [NoEffect: "lines are written at once"] {
                logbufsecs: u64 = "0" => "Seconds to buffer log lines before writing them.";
            }
            [NoEffect: "there is no driver in this program"] {
                initialize_driver_logging: bool = "true" => "Whether drivers set up their own logging.";
            }
        }
    }
}
