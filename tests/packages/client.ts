/** Compiled in every module mode, never run: stream-server-client as a TypeScript program has it. */

import { Client, comet, type Gap, type Options, SB, type Session } from "stream-server-client";

const stop: () => void = SB.comet<{ goal: number }>(["a", "b"], ({ goal }, { channel }) => {
  console.log(goal.toFixed(), channel.length);
});
const options: Options = { token: async () => "jwt", transports: ["websocket"], reconnectDelay: 100 };
const other: Client = new Client("https://stream.example.org", options);
const session: Session | null = other.session;
SB.on("gap", (gap: Gap) => gap.channel.length);
comet("a", { resume: "session" }, () => stop());
console.log(session?.member);

// @ts-expect-error: a callback is needed
SB.comet("a");
// @ts-expect-error: there is no such event
SB.on("message", () => {});
