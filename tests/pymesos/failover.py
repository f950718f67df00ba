#!/usr/bin/env python
"""A real framework that finds its master through ZooKeeper: failover.py ZK-URL PORT:PID…

Runs tasks, kills the leading master with -9 while some of them run, and is done when all have finished under the next
one, which pymesos detects with kazoo. The masters are given by their ports and pids. Exit status 0 only if all of it
happened.
"""
import os
import signal
import sys

from scheduler import Story, driver_for

TASKS = 40


def main(zookeeper, masters):
    story = Story()
    story.pending = [('task-%d' % n, b'ok') for n in range(TASKS)] + [('across', b'wait')]
    driver = driver_for(story, zookeeper)
    driver.start()
    finished = lambda: sum(state == 'TASK_FINISHED' for state in story.states.values())
    story.until('the master was found in ZooKeeper', lambda: story.registrations == 1)
    story.until('a task runs, others have finished',
                lambda: story.states.get('across') == 'TASK_RUNNING' and finished() >= TASKS // 2)
    first = driver.master
    with story.changed:
        story.pending += [('later-%d' % n, b'ok') for n in range(TASKS)]
    os.kill(masters[first.split(':')[1]], signal.SIGKILL)

    story.until('it subscribed at another master', lambda: driver.master not in (None, first) and story.registrations == 2)
    driver.reviveOffers()
    story.until('%d tasks finished, before and after' % (2 * TASKS), lambda: finished() == 2 * TASKS)
    driver.reconcileTasks([dict(task_id=dict(value='across'))])
    story.until('the next master knows the task that ran across', lambda: story.reconciled.get('across') == 'TASK_RUNNING')
    driver.killTask(dict(value='across'))
    story.until('it was killed', lambda: story.states.get('across') == 'TASK_KILLED')
    driver.stop()
    driver.join()


if __name__ == '__main__':
    main(sys.argv[1], {port: int(pid) for port, pid in (master.split(':') for master in sys.argv[2:])})
