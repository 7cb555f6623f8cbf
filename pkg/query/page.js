"use strict";
const $ = (id) => document.getElementById(id);

// rows fills a table; cells are texts, and texts only.
function rows(id, lines, none) {
  const body = $(id).tBodies[0];
  body.replaceChildren(...(lines.length ? lines : [[none]]).map((cells) => {
    const tr = document.createElement("tr");
    for (const cell of cells) {
      const td = tr.insertCell();
      td.textContent = cell === null || cell === undefined ? "" : String(cell);
      if (typeof cell === "number") td.className = "n";
    }
    return tr;
  }));
}

async function get(path, params) {
  const given = Object.entries(params || {}).filter(([, value]) => value !== "");
  const response = await fetch(path + (given.length ? "?" + new URLSearchParams(given) : ""));
  const answer = await response.json();
  if (!response.ok) throw new Error((answer.field ? answer.field + ": " : "") + answer.detail);
  return answer;
}

const short = (time) => time === null ? "" : time.replace("T", " ").replace(/\.?0*Z$/, "");

function duration(ms) {
  const s = Math.max(0, ms / 1000);
  if (s < 90) return s.toFixed(1) + " s";
  if (s < 5400) return (s / 60).toFixed(1) + " min";
  if (s < 172800) return (s / 3600).toFixed(1) + " h";
  return (s / 86400).toFixed(1) + " d";
}

const signed = (n) => (n > 0 ? "+" : "") + n;

function changed(correction) {
  const balances = correction.changes.map((c) => signed(c.balance) + " from " + short(c.from) + (c.to === null ? " on" : " to " + short(c.to)));
  const entries = correction.entries.length;
  if (entries) balances.push(entries + (entries === 1 ? " entry" : " entries") + " changed");
  return balances.slice(0, 4).join("; ") + (balances.length > 4 ? "; ..." : "");
}

async function show(user, asset, at) {
  const path = "v1/users/" + encodeURIComponent(user);
  const [balance, corrections, entries] = await Promise.all([
    get(path + "/balance", { asset, at }),
    get(path + "/corrections", { asset, order: "desc", limit: "10" }),
    get(path + "/entries", { asset, order: "desc", limit: "25" }),
  ]);
  $("balance").textContent = balance.balance === null ? "nothing yet" : balance.balance.toLocaleString("en");
  $("about").textContent = balance.asset + " of " + balance.user_id + " at " + short(balance.at) +
    (balance.final ? ", final" : ", provisional") +
    (balance.held ? ", " + balance.held + " held" : "") + (balance.debt ? ", " + balance.debt + " owed" : "") +
    (balance.next_change_at ? ", changes at " + short(balance.next_change_at) : "");
  rows("grants", balance.grants.map((g) => [g.grant_id, g.remaining, g.state, short(g.effective_at), short(g.expires_at)]), "No grants are left.");
  rows("corrections", corrections.items.map((c) => [short(c.committed_at), c.cause.kind + " " + c.cause.event_id, duration(c.cause.late_by / 1000), changed(c)]), "Nothing has been corrected.");
  rows("entries", entries.items.map((e) => [short(e.effective_at), e.event_id + (e.late ? " (late)" : ""), e.kind, e.outcome + (e.code ? ": " + e.code : ""), e.amount, e.balance_after]), "No entries.");
  $("answer").hidden = false;
}

async function ask() {
  const [user, asset, at] = location.hash.slice(1).split("&").map(decodeURIComponent);
  if (!user) return;
  const form = $("ask").elements;
  form.user.value = user;
  form.asset.value = asset || "";
  form.at.value = at || "";
  try {
    await show(user, asset || "", at || "");
    $("problem").textContent = "";
  } catch (problem) {
    $("answer").hidden = true;
    $("problem").textContent = problem.message;
  }
}

$("ask").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const form = $("ask").elements;
  const hash = "#" + [form.user.value, form.asset.value, form.at.value].map(encodeURIComponent).join("&");
  if (location.hash === hash) ask();
  else location.hash = hash;
});

async function partitions() {
  if (document.hidden) return;
  try {
    const answer = await get("v1/partitions", { limit: "1000" });
    rows("partitions", answer.items.map((p) => [p.partition, short(p.watermark), duration(Date.now() - Date.parse(p.watermark)), p.lag, p.seq, p.state_hash.slice(0, 16)]), "None.");
  } catch (problem) {
    rows("partitions", [], problem.message);
  }
}

addEventListener("hashchange", ask);
ask();
partitions();
setInterval(partitions, 3000);
