// The drop area: files, folders and URLs on their way into a target, each until its commit is known.
import { ask, authorization, bytes, element, link, said } from "/page.js";

const AT_A_TIME = 4;
const AGAIN_MS = 1000; // when the daemon takes no more at the moment
const FINISHED = new Set(["published", "unchanged", "ignored", "quarantined", "failed"]);
const rows = new Map(); // by target and exact path
const latest = new Map(); // what the daemon said last: it may know a file's commit before its upload has answered
const shown = [];
const queue = [];
let running = 0;
let since = 0;
let mostBytes = Infinity;

const byId = (id) => document.getElementById(id);
const key = (drop) => `${drop.target}\n${drop.path_encoded}`;

class Row {
  constructor(target, path, start) {
    this.target = target;
    this.start = start; // (row, replace) => Promise of the daemon's answer
    this.fate = "queued";
    this.li = element("li");
    this.name = element("span", { className: "path", textContent: path });
    this.state = element("span", { className: "state", textContent: "queued" });
    this.progress = element("progress", { max: 1, value: 0 });
    this.progress.setAttribute("aria-label", `Upload of ${path}`);
    this.li.append(this.name, this.state, this.progress);
    byId("drops").prepend(this.li);
  }

  say(fate, text, ...more) {
    this.fate = fate;
    this.state.replaceChildren(text, ...more);
    this.state.className = fate === "published" || fate === "unchanged" ? "state good" : "state";
    if (fate === "failed" || fate === "quarantined") this.state.classList.add("bad");
    this.progress.hidden = fate !== "sending" && fate !== "waiting";
    if (fate === "waiting") this.progress.removeAttribute("value");
    sum();
  }

  sent(part) {
    this.progress.value = part;
    this.state.textContent = `sending, ${Math.floor(part * 100)} %`;
  }

  async run(replace) {
    this.say("sending", "sending …");
    try {
      const drop = await this.start(this, replace);
      rows.set(key(drop), this);
      this.name.textContent = drop.path;
      const known = latest.get(key(drop));
      if (known && known.number >= drop.number) this.became(known);
      else this.say("waiting", "waiting for its commit");
    } catch (error) {
      if (error.status === 503) setTimeout(() => submit(this, replace), AGAIN_MS);
      this.say(error.status === 503 ? "queued" : "failed", error.status === 503 ? "queued" : error.message);
      if (error.status === 409) this.offer("Replace", true);
      else if (error.status !== 503) this.offer("Try again", replace);
    }
  }

  offer(text, replace) {
    const button = element("button", { type: "button", className: "small", textContent: text });
    button.addEventListener("click", () => submit(this, replace));
    this.state.append(" ", button);
  }

  became(drop) {
    if (drop.fate === "waiting") this.say("waiting", "waiting for its commit");
    else if (drop.fate === "published" && !drop.commit) this.say("published", "on the Hub");
    else if (drop.fate === "published") {
      const links = [link(drop.commit_url, `commit ${drop.commit.slice(0, 8)}`), " · ", link(drop.file_url, "file")];
      this.say("published", "published: ", ...links);
    } else if (drop.fate === "unchanged") this.say("unchanged", "the Hub holds this content already");
    else if (drop.fate === "ignored") this.say("ignored", "the repo's own .gitignore matches it");
    else if (drop.fate === "quarantined") this.say("quarantined", drop.reason);
  }
}

function sum() {
  const done = shown.filter((row) => row.fate === "published" || row.fate === "unchanged").length;
  const failed = shown.filter((row) => ["failed", "quarantined", "ignored"].includes(row.fate)).length;
  byId("drop-sum").textContent = shown.length
    ? `${done} of ${shown.length} on the Hub${failed ? `, ${failed} not taken` : ""}` : "";
}

function submit(row, replace = false) {
  row.say("queued", "queued");
  queue.push([row, replace]);
  next();
}

function next() {
  while (running < AT_A_TIME && queue.length) {
    const [row, replace] = queue.shift();
    running += 1;
    row.run(replace).finally(() => {
      running -= 1;
      next();
    });
  }
}

function add(target, path, start) {
  const row = new Row(target, path, start);
  shown.push(row);
  submit(row);
}

function addFile(file, path) {
  const target = byId("target").value;
  add(target, path, (row, replace) => {
    if (file.size > mostBytes) return Promise.reject(Object.assign(new Error(`larger than ${bytes(mostBytes)}`), { status: 413 }));
    return upload(row, target, path, file, replace);
  });
}

// fetch() tells nothing of an upload's progress.
function upload(row, target, path, file, replace) {
  const where = new URLSearchParams({ target, path, ...(replace && { replace: "true" }) });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/upload?${where}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => event.total && row.sent(event.loaded / event.total));
    request.addEventListener("error", () => reject(new Error("the connection broke")));
    request.addEventListener("load", () => {
      try {
        resolve(said(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    });
    request.send(file);
  });
}

function addUrl(url) {
  const target = byId("target").value;
  add(target, url, (_row, replace) => ask("/v1/fetch", { target, url, replace }));
}

async function addEntry(entry, above) {
  const path = above ? `${above}/${entry.name}` : entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    addFile(file, path);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return; // a reader gives a hundred at a time
    for (const each of batch) await addEntry(each, path);
  }
}

function taken(event) {
  event.preventDefault();
  byId("zone").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length) entries.forEach((entry) => addEntry(entry, ""));
  else if (event.dataTransfer.files.length) [...event.dataTransfer.files].forEach((file) => addFile(file, file.name));
  else if (/^https?:\/\//.test(event.dataTransfer.getData("text/plain"))) addUrl(event.dataTransfer.getData("text/plain"));
}

export async function begin() {
  const limits = await ask("/v1/limits");
  mostBytes = limits.max_upload_bytes;
  const zone = byId("zone");
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", taken);
  // A file let go beside the zone would replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", () => {
      [...byId(input).files].forEach((file) => addFile(file, file.webkitRelativePath || file.name));
      byId(input).value = "";
    });
  }
  byId("url-form").addEventListener("submit", (event) => {
    event.preventDefault();
    addUrl(byId("url").value);
    byId("url").value = "";
  });
}

// Ask what became of what was dropped; true while something is still on its way.
export async function follow() {
  const { drops } = await ask(`/v1/drops?since=${since}`);
  for (const drop of drops) {
    since = Math.max(since, drop.number);
    latest.set(key(drop), drop);
    rows.get(key(drop))?.became(drop);
  }
  return shown.some((row) => !FINISHED.has(row.fate));
}
