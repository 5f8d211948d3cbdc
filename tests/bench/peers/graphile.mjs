// Three-step journeys with graphile-worker: a wait that is due, an action, a send. Each step is a job that adds the next one.
// Argument: `batched` (a local queue, completions in batches, jobs fetched and added many at a time), `unbatched` (a
// transaction for each job and each completion), or `noop` (no journeys: jobs that do nothing, batched).
// Each `addJob` is a commit that notifies, and PostgreSQL lets such commits only one after the other; with local queue and
// batched completions alone they were what everything waited for. So batched, what is to be added while a statement is under
// way goes with the next one by `addJobs`, and as many jobs are at work at once as the local queue holds, for a job that waits
// for its addition costs nothing. A job ends only once the next one is on the disk.
// Environment: DATABASE_URL, JOURNEYS, LATENCY_JOURNEYS, RATE.
import { run, runMigrations, quickAddJob, makeWorkerUtils, Logger } from "graphile-worker";

const AT_ONCE = 500;
const way = process.argv[2];
const connectionString = process.env.DATABASE_URL;
const journeys = Number(process.env.JOURNEYS);
const few = Number(process.env.LATENCY_JOURNEYS);
const rate = Number(process.env.RATE);
const batched = way !== "unbatched";
const started = new Map();
const took = [];
let left = 0;
let done;

// At most one for each job that is at work.
let wanted = [];
let adding = false;
const addTogether = (identifier, payload) => new Promise((resolve, reject) => {
  wanted.push({ job: { identifier, payload }, resolve, reject });
  if (!adding) {
    adding = true;
    setImmediate(addWanted);
  }
});
const addWanted = async () => {
  while (wanted.length > 0) {
    const these = wanted;
    wanted = [];
    try {
      await utils.addJobs(these.map(({ job }) => job));
      for (const { resolve } of these) resolve();
    } catch (error) {
      for (const { reject } of these) reject(error);
    }
  }
  adding = false;
};
const next = async (helpers, task, id) => {
  await (batched ? addTogether(task, { id }) : helpers.addJob(task, { id }));
};

const taskList = {
  wait: ({ id }, helpers) => next(helpers, "act", id),
  act: ({ id }, helpers) => next(helpers, "send", id),
  send: async ({ id }) => {
    const from = started.get(id);
    if (from !== undefined) took.push(performance.now() - from);
    if (--left === 0) done();
  },
  noop: async () => { if (--left === 0) done(); },
};
const preset = {
  worker: {
    connectionString,
    concurrentJobs: way === "batched" ? AT_ONCE : 24,
    maxPoolSize: 24,
    pollInterval: 50,
    ...(batched ? { localQueue: { size: AT_ONCE }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {}),
  },
};
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ preset, logger });
await utils.migrate();
const add = async (task, from, count) => {
  for (let at = from; at < from + count; at += 1000) {
    const size = Math.min(1000, from + count - at);
    await utils.addJobs(Array.from({ length: size }, (_, i) => ({ identifier: task, payload: { id: at + i } })));
  }
};
const all = (count) => { left = count; return new Promise((resolve) => { done = resolve; }); };

// Everybody is due before the first is worked on, as after a night.
await add(way === "noop" ? "noop" : "wait", 0, journeys);
let over = all(journeys);
const from = performance.now();
const runner = await run({ preset, taskList, noHandleSignals: true, logger });
await over;
const seconds = (performance.now() - from) / 1000;
const said = { journeys_per_s: Math.round(journeys / seconds) };
if (way !== "noop") {
  over = all(few);
  for (let i = 0; i < few; i++) {
    const id = journeys + i;
    started.set(id, performance.now());
    utils.addJob("wait", { id });
    await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
  }
  await over;
  took.sort((a, b) => a - b);
  said.p50_ms = Math.round(took[Math.floor(took.length / 2)] * 10) / 10;
  said.p99_ms = Math.round(took[Math.floor(took.length * 0.99)] * 10) / 10;
}
console.log(JSON.stringify(said));
await runner.stop();
await utils.release();
process.exit(0);
