"""Tasks in an event loop."""

import asyncio
import contextlib


class Overload(Exception):
    """Too much at once."""


async def pause(seconds=0.0):
    await asyncio.sleep(seconds)


async def step(name, table):
    await pause()
    return table[name]


def awaited(name):
    return asyncio.run(step(name, {}))


def in_time(seconds):
    return asyncio.run(asyncio.wait_for(pause(seconds), 0.001))


def in_time_block(seconds):
    return asyncio.run(within(seconds))


async def within(seconds):
    async with asyncio.timeout(0.001):
        await pause(seconds)


def gathered(names):
    return asyncio.run(gather(names))


async def gather(names):
    return await asyncio.gather(*(checked(name) for name in names))


async def checked(name):
    await pause()
    if not name.isidentifier():
        raise Overload(f"{name} is too much")


def grouped(names):
    return asyncio.run(group(names))


async def group(names):
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(checked(name))


def mixed(names, table):
    return asyncio.run(mixed_group(names, table))


async def mixed_group(names, table):
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(step(name, table))
        tasks.create_task(checked("no name"))


def cancelled(seconds):
    return asyncio.run(cancel(seconds))


async def cancel(seconds):
    task = asyncio.create_task(pause(seconds))
    await pause()
    task.cancel()
    await task


def nested(seconds):
    return asyncio.run(run_inside(seconds))


async def run_inside(seconds):
    inner = pause(seconds)
    try:
        asyncio.run(inner)
    finally:
        inner.close()


def not_awaited(name):
    return asyncio.run(use(name))


async def use(name):
    found = step(name, {name: 1})
    with contextlib.closing(found):
        return found + 1


def not_a_coroutine(value):
    return asyncio.run(value)


def queue_full(items):
    return asyncio.run(put_all(items))


async def put_all(items):
    queue = asyncio.Queue(maxsize=1)
    for item in items:
        queue.put_nowait(item)


def queue_empty(count):
    return asyncio.run(take(count))


async def take(count):
    queue = asyncio.Queue()
    return [queue.get_nowait() for _ in range(count)]


def result_too_early(value):
    return asyncio.run(early(value))


async def early(value):
    future = asyncio.get_running_loop().create_future()
    return future.result() + value


def set_twice(value):
    return asyncio.run(twice(value))


async def twice(value):
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    future.set_result(value)


def connected(path):
    return asyncio.run(connect(path))


async def connect(path):
    reader, _ = await asyncio.open_unix_connection(path)
    return await reader.read()


def line_of(text):
    return asyncio.run(read_line(text))


async def read_line(text):
    reader = asyncio.StreamReader(limit=16)
    reader.feed_data(text)
    return await reader.readuntil(b"\n")


def exactly(data):
    return asyncio.run(read_exactly(data))


async def read_exactly(data):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await reader.readexactly(1000)


def released(name):
    return asyncio.run(release(name))


async def release(name):
    lock = asyncio.Lock()
    lock.release()
    return name


def program(name):
    return asyncio.run(start(name))


async def start(name):
    return await asyncio.create_subprocess_exec(name)


def in_thread(value):
    return asyncio.run(asyncio.to_thread(divided, value))


def divided(value):
    return value / 0


def looped(names):
    return asyncio.run(loop_over(names))


async def loop_over(names):
    async for name in names:
        await checked(name)
