#!/usr/bin/env python
"""A real framework that finds its master through ZooKeeper: failover.py ZK-URL PORT:PID…

Runs tasks, kills the leading master with -9 while some of them run, and is done when all have finished under the next
one, which pymesos detects with kazoo. The masters are given by their ports and pids. Exit status 0 only if all of it
happened.
"""
import os
import signal
import sys

from scheduler import RecordingScheduler, driver_for

TASKS = 40


def main(zookeeper, masters):
    scheduler = RecordingScheduler()
    scheduler.pending = [('task-%d' % n, b'ok') for n in range(TASKS)] + [('across', b'wait')]
    driver = driver_for(scheduler, zookeeper)
    driver.start()
    finished = lambda: sum(state == 'TASK_FINISHED' for state in scheduler.states.values())
    scheduler.until('the master was found in ZooKeeper', lambda: scheduler.registrations == 1)
    scheduler.until('a task runs, others have finished',
                lambda: scheduler.states.get('across') == 'TASK_RUNNING' and finished() >= TASKS // 2)
    first = driver.master
    with scheduler.changed:
        scheduler.pending += [('later-%d' % n, b'ok') for n in range(TASKS)]
    os.kill(masters[first.split(':')[1]], signal.SIGKILL)

    scheduler.until('it subscribed at another master', lambda: driver.master not in (None, first) and scheduler.registrations == 2)
    driver.reviveOffers()
    scheduler.until('%d tasks finished, before and after' % (2 * TASKS), lambda: finished() == 2 * TASKS)
    driver.reconcileTasks([dict(task_id=dict(value='across'))])
    scheduler.until('the next master knows the task that ran across', lambda: scheduler.reconciled.get('across') == 'TASK_RUNNING')
    driver.killTask(dict(value='across'))
    scheduler.until('it was killed', lambda: scheduler.states.get('across') == 'TASK_KILLED')
    driver.stop()
    driver.join()


if __name__ == '__main__':
    main(sys.argv[1], {port: int(pid) for port, pid in (master.split(':') for master in sys.argv[2:])})
