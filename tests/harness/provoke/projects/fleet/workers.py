"""Threads and processes: threading, queue, concurrent.futures, multiprocessing."""

import multiprocessing
import os
import queue
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait

FORK = multiprocessing.get_context("fork")


class JobFailed(Exception):
    """A job did not end well."""


def share(amount, count):
    return amount // count


def lookup(name):
    return {"a": 1}[name]


def ends(code):
    os._exit(code)


def picky(name):
    raise JobFailed(f"{name} is not for me")


def strict(name):
    if name:
        raise JobFailed(f"{name} is not for me")


def mapped(counts):
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(share, [10] * len(counts), counts))


def looked_up(name):
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lookup, name).result()


def told(name):
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(lookup, name)
        try:
            return future.result()
        except KeyError as error:
            raise JobFailed(f"job for {name!r} failed") from error


def first_of(names):
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in as_completed([pool.submit(picky, name) for name in names]):
            done.result()


def too_late(name):
    gate = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            return pool.submit(gate.wait).result(timeout=0.01), name
        finally:
            gate.set()


def after_end(name):
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(print)
    return pool.submit(lookup, name)


def cancelled(name):
    gate = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(gate.wait)
        second = pool.submit(lookup, name)
        second.cancel()
        gate.set()
        return second.result()


def all_failed(names):
    with ThreadPoolExecutor(max_workers=2) as pool:
        done, _ = wait([pool.submit(picky, name) for name in names])
        raise ExceptionGroup(f"{len(names)} jobs", [future.exception() for future in done])


def in_process(amount):
    with ProcessPoolExecutor(max_workers=1, mp_context=FORK) as pool:
        return pool.submit(share, amount, 0).result()


def process_gone(code):
    with ProcessPoolExecutor(max_workers=1, mp_context=FORK) as pool:
        return pool.submit(ends, code).result()


def not_sendable(name):
    with ProcessPoolExecutor(max_workers=1, mp_context=FORK) as pool:
        return pool.submit(lambda: name).result()


def pooled(names):
    with FORK.Pool(1) as pool:
        return pool.map(lookup, names)


def pooled_pairs(pairs):
    with FORK.Pool(1) as pool:
        return pool.starmap(share, pairs)


def closed_pipe(text):
    here, there = FORK.Pipe()
    there.close()
    with here:
        here.send(text)
        return here.recv()


def ended_pipe(text):
    here, there = FORK.Pipe(duplex=False)
    there.close()
    with here:
        return here.recv() + text


def started_twice(name):
    thread = threading.Thread(target=str, name=name)
    thread.start()
    thread.join()
    thread.start()


def joined_before(name):
    threading.Thread(target=str, name=name).join()


def released(name):
    lock = threading.Lock()
    lock.release()
    return name


def notified(count):
    threading.Condition().notify(count)


def broken_barrier(parties):
    threading.Barrier(parties).wait(timeout=0.001)


def too_often(count):
    semaphore = threading.BoundedSemaphore(count)
    semaphore.release()


def local_value(name):
    return getattr(threading.local(), name)


def taken(seconds):
    return queue.Queue().get(timeout=1 / seconds)


def filled(items):
    line = queue.Queue(maxsize=1)
    for item in items:
        line.put_nowait(item)


def done_too_often(items):
    line = queue.Queue()
    line.put(items)
    line.task_done()
    line.task_done()


def thread_failed(name):
    failures = []
    thread = threading.Thread(target=run_and_keep, args=(name, failures))
    thread.start()
    thread.join()
    raise failures[0]


def run_and_keep(name, failures):
    try:
        strict(name)
    except JobFailed as error:
        failures.append(error)
