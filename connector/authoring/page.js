"use strict";
// Rows know the rows of the other side that they belong to. Without this script the links of the page lead there.
const told = document.getElementById("told");
const hint = told.textContent;
let kept = null;

const rowsOf = (row) => (row.dataset.links || "").split(" ").filter(Boolean).map((id) => document.getElementById(id));

function name(row) {
  return row.querySelector(".key").textContent;
}

function clear() {
  for (const row of document.querySelectorAll(".hit, .kept")) row.classList.remove("hit", "kept");
}

function mark(row) {
  clear();
  const others = rowsOf(row);
  for (const other of others) other.classList.add("hit");
  row.classList.add(row === kept ? "kept" : "hit");
  const isInput = row.closest("#input") !== null;
  const names = others.slice(0, 6).map(name).join(", ") + (others.length > 6 ? ", …" : "");
  told.textContent = isInput ? `${name(row)} → ${names}` : `${name(row)} ← ${names}`;
}

function release() {
  if (kept) mark(kept);
  else {
    clear();
    told.textContent = hint;
  }
}

function reveal(row) {
  for (let around = row.parentElement.closest("details"); around; around = around.parentElement.closest("details")) {
    around.open = true;
  }
  row.scrollIntoView({ block: "center" });
}

function keep(row) {
  kept = row;
  mark(row);
  const [first] = rowsOf(row);
  if (first) reveal(first);
}

const linked = (event) => event.target.closest && event.target.closest(".row[data-links]");
const focused = (event) => linked(event) || event.target.querySelector(":scope > .row[data-links]");

for (const row of document.querySelectorAll("li > .row[data-links]")) row.tabIndex = 0;

document.addEventListener("mouseover", (event) => {
  const row = linked(event);
  if (row) mark(row);
  else release();
});
document.addEventListener("focusin", (event) => {
  const row = focused(event);
  if (row) mark(row);
});
document.addEventListener("focusout", release);
document.addEventListener("click", (event) => {
  if (event.target.closest("a")) return;
  const row = linked(event);
  if (!row) return;
  event.preventDefault(); // the triangle before it opens and closes
  if (row !== kept) keep(row);
  else {
    kept = null;
    release();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    kept = null;
    release();
  } else if (event.key === "Enter" && event.target.matches(".row[data-links]")) {
    keep(event.target);
  }
});
window.addEventListener("hashchange", () => {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && row.matches(".row")) reveal(row);
});
