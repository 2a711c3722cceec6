// Publishes one message, as a web server in Node does.
import { close, stream } from "stream-server-web";

const [channel = "feed:football:fantasy", data = '{"goal":1}', durable] = process.argv.slice(2);
try {
  await stream(channel, JSON.parse(data), { durable: durable === "durable" });
} catch (error) {
  console.error(`Redis: ${error.message || error.code}`);
  process.exitCode = 1;
}
await close(); // a web server leaves it open
