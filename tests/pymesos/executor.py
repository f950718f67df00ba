#!/usr/bin/env python
"""A custom executor on pymesos. The data of a task says what the task does.

b"ok" finishes at once; b"wait" runs until it is killed. Every framework message is returned with the prefix "echo:".
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
