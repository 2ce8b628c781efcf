"""Takes jobs one after the other; a job that fails is reported, the next one is taken."""

import sys

from tests.harness.provoke.child import jobs


def serve(job):
    try:
        job.call.function(*job.call.args)
    except BaseException as error:
        job.failed(error)
    else:
        job.passed()


if __name__ == "__main__":
    for job in jobs(sys.argv[1], sys.argv[2], sys.argv[3:]):
        serve(job)
