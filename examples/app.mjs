// The web server of the apps in react/ and vue/: bundles the one that it is
// told, and publishes what its form sends.
//
//   node examples/app.mjs react

import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import express from "express";
import { stream } from "stream-server-web";

const mains = { react: "react/main.jsx", vue: "vue/main.js" };
const name = process.argv[2];
if (!mains[name]) {
  console.error(`usage: node examples/app.mjs ${Object.keys(mains).join("|")}`);
  process.exit(2);
}
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const { outputFiles } = await build({
  entryPoints: [at(mains[name])],
  bundle: true,
  write: false,
  jsx: "automatic",
  alias: { vue: "vue/dist/vue.esm-bundler.js" }, // it compiles templates
  define: {
    "process.env.NODE_ENV": '"development"', // in which StrictMode does all twice
    __VUE_OPTIONS_API__: "true",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
  },
});
const page = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Live messages: ${name}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/page.css">
  <body data-stream="${process.env.STREAM ?? "http://localhost:8080"}">
    <div id="app"></div>
    <script src="/main.js"></script>
  </body>
</html>
`;

const app = express();
app.get("/", (_, response) => response.type("html").send(page));
app.get("/main.js", (_, response) => response.type("js").send(outputFiles[0].text));
app.get("/page.css", (_, response) => response.sendFile(at("style/page.css")));
app.post("/publish", express.urlencoded({ extended: false }), async (request, response) => {
  const { channel, text } = request.body ?? {};
  const known = ["feed:red", "feed:blue"].includes(channel);
  if (!known || typeof text !== "string" || !text || text.length > 200) return response.sendStatus(400);
  await stream(channel, { text });
  response.sendStatus(204);
});
app.listen(process.env.PORT ?? 3000, "localhost");
