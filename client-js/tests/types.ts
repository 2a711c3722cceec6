/** Compiled, never run: what sb.d.ts allows and what it forbids, and that the sources are of these types. */

import type * as declared from "../sb.js";
import { type Callback, Client, comet, type Gap, on, SB, type Session, type StreamError } from "../sb.js";
import * as source from "../src/module.js";

export const same: Omit<typeof declared, "Client"> = source;
export const sameClient: typeof declared.Client = source.Client;

const stop: () => void = SB.comet("feed:football:fantasy", (data, meta) => {
  const channel: string = meta.channel;
  const position: string | undefined = meta.position;
  console.log(data.anything, channel, position);
});
stop();
comet<{ goal: number }>(["a", "b"] as const, {}, ({ goal }) => goal.toFixed());
SB.comet("a", { resume: "session", presence: true }, () => {});
SB.presence(["a"], ({ members, count, guests }, { channel }) => [members?.join(), count + guests, channel.length])();
const callback: Callback<string> = (data) => data.length;
window.SB.comet("a", callback);

SB.connect();
SB.connect("https://example.org", { token: async () => "jwt", transports: ["polling"], withCredentials: true });
SB.connect(undefined, { token: "jwt" });
on("connect", () => {})();
on("disconnect", (reason: string) => reason);
on("gap", ({ channel, reason }: Gap) => channel + reason);
on("error", ({ code, message, channel }: StreamError) => [code, message, channel?.length]);
on("session", ({ id, member, guest, expired }: Session) => [id, member, guest?.length, expired === true]);
SB.identify().then(() => SB.identify("jwt"));
const session: Session | null = new Client("https://example.org").session;
const another: Client = new SB.Client("https://example.org", { path: "/" });
another.close();
console.log(session);

// @ts-expect-error: a callback is needed
SB.comet("a");
// @ts-expect-error: a channel is a string
SB.comet(1, () => {});
// @ts-expect-error: there is no such way to resume
SB.comet("a", { resume: "forever" }, () => {});
// @ts-expect-error: there may be too many members
SB.presence("a", ({ members }) => members.length);
// @ts-expect-error: there is no such event
SB.on("conect", () => {});
// @ts-expect-error: there is no such transport
SB.connect(undefined, { transports: ["flashsocket"] });
// @ts-expect-error: it is the server's to say
SB.session = null;
