/** Compiled in every module mode, never run: stream-server-web, with the clients of both libraries. */

import { Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { close, type Options, Publisher, stream } from "stream-server-web";

const options: Options = { prefix: "sb:", partitions: 4, streamMax: 1000, timeout: 500 };
const publishers: Publisher[] = [
  new Publisher(),
  new Publisher("redis://127.0.0.1", options),
  new Publisher(createClient()),
  new Publisher(createCluster({ rootNodes: [] })),
  new Publisher(new Redis()),
];
const sent: Promise<number> = publishers[0].stream("a", { goal: 1 });
const kept: Promise<string> = stream("a", null, { durable: true });
Promise.all([sent, kept]).then(close);

// @ts-expect-error: it cannot publish
new Publisher({});
// @ts-expect-error: there is no such option
new Publisher("redis://127.0.0.1", { partition: 4 });
// @ts-expect-error: data is needed
stream("a");
