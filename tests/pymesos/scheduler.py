#!/usr/bin/env python
"""A real framework on pymesos against a running cluster: scheduler.py HOST:PORT.

Runs 50 tasks on a custom executor to TASK_FINISHED, exchanges framework messages both ways, kills a
task, reconciles, and survives a failover of its scheduler. Exits with 0 only if all of this happened.
"""
import os
import sys
from threading import Condition

from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = 50
TIMEOUT = 90


class RecordingScheduler(Scheduler):
    """Records events; the main thread waits for the expected ones."""

    def __init__(self):
        self.changed = Condition()
        self.framework_id = None
        self.registrations = 0
        self.pending = []
        self.states = {}
        self.where = {}
        self.messages = []
        self.reconciled = {}
        self.errors = []

    def happened(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def until(self, what, condition):
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.errors, TIMEOUT):
                raise AssertionError('did not happen in %s s: %s (states %s)' % (TIMEOUT, what, self.states))
        if self.errors:
            raise AssertionError('error event: %s' % self.errors)
        print('ok: ' + what, flush=True)

    def registered(self, driver, framework_id, master_info):
        def change():
            self.framework_id = framework_id.value
            self.registrations += 1
        self.happened(change)

    def reregistered(self, driver, master_info):
        def change():
            self.registrations += 1
        self.happened(change)

    def resourceOffers(self, driver, offers):
        for offer in offers:
            cpus = sum(r.scalar.value for r in offer.resources if r.name == 'cpus')
            mem = sum(r.scalar.value for r in offer.resources if r.name == 'mem')
            if not offer.executor_ids:
                cpus, mem = cpus - 0.1, mem - 32
            tasks = []
            while self.pending and cpus >= 0.01 and mem >= 8:
                cpus, mem = cpus - 0.01, mem - 8
                task_id, data = self.pending.pop(0)
                tasks.append(task(task_id, data, offer.agent_id.value))
                self.where[task_id] = offer.agent_id.value
            if tasks:
                driver.launchTasks(offer.id, tasks, dict(refuse_seconds=0))
            else:
                driver.declineOffer(offer.id, dict(refuse_seconds=0.5))

    def statusUpdate(self, driver, update):
        def change():
            if update.reason == 'REASON_RECONCILIATION':
                self.reconciled[update.task_id.value] = update.state
            else:
                self.states[update.task_id.value] = update.state
        self.happened(change)

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        self.happened(lambda: self.messages.append(decode_data(message)))

    def error(self, driver, message):
        self.happened(lambda: self.errors.append(message))


def task(task_id, data, agent_id):
    scalar = lambda name, value: dict(name=name, type='SCALAR', scalar=dict(value=value))
    return dict(
        task_id=dict(value=task_id), agent_id=dict(value=agent_id), name=task_id,
        resources=[scalar('cpus', 0.01), scalar('mem', 8)], data=encode_data(data),
        executor=dict(
            executor_id=dict(value='worker'), name='worker',
            resources=[scalar('cpus', 0.1), scalar('mem', 32)],
            command=dict(value='exec %s %s' % (sys.executable, os.path.join(HERE, 'executor.py')))))


def driver_for(scheduler, master, framework_id=None):
    framework = dict(user=os.environ.get('USER', 'root'), name='pymesos', hostname='localhost', failover_timeout=60)
    if framework_id:
        framework['id'] = dict(value=framework_id)
    return MesosSchedulerDriver(scheduler, framework, master, use_addict=True)


def main(master):
    scheduler = RecordingScheduler()
    scheduler.pending = [('task-%d' % n, b'ok') for n in range(TASKS)] + [('victim', b'wait')]
    driver = driver_for(scheduler, master)
    driver.start()
    finished = lambda: sum(scheduler.states.get('task-%d' % n) == 'TASK_FINISHED' for n in range(TASKS))
    scheduler.until('subscribed', lambda: scheduler.registrations == 1)
    scheduler.until('%d tasks finished on a custom executor' % TASKS, lambda: finished() == TASKS)
    scheduler.until('the long task runs', lambda: scheduler.states.get('victim') == 'TASK_RUNNING')

    driver.sendFrameworkMessage(dict(value='worker'), dict(value=scheduler.where['victim']), encode_data(b'hello'))
    scheduler.until('a framework message went there and back', lambda: b'echo:hello' in scheduler.messages)

    driver.reconcileTasks([dict(task_id=dict(value='victim')), dict(task_id=dict(value='nobody'))])
    scheduler.until('reconciliation knows the running task', lambda: scheduler.reconciled.get('victim') == 'TASK_RUNNING')
    scheduler.until('reconciliation does not know another', lambda: scheduler.reconciled.get('nobody') == 'TASK_LOST')

    driver.stop(failover=True)
    driver.join()
    second = RecordingScheduler()
    second.where = scheduler.where
    driver = driver_for(second, master, scheduler.framework_id)
    driver.start()
    second.until('another scheduler took the framework over', lambda: second.registrations == 1)
    driver.reconcileTasks([])
    second.until('its task survived', lambda: second.reconciled.get('victim') == 'TASK_RUNNING')

    driver.killTask(dict(value='victim'))
    second.until('the task was killed', lambda: second.states.get('victim') == 'TASK_KILLED')
    driver.stop()
    driver.join()


if __name__ == '__main__':
    main(sys.argv[1])
