"""Three-step journeys with DBOS: a workflow with a sleep that is over at once, an action and a send as steps.

Environment: DATABASE_URL, JOURNEYS, LATENCY_JOURNEYS, RATE.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS

AT_ONCE = 32
journeys = int(os.environ["JOURNEYS"])
few = int(os.environ["LATENCY_JOURNEYS"])
rate = float(os.environ["RATE"])

DBOS(config={
    "name": "journeys",
    "system_database_url": os.environ["DATABASE_URL"],
    "sys_db_pool_size": AT_ONCE,
    "log_level": "ERROR",
    "run_admin_server": False,
})


@DBOS.step()
def act(number):
    return number


@DBOS.step()
def send(number):
    return number


@DBOS.workflow()
def journey(number):
    DBOS.sleep(0.001)
    act(number)
    return send(number)


def timed(number):
    begun = time.perf_counter()
    journey(number)
    return (time.perf_counter() - begun) * 1000


DBOS.launch()
with ThreadPoolExecutor(AT_ONCE) as threads:
    list(threads.map(journey, range(50)))
    begun = time.perf_counter()
    list(threads.map(journey, range(journeys)))
    seconds = time.perf_counter() - begun
    waiting = []
    for number in range(few):
        waiting.append(threads.submit(timed, number))
        time.sleep(1 / rate)
    took = sorted(one.result() for one in waiting)
print(json.dumps({
    "journeys_per_s": round(journeys / seconds),
    "p50_ms": round(took[len(took) // 2], 1),
    "p99_ms": round(took[int(len(took) * 0.99)], 1),
}), flush=True)
os._exit(0)
