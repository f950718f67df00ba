//! `tepui examples` shows what can be done, by examples.

use crate::output;

pub const EXAMPLES: &str = "\
A cluster on this machine
  tepui local                                   starts one master and two agents; keep it running
  tepui                                         in another terminal: shows the state of the cluster

Run
  tepui run -- 'echo hello from $(hostname)'    runs one task, shows its output, returns its exit code
  tepui run -n 20 --cpus 0.5 -- 'sleep 2; echo I am number $TEPUI_INSTANCE'
  tepui run --batch tasks.txt                   one task per line
  ID=$(tepui run --detach -- 'sleep 60; exit 3')
  tepui logs -f $ID                             follows its output
  tepui wait $ID; echo $?                       waits for it and returns its exit code
  tepui cancel $ID                              ends it

Show
  tepui tasks --running                         running tasks
  tepui agents                                  agents and how much of them is in use
  tepui explain task run.7                      explains the state of a task
  tepui explain role ci --needs cpus:4,mem:8GB  explains why no task of this size starts
  tepui failures --open                         current failures

Share
  tepui quota set dev --limit cpus:4            limits a role
  tepui quota set web --guarantee cpus:2,mem:4GB
  tepui weight set web=3 batch=0.5              sets the shares of free resources
  tepui partition set nightly --role batch --min cpus:8 --preemptible true

Take machines out of service
  tepui drain S3 --wait                         ends its tasks and makes no more offers of it
  tepui reactivate S3                           makes offers of it again
  tepui maintenance schedule node7 --start 'in 2h' --for 1h

Real machines
  tepui master --ip=10.0.0.1 --work_dir=/var/lib/tepui/master
  tepui agent --master=10.0.0.1:5050 --ip=10.0.0.2 --work_dir=/var/lib/tepui/agent
  export TEPUI_MASTER=10.0.0.1:5050

Shell completions and man pages
  eval \"$(tepui completions bash)\"              also for zsh, fish, elvish and powershell
  tepui man ~/.local/share/man/man1             writes man pages; then: man tepui-run

--help of each command shows more; docs/operating.md is the guide for operators.
";

pub fn examples() {
    output::print(EXAMPLES);
}
