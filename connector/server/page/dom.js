// Elements made of text alone: what came from a network never becomes markup.

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

/** Text whose invisible characters, those that reorder it above all, are written as their codes. */
export function printable(text) {
  return String(text).replace(UNSEEN, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);
}

/** An element; children are elements or text, and what is null is left out. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, printable(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined) continue;
    made.append(child instanceof Node ? child : printable(child));
  }
  return made;
}

/** Replace what a place shows, unless it shows just that; a focused control is found again by its data-key. */
export function show(place, ...made) {
  const fresh = el("div", {}, ...made);
  if (place.innerHTML === fresh.innerHTML) return;
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...fresh.childNodes);
  if (key !== undefined) [...place.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key)?.focus();
}

/**
 * A table that a narrow screen shows as one card for each row. The roles say again what the elements are, for a
 * browser forgets it when they are laid out otherwise.
 *
 * @param columns [title, class] for each
 * @param rows lists of cells; the first is the row's name
 */
export function table(caption, columns, rows) {
  const head = columns.map(([title, kind]) => el("th", { scope: "col", role: "columnheader", class: kind }, title));
  const body = rows.map((cells) =>
    el("tr", { role: "row" }, cells.map((cell, at) => {
      const [title, kind] = columns[at];
      const attributes = at ? { role: "cell" } : { scope: "row", role: "rowheader" };
      return el(at ? "td" : "th", { ...attributes, class: kind, "data-title": title }, el("div", {}, cell));
    })));
  return el("table", { role: "table" },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
    el("tbody", { role: "rowgroup" }, body));
}

export const empty = (text) => el("p", { class: "empty" }, text);
