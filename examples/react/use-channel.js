import { useEffect, useRef, useSyncExternalStore } from "react";
import { SB } from "stream-server-client";

/**
 * Calls onMessage for every message of the channel, or channels, while the
 * component is there; none or "" is none. onGap is called when some may have
 * been missed: load the state again. Both may be other functions at each render.
 *
 * A channel that changes is left for the other. What is left and wanted again in
 * one turn, as StrictMode does it, costs the server nothing.
 *
 * @param {string | readonly string[] | null | undefined} channel
 * @param {(data: any, meta: import("stream-server-client").Meta) => void} onMessage
 * @param {(gap: import("stream-server-client").Gap) => void} [onGap]
 */
export function useChannel(channel, onMessage, onGap) {
  const newest = useRef({ onMessage, onGap });
  useEffect(() => {
    newest.current = { onMessage, onGap };
  });
  const list = [channel ?? []].flat().join(); // no channel has a comma in its name
  useEffect(() => {
    if (!list) return;
    const channels = list.split(",");
    const stopGaps = SB.on("gap", (gap) => channels.includes(gap.channel) && newest.current.onGap?.(gap));
    const stop = SB.comet(channels, (data, meta) => newest.current.onMessage(data, meta));
    return () => {
      stop();
      stopGaps();
    };
  }, [list]);
}

let connected = false;
const watchers = new Set();
const set = (value) => () => {
  connected = value;
  for (const watcher of watchers) watcher();
};
SB.on("connect", set(true));
SB.on("disconnect", set(false));
const watch = (watcher) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** Whether the server is there now. */
export const useConnected = () =>
  useSyncExternalStore(
    watch,
    () => connected,
    () => false,
  );
