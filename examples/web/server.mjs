// A web server in Node, with Express: its page shows what it publishes.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import express from "express";
import { stream } from "stream-server-web";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const page = readFileSync(at("index.html"), "utf8")
  .replaceAll("{server}", "Express")
  .replaceAll("{stream}", process.env.STREAM ?? "http://localhost:8080");

const app = express();
app.get("/", (_, response) => response.type("html").send(page));
app.get("/page.css", (_, response) => response.sendFile(at("../style/page.css")));

app.post("/publish", express.urlencoded({ extended: false }), async (request, response) => {
  const { text } = request.body ?? {};
  if (typeof text !== "string" || !text || text.length > 200) return response.sendStatus(400);
  await stream("feed:messages", { text, by: "Express" });
  response.sendStatus(204);
});

app.listen(process.env.PORT ?? 3000, "localhost");
