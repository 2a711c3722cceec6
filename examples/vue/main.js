import { SB } from "stream-server-client";
import { createApp, ref } from "vue";
import { useChannel, useConnected } from "./use-channel.js";

SB.connect(document.body.dataset.stream);

const Messages = {
  props: { channel: { type: String, required: true } },
  setup(props) {
    const messages = ref([]);
    const missed = ref(false);
    useChannel(
      () => props.channel,
      ({ text }, meta) => {
        messages.value = [{ text, ...meta }, ...messages.value].slice(0, 20);
      },
      () => {
        missed.value = true; // an app with a state of its own loads it again here
      },
    );
    return { messages, missed };
  },
  template: `
    <p v-if="missed" role="status">
      Something may have been missed. <button type="button" @click="missed = false">Well</button>
    </p>
    <ul class="messages" aria-live="polite">
      <li v-for="message in messages" :key="message.position">
        <span>{{ message.text }}</span> <span class="by">{{ message.channel }}</span>
      </li>
    </ul>`,
};

const App = {
  components: { Messages },
  setup() {
    const channel = ref("feed:red");
    const open = ref(true);
    const text = ref("");
    const fault = ref("");
    const publish = async () => {
      const said = text.value;
      const body = new URLSearchParams({ channel: channel.value, text: said });
      const answer = await fetch("/publish", { method: "POST", body }).catch(() => ({
        ok: false,
        status: "no answer",
      }));
      fault.value = answer.ok ? "" : `Not published: ${answer.status}`;
      if (answer.ok && text.value === said) text.value = ""; // the next one may be there already
    };
    return { channel, open, text, fault, publish, connected: useConnected() };
  },
  template: `
    <h1>Vue</h1>
    <p class="state" id="state" role="status">{{ connected ? "live" : "connecting …" }}</p>
    <div class="row">
      <label>Channel <select id="channel" v-model="channel"><option>feed:red</option><option>feed:blue</option></select></label>
      <label><input id="open" type="checkbox" v-model="open"> listen</label>
    </div>
    <form id="say" @submit.prevent="publish">
      <label for="text">Message</label>
      <input type="text" id="text" required maxlength="200" autocomplete="off" v-model="text">
      <button type="submit">Publish</button>
    </form>
    <p v-if="fault" class="fault" role="alert">{{ fault }}</p>
    <Messages v-if="open" :channel="channel" />`,
};

createApp(App).mount("#app");
