// Three-step journeys with Restate: one handler with a sleep that is over at once, an action, a send. The server and this
// service run on this machine; the server keeps its log on the disk of the folder it is started in.
// Environment: INGRESS, ADMIN (addresses of the server), PORT (of this service), JOURNEYS, LATENCY_JOURNEYS, RATE.
import * as restate from "@restatedev/restate-sdk";
import http from "node:http";

// The library asks for it, and Node.js 20 does not have it.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const { INGRESS, ADMIN, PORT } = process.env;
const journeys = Number(process.env.JOURNEYS);
const few = Number(process.env.LATENCY_JOURNEYS);
const rate = Number(process.env.RATE);
const AT_ONCE = 256;

const journey = restate.service({
  name: "journey",
  handlers: {
    go: async (ctx, id) => {
      await ctx.sleep(1);
      await ctx.run("act", () => id);
      await ctx.run("send", () => id);
      return id;
    },
  },
});
await restate.serve({ services: [journey], port: Number(PORT) });

const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE });
const post = (url, body) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers: { "content-type": "application/json" } }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode < 300 ? resolve() : reject(new Error(`${url}: ${answer.statusCode}`))));
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });

for (let tries = 0; ; tries++) {
  try {
    await post(`${ADMIN}/deployments`, { uri: `http://127.0.0.1:${PORT}`, use_http_11: false });
    break;
  } catch (error) {
    if (tries === 120) throw error;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
const go = (id) => post(`${INGRESS}/journey/go`, id);
for (let i = 0; i < 100; i++) await go(-1 - i);
let next = 0;
const from = performance.now();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (next < journeys) await go(next++);
}));
const seconds = (performance.now() - from) / 1000;
const took = [];
const waiting = [];
for (let i = 0; i < few; i++) {
  const begun = performance.now();
  waiting.push(go(journeys + i).then(() => took.push(performance.now() - begun)));
  await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
}
await Promise.all(waiting);
took.sort((a, b) => a - b);
console.log(JSON.stringify({
  journeys_per_s: Math.round(journeys / seconds),
  p50_ms: Math.round(took[Math.floor(took.length / 2)] * 10) / 10,
  p99_ms: Math.round(took[Math.floor(took.length * 0.99)] * 10) / 10,
}));
process.exit(0);
