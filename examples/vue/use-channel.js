import { SB } from "stream-server-client";
import { readonly, shallowRef, toValue, watch } from "vue";

/**
 * Calls onMessage for every message of the channel, or channels, until the
 * component, or the scope, ends; none or "" is none. A ref or a getter may
 * change: the channel before is left. onGap is called when some may have been
 * missed: load the state again. On a server that renders it does nothing.
 *
 * @param {import("vue").MaybeRefOrGetter<string | readonly string[] | null | undefined>} channel
 * @param {(data: any, meta: import("stream-server-client").Meta) => void} onMessage
 * @param {(gap: import("stream-server-client").Gap) => void} [onGap]
 */
export function useChannel(channel, onMessage, onGap) {
  if (typeof window === "undefined") return;
  watch(
    () => [toValue(channel) ?? []].flat().join(), // no channel has a comma in its name
    (list, _, onCleanup) => {
      if (!list) return;
      const channels = list.split(",");
      const stopGaps = SB.on("gap", (gap) => channels.includes(gap.channel) && onGap?.(gap));
      const stop = SB.comet(channels, onMessage);
      onCleanup(() => {
        stop();
        stopGaps();
      });
    },
    { immediate: true },
  );
}

const connected = shallowRef(false);
SB.on("connect", () => {
  connected.value = true;
});
SB.on("disconnect", () => {
  connected.value = false;
});

/** Whether the server is there now. */
export const useConnected = () => readonly(connected);
