//! `tepui examples`: what can be done, by examples.

use crate::output;

const EXAMPLES: &str = "\
A cluster on this machine
  tepui local                                   one master and two agents; keep it running
  tepui                                         how it is, from another terminal

Run
  tepui run -- 'echo hello from $(hostname)'    one task: its output, its exit code
  tepui run -n 20 --cpus 0.5 -- 'sleep 2; echo I am number $TEPUI_INSTANCE'
  tepui run --batch tasks.txt                   one task a line
  ID=$(tepui run --detach -- 'sleep 60; exit 3')
  tepui logs -f $ID                             its output, live
  tepui wait $ID; echo $?                       its exit code
  tepui cancel $ID                              end it

Look
  tepui tasks --running                         what runs
  tepui agents                                  machines, and how much of them is in use
  tepui explain task run.7                      why a task is where it is
  tepui explain role web --needs cpus:4,mem:8GB why nothing of that size starts
  tepui failures --open                         what is wrong now

Share
  tepui quota set dev --limit cpus:4            what a role never gets beyond
  tepui quota set web --guarantee cpus:2,mem:4GB
  tepui weight set web=3 batch=0.5              who gets more of what is free
  tepui partition set nightly --role batch --min cpus:8 --preemptible true

Look after machines
  tepui drain S3 --wait                         empty an agent
  tepui reactivate S3                           and take it back
  tepui maintenance schedule node7 --start 'in 2h' --for 1h

Real machines
  tepui master --ip=10.0.0.1 --work_dir=/var/lib/tepui/master
  tepui agent --master=10.0.0.1:5050 --ip=10.0.0.2 --work_dir=/var/lib/tepui/agent
  export TEPUI_MASTER=10.0.0.1:5050

At home in a shell
  eval \"$(tepui completions bash)\"              also zsh, fish, elvish, powershell
  tepui man ~/.local/share/man/man1             man pages, for `man tepui-run`

Each command has more with --help; docs/operating.md is the guide for operators.
";

pub fn examples() {
    output::print(EXAMPLES);
}
