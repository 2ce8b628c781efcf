"""Programs and the machine: subprocess, psutil, os, signal, ctypes."""

import ctypes
import mmap
import os
import pwd
import resource
import shlex
import signal
import subprocess
import sys

import psutil


class ProgramFailed(RuntimeError):
    """A program ended badly."""


def output_of(*words):
    return subprocess.run(words, capture_output=True, check=True, text=True).stdout


def python(code):
    return output_of(sys.executable, "-c", code)


def first_word(code):
    return python(code).split()[0]


def told(code):
    try:
        return python(code)
    except subprocess.CalledProcessError as error:
        raise ProgramFailed(f"ended with {error.returncode}") from error


def in_time(seconds):
    return subprocess.run([sys.executable, "-c", f"import time; time.sleep({seconds})"], timeout=0.05, check=False)


def in_folder(path):
    return subprocess.check_output(["true"], cwd=path)


def with_bytes(data):
    return subprocess.run(["cat"], input=data, text=True, check=True, capture_output=True)


def with_environment(value):
    return subprocess.check_call(["true"], env={"VALUE": value})


def with_zero(name):
    return subprocess.check_call([f"true\0{name}"])


def read_text(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)


def words_of(line):
    return shlex.split(line)


def process(pid):
    return psutil.Process(pid).name()


def gone(code):
    child = subprocess.Popen([sys.executable, "-c", code])
    seen = psutil.Process(child.pid)
    child.wait()
    return seen.memory_info()


def waited(seconds):
    child = subprocess.Popen(["sleep", str(seconds)])
    try:
        psutil.Process(child.pid).wait(timeout=0.01)
    finally:
        child.kill()
        child.wait()


def priority_of(pid, value):
    return psutil.Process(pid).ionice(value)


def usage_of(path):
    return psutil.disk_usage(path).percent


def core(number):
    return psutil.cpu_percent(percpu=True)[number]


def signalled(pid, number):
    os.kill(pid, number)


def handled(name):
    signal.signal(signal.Signals[name], signal.SIG_IGN)


def handler(number):
    signal.signal(number, print)


def interrupted(name):
    signal.raise_signal(signal.SIGINT)
    return name


def alarmed(name):
    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
    return name


def on_alarm(number, frame):
    raise ProgramFailed(f"{signal.Signals(number).name} came in {frame.f_code.co_name}")


def user(name):
    return pwd.getpwnam(name).pw_uid


def variable(name):
    return os.environ[name]


def limit(soft):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft - 1))


def library(name):
    return ctypes.CDLL(name)


def function(name):
    return getattr(ctypes.CDLL(None), name)


def argument(value):
    puts = ctypes.CDLL(None).abs
    puts.argtypes = [ctypes.c_int]
    return puts(value)


def structure(value):
    class Point(ctypes.Structure):
        _fields_ = [("x", ctypes.c_int)]

    return Point(value, value)


def null_pointer(kind):
    return getattr(ctypes, kind).from_buffer_copy(b"")


def mapped(path):
    with open(path, "rb") as file:  # noqa: PTH123
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def written(descriptor, text):
    os.write(descriptor, text)


def listed(path):
    return sorted(os.listdir(path))  # noqa: PTH208


def linked(path):
    return os.readlink(path)  # noqa: PTH115


def without_permission(path):
    with open(path, "w") as file:  # noqa: PTH123
        file.write("x")


def read_from_written(path):
    with open(path, "w") as file:  # noqa: PTH123
        return file.read()


def after_close(path):
    with open(path) as file:  # noqa: PTH123
        pass
    return file.readline()
