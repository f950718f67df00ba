//! Determines the program of a container with an image from the task's command and the image's configuration, as Mesos'
//! isolator `docker/runtime` does (`slave/containerizer/mesos/isolators/docker/runtime.cpp`).

use crate::ImageConfig;

/// The command of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedCommand<'a> {
    /// Whether `value` is a command line for `/bin/sh`.
    pub shell: bool,
    /// The command line, or the program.
    pub value: Option<&'a str>,
    /// With a `value`, the complete `argv` including the name of the program. Without one, further arguments of the
    /// image's program.
    pub arguments: &'a [String],
}

/// The program that is run, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedCommand {
    /// The program, a path in the image or a name to be found in its `PATH`.
    pub program: String,
    /// The complete arguments, beginning with `argv[0]`.
    pub argv: Vec<String>,
}

/// The reason for which there is no program: neither the task nor the image names one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum NoCommand {
    #[error("Shell specified but no command value provided")]
    Shell,
    #[error("No executable is found")]
    Executable,
}

/// Returns the program and its arguments.
///
/// # Errors
/// There is no program. The texts are those of Mesos.
pub fn resolve(command: RequestedCommand<'_>, image: &ImageConfig) -> Result<ResolvedCommand, NoCommand> {
    let words = |list: &[&[String]]| list.concat();
    let argv = match (command.shell, command.value) {
        (true, Some(line)) => vec!["sh".to_owned(), "-c".to_owned(), line.to_owned()],
        (true, None) => return Err(NoCommand::Shell),
        (false, Some(program)) => {
            let argv = if command.arguments.is_empty() { vec![program.to_owned()] } else { command.arguments.to_vec() };
            return Ok(ResolvedCommand { program: program.to_owned(), argv });
        }
        (false, None) if !image.entrypoint.is_empty() => {
            let further = if command.arguments.is_empty() { &image.cmd } else { command.arguments };
            words(&[&image.entrypoint, further])
        }
        (false, None) if command.arguments.is_empty() => image.cmd.clone(),
        (false, None) => words(&[image.cmd.get(..1).unwrap_or_default(), command.arguments]),
    };
    let program = match (command.shell, argv.first()) {
        (true, _) => "/bin/sh".to_owned(),
        (false, Some(first)) if !image.entrypoint.is_empty() || !image.cmd.is_empty() => first.clone(),
        (false, _) => return Err(NoCommand::Executable),
    };
    Ok(ResolvedCommand { program, argv })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_and_image_are_put_together_as_in_mesos() {
        let check =
            |(shell, value, arguments): (bool, Option<&str>, &str), entrypoint: &str, cmd: &str, expect: &str| {
                let image = ImageConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageConfig::default() };
                let arguments = words(arguments);
                let found = match resolve(RequestedCommand { shell, value, arguments: &arguments }, &image) {
                    Ok(resolved) => format!("{}: {}", resolved.program, resolved.argv.join(" ")),
                    Err(error) => error.to_string(),
                };
                assert_eq!(found, expect, "{shell} {value:?} {arguments:?}, image {entrypoint:?} {cmd:?}");
            };
        check((true, Some("echo x"), ""), "e", "c", "/bin/sh: sh -c echo x");
        check((true, None, ""), "e", "c", "Shell specified but no command value provided");
        check((false, Some("p"), "p a"), "e", "c", "p: p a");
        check((false, Some("p"), ""), "e", "c", "p: p");
        check((false, None, ""), "e f", "", "e: e f");
        check((false, None, ""), "e", "c d", "e: e c d");
        check((false, None, ""), "", "c d", "c: c d");
        check((false, None, "a b"), "e", "c", "e: e a b");
        check((false, None, "a b"), "", "c d", "c: c a b");
        check((false, None, "a b"), "", "", "No executable is found");
        check((false, None, ""), "", "", "No executable is found");
    }
}
