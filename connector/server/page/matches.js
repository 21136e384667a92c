// The newest matches; opened, one shows what it becomes.

import { el, empty, printable } from "./dom.js";
import { act, said } from "./server.js";
import { brief, moment } from "./words.js";

const SHOWN = 200_000;
const LINKS = "https://www.virustotal.com/";

/** Show a list; one that is shown already stays as it is, opened or not. */
export function show(place, list) {
  if (!list.length) return place.replaceChildren(empty("No notification has been fetched yet."));
  const known = new Map([...place.querySelectorAll("details")].map((each) => [each.dataset.key, each]));
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const key = ({ source, id }) => JSON.stringify([source, id]);
  const made = list.map((each) => el("li", {}, known.get(key(each)) ?? match(each, key(each))));
  place.replaceChildren(el("ul", { class: "matches" }, made));
  if (focused?.isConnected) focused.focus();
}

function match(each, key) {
  const body = el("div", { class: "became" });
  const opened = ({ target }) => {
    if (target.open && !body.hasChildNodes()) fill(body, each);
  };
  const by = each.rule ?? each.rulesets.join(", ");
  const details = el("details", { toggle: opened },
    el("summary", {},
      el("time", { datetime: each.date ?? "" }, moment(each.date)),
      el("span", { class: "kind" }, (each.entity_type ?? "unreadable").replace("_", " ")),
      el("code", {}, brief(each.entity_value ?? each.unreadable ?? each.id, 160)),
      el("span", { class: "by" }, by ? brief(by, 120) : "")),
    body);
  details.dataset.key = key;
  return details;
}

async function fill(body, each) {
  const facts = [
    ["Notification", each.id], ["Source", each.source], ["Origin", each.origin], ["Rule", each.rule],
    ["Rulesets, collections", each.rulesets.join(", ")], ["Tags", each.tags.join(", ")], ["Value", each.entity_value],
    ["Unreadable", each.unreadable],
  ];
  const link = each.link?.startsWith(LINKS)
    ? el("p", {}, el("a", { href: each.link, rel: "noreferrer noopener", target: "_blank" }, "See it at VirusTotal"))
    : null;
  const [stix, cef] = ["STIX 2.1", "CEF"].map((title) => rendering(title));
  body.replaceChildren(
    el("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, brief(value, 20_000))))),
    ...(link ? [link] : []),
    stix, cef);
  await into(stix, each.id, "stix21", ({ bundle, documents }) => JSON.stringify(bundle ?? documents, null, 2));
  await into(cef, each.id, "cef", ({ documents }) => documents.join("\n"));
}

const rendering = (title) =>
  el("section", { "aria-label": title }, el("h3", {}, title), el("pre", { tabindex: 0, "aria-label": title }, "…"));

async function into(section, id, mapping, text) {
  const pre = section.querySelector("pre");
  try {
    const { data } = await act("convert_notification", { id, mapping });
    pre.textContent = data.documents.length ? lines(text(data)) : `The mapping ${mapping} does not want it.`;
  } catch (error) {
    pre.textContent = printable(said(error));
    pre.classList.add("bad");
  }
}

/** Lines stay lines. */
function lines(text) {
  const shown = text.slice(0, SHOWN).split("\n").map(printable).join("\n");
  return text.length > SHOWN ? `${shown}\n… (${text.length} characters in all)` : shown;
}
