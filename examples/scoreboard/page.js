function show(match) {
  const row = document.getElementById(`match-${match.id}`);
  const score = match.score.join(" : ");
  row.cells[0].textContent = `${match.minute}′`;
  row.cells[2].textContent = score;
  if (!match.event) return;
  row.classList.remove("goal");
  void row.offsetWidth; // begins the animation again
  row.classList.add("goal");
  const item = document.createElement("li");
  item.textContent = `${match.minute}′ ${match.event} (${match.home} ${score} ${match.away})`;
  const news = document.getElementById("news");
  news.prepend(item);
  while (news.children.length > 8) news.lastChild.remove();
}

const state = document.getElementById("state");
const channels = Array.from(document.querySelectorAll("tr[data-channel]"), (row) => row.dataset.channel);
SB.comet(channels, show);
SB.on("connect", () => {
  state.textContent = "live";
});
SB.on("disconnect", () => {
  state.textContent = "reconnecting …";
});
// Something may have been missed: the web server knows how it stands.
SB.on("gap", async (gap) => {
  const answer = await fetch(`/matches/${gap.channel.replace("score:", "")}`);
  if (answer.ok) show(await answer.json());
});
