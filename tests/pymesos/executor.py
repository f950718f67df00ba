#!/usr/bin/env python
"""A custom executor on pymesos: the task's data says what to do.

b"ok" finishes at once; b"wait" runs until killed; every framework message comes back with "echo:" before it.
"""
import sys
from threading import Thread

from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Worker(Executor):
    def launchTask(self, driver, task):
        def run():
            self.update(driver, task.task_id, 'TASK_RUNNING')
            if decode_data(task.data) == b'ok':
                self.update(driver, task.task_id, 'TASK_FINISHED')
        Thread(target=run, daemon=True).start()

    def killTask(self, driver, task_id):
        self.update(driver, task_id, 'TASK_KILLED')

    def frameworkMessage(self, driver, message):
        driver.sendFrameworkMessage(encode_data(b'echo:' + decode_data(message)))

    @staticmethod
    def update(driver, task_id, state):
        driver.sendStatusUpdate(dict(task_id=dict(task_id), state=state))


if __name__ == '__main__':
    driver = MesosExecutorDriver(Worker(), use_addict=True)
    driver.run()
    sys.exit(0)
