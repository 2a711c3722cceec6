// One bash for all commands of a document, so that a variable that one sets is
// there for the next.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { eventually } from "../support.mjs";

export class Shell {
  #child;
  #dir;
  #said = new Map();
  #pids = [];
  #ran = 0;
  #ended = false;

  /** dir gets what the commands print; they run in cwd. */
  constructor(t, dir, cwd, env) {
    this.#dir = dir;
    const options = { cwd, env, stdio: ["pipe", "pipe", "inherit"] };
    this.#child = spawn("bash", ["--noprofile", "--norc"], options);
    const ended = once(this.#child, "exit").then(() => {
      this.#ended = true;
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const [n, value] = line.split(" ");
      this.#said.set(Number(n), Number(value));
    });
    t.after(async () => {
      for (const pid of this.#pids) if (await alive(pid)) process.kill(pid, "SIGKILL");
      this.#child.kill("SIGKILL");
      await ended;
    });
  }

  /** Runs a command to its end, which has to be a good one. It returns what was printed. */
  async run(command, limit = 60_000) {
    const { value, output, errors } = await this.#feed(`{ ${command}\n}`, "$?", limit);
    const printed = { out: await output(), err: await errors() };
    assert.equal(value, 0, `${command}\n${printed.out}\n${printed.err}`);
    return printed;
  }

  /** Starts a command that goes on. */
  async start(command) {
    const { value: pid, output, errors } = await this.#feed(`{ ${command.replace(/ *&$/, "")} &\n}`, "$!", 5000);
    this.#pids.push(pid);
    let code;
    const waited = async () => {
      code ??= (await this.#feed(`wait ${pid}`, "$?", 20_000)).value;
      return code;
    };
    return { pid, output, errors, command, wait: waited, alive: () => alive(pid) };
  }

  async #feed(command, value, limit) {
    const n = ++this.#ran;
    const [out, err] = [join(this.#dir, `${n}.out`), join(this.#dir, `${n}.err`)];
    this.#child.stdin.write(`${command} </dev/null >${out} 2>${err}; echo "${n} ${value}"\n`);
    const said = () => this.#said.has(n) || this.#ended;
    await eventually(`this ends: ${command}`, said, limit);
    const output = () => readFile(out, "utf8");
    const errors = () => readFile(err, "utf8");
    if (!this.#said.has(n)) assert.fail(`the shell has ended: ${command}`);
    return { value: this.#said.get(n), output, errors };
  }
}

/** Whether the process runs; one that has ended and was not waited for does not. */
async function alive(pid) {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return status !== "" && !/\) Z /.test(status);
}
