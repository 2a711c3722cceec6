// Publishes one message, as a web server in Node does.
import { createClient } from "redis";

const prefix = process.env.SB_REDIS_PREFIX ?? "sb:";
const redis = createClient({ url: process.env.SB_REDIS || "redis://127.0.0.1:6380" });
redis.on("error", (error) => {
  console.error(`Redis: ${error.message || error.code}`);
  process.exit(1);
});
await redis.connect(); // once, when the web server starts

/** Sends data to everybody who listens to channel. */
export const stream = (channel, data) => redis.publish(prefix + channel, JSON.stringify(data));

const [channel = "feed:football:fantasy", data = '{"goal":1}'] = process.argv.slice(2);
await stream(channel, JSON.parse(data));
await redis.close();
