const find = (id) => document.getElementById(id);
const socket = io(); // of client.js
let joined = false;

function join() {
  socket.emit("join", find("name").value, find("room").value, (there, error) => {
    find("state").textContent = error ?? `In ${find("room").value}: ${there.join(", ")}`;
    joined = !error;
    find("text").disabled = !joined;
  });
}

find("join").addEventListener("submit", (event) => {
  event.preventDefault();
  join();
});
find("say").addEventListener("submit", (event) => {
  event.preventDefault();
  socket.emit("say", find("text").value);
  find("text").value = "";
});
socket.on("line", ({ from, text }) => {
  const item = document.createElement("li");
  item.textContent = from ? `${from}: ${text}` : text;
  item.className = from ? "" : "room";
  find("lines").append(item);
  item.scrollIntoView();
});
socket.on("connect", () => {
  find("state").textContent = "Connected.";
  if (joined) join();
});
socket.on("disconnect", () => {
  find("state").textContent = "Reconnecting …";
});
