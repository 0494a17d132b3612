// The status page: asks the daemon, and shows what it says. Whatever a name holds, it is set as text.
import { chart } from "/chart.js";
import * as drop from "/drop.js";

const BUSY_MS = 700;
const IDLE_MS = 2000;
const MOST_ASIDE = 100;
const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Only http(s) addresses become links.
export function link(address, text) {
  if (!/^https?:\/\//.test(address || "")) return element("span", { textContent: text });
  return element("a", { href: address, textContent: text, target: "_blank", rel: "noreferrer" });
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count, unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function seconds(count) {
  if (count === null) return "–";
  if (count < 1) return `${count.toFixed(2)} s`;
  if (count < 100) return `${count.toFixed(count < 10 ? 1 : 0)} s`;
  return count < 6000 ? `${Math.round(count / 60)} min` : `${Math.round(count / 3600)} h`;
}

export function authorization() {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// The daemon's answer; an Error with its words and its status where it refuses.
export async function ask(path, body) {
  const options = { headers: authorization() };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  return said(answer.status, await answer.text());
}

// What an answer says; an Error where it refuses. A proxy in between answers in words of its own, which are not shown.
export function said(status, text) {
  let found = {};
  try {
    found = JSON.parse(text);
  } catch {
    if (status === 200) throw new Error("the answer is not the daemon's");
  }
  if (status !== 200) throw Object.assign(new Error(found.error || `status ${status}`), { status });
  return found;
}

async function act(path, body) {
  try {
    const done = await ask(path, body);
    notice(done.pending.length ? `It takes effect when the Hub has answered: ${done.pending.join(", ")}` : "");
  } catch (error) {
    notice(error.message);
  }
  await show();
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

// Replace a list's content only where it differs: focus and selection stay.
const drawn = new Map();
function draw(id, what, make) {
  const now = JSON.stringify(what);
  if (drawn.get(id) === now) return;
  drawn.set(id, now);
  const focused = document.activeElement?.dataset?.key;
  byId(id).replaceChildren(...make());
  if (focused) [...byId(id).querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
}

function button(text, key, action, label) {
  const made = element("button", { type: "button", className: "small", textContent: text });
  made.dataset.key = key;
  made.setAttribute("aria-label", label);
  let isAsked = false; // a disabled button would lose the focus
  made.addEventListener("click", () => { if (!isAsked) { isAsked = true; action().finally(() => { isAsked = false; }); } });
  return made;
}

function figure(term, value) {
  return element("div", {}, element("dt", { textContent: term }), element("dd", { textContent: value }));
}

function card(target) {
  const isPaused = target.state === "paused";
  const verb = isPaused ? "Resume" : "Pause";
  const head = element("div", { className: "head" },
    element("h3", { className: "path", textContent: target.target }),
    element("span", { className: `badge ${target.state}`, textContent: target.state }));
  const facts = element("dl", {},
    figure("waiting", String(target.waiting)),
    figure("in flight", String(target.in_flight)),
    figure("quarantined", String(target.quarantined)),
    figure("published today", String(target.published_today)),
    figure("oldest waits", target.oldest_s === null ? "–" : seconds(Math.round(target.oldest_s))));
  const made = element("article", { className: "card" }, head,
    element("p", { className: "quiet path", textContent: `${target.source} → ${target.dest}` }), facts);
  if (target.reason) made.append(element("p", { textContent: `waits: ${target.reason}` }));
  if (target.next_commit_s > 1) {
    made.append(element("p", { className: "quiet", textContent: `next commit in ${seconds(Math.round(target.next_commit_s))}` }));
  }
  made.append(button(verb, `pause ${target.target}`, () => act(`/v1/${verb.toLowerCase()}`, { target: target.target }),
    `${verb} ${target.target}`));
  return made;
}

function commitRow(commit) {
  const what = element("div", { className: "what" }, link(commit.url, commit.commit.slice(0, 8)), " ",
    element("span", { className: "quiet path", textContent: commit.destination }));
  const files = `${commit.files} file${commit.files === 1 ? "" : "s"}, ${bytes(commit.bytes)}`;
  return element("li", {}, what, element("span", { textContent: files }),
    element("time", { className: "quiet", dateTime: commit.at, textContent: new Date(commit.at).toLocaleString() }));
}

function isEscaped(each) {
  try {
    return decodeURIComponent(each.path_encoded) !== each.path;
  } catch { // it is not UTF-8
    return true;
  }
}

// A name for people may stand for several files; what acts on one gives its exact name back.
function asideRow(each) {
  const what = element("div", { className: "what" }, element("div", { className: "path", textContent: each.path }));
  if (isEscaped(each)) what.append(element("div", { className: "quiet path", textContent: `exactly: ${each.path_encoded}` }));
  what.append(element("div", { className: "bad", textContent: each.reason }));
  const only = { target: each.target, path_encoded: each.path_encoded };
  const retry = button("Retry", `retry ${each.target} ${each.path_encoded}`, () => act("/v1/retry", only), `Retry ${each.path}`);
  return element("li", {}, what, element("span", { className: "quiet", textContent: each.target }), retry);
}

function showTargets(status) {
  draw("target", status.targets.map((each) => each.target), () =>
    status.targets.map((each) => element("option", { value: each.target, textContent: each.target })));
  const rounded = status.targets.map((each) => ({
    ...each, lag_s: 0, last_commit: null, oldest_s: each.oldest_s && Math.round(each.oldest_s),
    next_commit_s: each.next_commit_s && Math.round(each.next_commit_s),
  }));
  draw("targets", rounded, () => rounded.map(card));
}

function showStatus(status) {
  const health = byId("health");
  if (health.textContent !== status.health) health.textContent = status.health;
  health.className = `badge ${status.health}`;
  byId("version").textContent = `version ${status.version}`;
  document.title = status.health === "healthy" ? "hf-watch" : `(${status.health}) hf-watch`;
  byId("problems").hidden = !status.problems.length;
  draw("problem-list", status.problems, () => status.problems.map((text) => element("li", { textContent: text })));
  showTargets(status);
  byId("main").hidden = false; // with the health: what says "healthy" can be used
}

function showHour({ minutes }) {
  draw("charts", minutes, () => [
    chart("Files published", minutes.map((each) => each.files), "bars", String),
    chart("Content published", minutes.map((each) => each.bytes), "bars", bytes),
    chart("From change to Hub, on average", minutes.map((each) => each.latency_s), "dots", seconds),
  ]);
}

async function show() {
  const status = await ask("/v1/status");
  showStatus(status);
  const [aside, commits, hour] = await Promise.all([
    ask(`/v1/quarantine?limit=${MOST_ASIDE}`), ask("/v1/commits?limit=10"), ask("/v1/recent"),
  ]);
  draw("aside", aside.quarantined, () => aside.quarantined.length
    ? aside.quarantined.map(asideRow)
    : [element("li", { className: "quiet", textContent: "Nothing is set aside." })]);
  byId("retry-all").hidden = !aside.quarantined.length;
  draw("commits", commits.commits, () => commits.commits.length
    ? commits.commits.map(commitRow) : [element("li", { className: "quiet", textContent: "No commit yet." })]);
  showHour(hour);
}

async function turn() {
  let isBusy = false;
  try {
    isBusy = await drop.follow();
    await show();
  } catch (error) {
    if (error.status === 401) { askForToken(true); return; }
    byId("health").textContent = error.status ? error.message : "the daemon does not answer";
    byId("health").className = "badge gone";
  }
  setTimeout(whenSeen, isBusy ? BUSY_MS : IDLE_MS);
}

function whenSeen() {
  if (document.hidden) document.addEventListener("visibilitychange", turn, { once: true });
  else turn();
}

function askForToken(isRefused) {
  byId("main").hidden = true;
  byId("token-form").hidden = false;
  byId("token-refused").hidden = !(isRefused && sessionStorage.getItem("token"));
  byId("health").textContent = "needs a token";
  byId("token").focus();
}

async function start() {
  try {
    await drop.begin();
  } catch (error) {
    if (error.status === 401) { askForToken(true); return; }
    setTimeout(start, IDLE_MS);
    return;
  }
  byId("token-form").hidden = true;
  turn();
}

byId("retry-all").addEventListener("click", () => act("/v1/retry", {}));
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value.trim());
  byId("token").value = "";
  start();
});
start();
