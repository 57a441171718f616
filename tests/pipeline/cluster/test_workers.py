"""Worker processes: the same output as in one process, whatever becomes of them."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.config import JobConfig
from jobs.run import run_job
from jobs.terminal import Terminal
from schemas.manifest import Manifest

_SLOW_TASK = '''
import os, pathlib, time
from jobs.tasks.sentiment import SentimentTask
from pipeline.engines.scripted import ScriptedEngine

_before = ScriptedEngine.collect


def collect(self):
    time.sleep(0.05)
    folder = pathlib.Path(os.environ["ANSWERING"])
    folder.joinpath(str(os.getpid())).touch()
    return _before(self)


ScriptedEngine.collect = collect


class SlowTask(SentimentTask):
    name = "slow"


TASK = SlowTask
'''
