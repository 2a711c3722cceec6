import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { SB } from "stream-server-client";
import { useChannel, useConnected } from "./use-channel.js";

SB.connect(document.body.dataset.stream);

function Messages({ channel }) {
  const [messages, setMessages] = useState([]);
  const [missed, setMissed] = useState(false);
  useChannel(
    channel,
    ({ text }, meta) => setMessages((before) => [{ text, ...meta }, ...before].slice(0, 20)),
    () => setMissed(true), // an app with a state of its own loads it again here
  );
  return (
    <>
      {missed && (
        <p role="status">
          Something may have been missed.{" "}
          <button type="button" onClick={() => setMissed(false)}>
            Well
          </button>
        </p>
      )}
      <ul className="messages" aria-live="polite">
        {messages.map(({ text, channel, position }) => (
          <li key={position}>
            <span>{text}</span>
            <span className="by">{channel}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function App() {
  const [channel, setChannel] = useState("feed:red");
  const [open, setOpen] = useState(true);
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const connected = useConnected();
  const publish = async (event) => {
    event.preventDefault();
    const body = new URLSearchParams({ channel, text });
    const answer = await fetch("/publish", { method: "POST", body }).catch(() => ({ ok: false, status: "no answer" }));
    setFault(answer.ok ? "" : `Not published: ${answer.status}`);
    if (answer.ok) setText((now) => (now === text ? "" : now)); // the next one may be there already
  };
  return (
    <>
      <h1>React</h1>
      <p className="state" id="state" role="status">
        {connected ? "live" : "connecting …"}
      </p>
      <div className="row">
        <label>
          Channel{" "}
          <select id="channel" value={channel} onChange={(event) => setChannel(event.target.value)}>
            <option>feed:red</option>
            <option>feed:blue</option>
          </select>
        </label>
        <label>
          <input id="open" type="checkbox" checked={open} onChange={(event) => setOpen(event.target.checked)} /> listen
        </label>
      </div>
      <form id="say" onSubmit={publish}>
        <label htmlFor="text">Message</label>
        <input
          type="text"
          id="text"
          required
          maxLength={200}
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit">Publish</button>
      </form>
      {fault && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
      {open && <Messages channel={channel} />}
    </>
  );
}

createRoot(document.getElementById("app")).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
