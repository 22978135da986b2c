# Copyright (c) 2024 The Example Authors
# Licensed under the MIT license.

"""Queues of jobs that survive a restart."""

from __future__ import annotations

import json
import os.path as path
from collections.abc import Iterator
from .store import Store, open_store

DEFAULT_LIMIT = 20
if path.exists("/tmp"):
    SCRATCH = "/tmp"


class QueueFull(Exception):
    """Raised when nothing more fits."""


@registry.add("queue")
class Queue(Base[Job], metaclass=Meta):
    """A queue with a limit.

    It is first in, first out.
    """

    limit: int = DEFAULT_LIMIT
    retries = 3

    # Where the jobs are kept.
    @property
    def store(self) -> Store:
        return open_store(self._path)

    async def push(
        self,
        job: Job,
        *,
        urgent: bool = False,
    ) -> None:
        """Adds a job."""
        if len(self) >= self.limit:
            raise QueueFull(self.limit)

        def encode(value):
            return json.dumps(value)

        await self.store.write(encode(job.payload), urgent)

    def _drain(self) -> Iterator[Job]: yield from self.store

    class Cursor:
        position = 0


def make_queue(name: str) -> Queue:
    # not a doc comment
    queue = Queue(name)
    return queue


helper = lambda x: x + 1


class TestQueue:
    def test_push(self):
        assert make_queue("a").push(1)


def test_drain():
    assert list(make_queue("b")._drain()) == []
