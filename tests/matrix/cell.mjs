// One cell of the table in a thread of its own: old clients throw out of their
// callbacks, which would end the process and with it all other cells.

import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { versions } from "./clients.mjs";
import { kickAll, walk } from "./steps.mjs";

const tasks = { walk, kickAll };

/** The answer of steps.mjs's walk or kickAll for a row of `versions`. */
export async function inThread(task, row, url, kind) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { task, version: row.version, url, kind } });
  const [answer] = await once(worker, "message");
  await worker.terminate();
  return answer;
}

if (!isMainThread && workerData?.task in tasks) {
  const { task, version, url, kind } = workerData;
  const row = versions.find((candidate) => candidate.version === version);
  parentPort.postMessage(await tasks[task](row, url, kind));
}
