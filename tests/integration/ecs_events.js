// Which members of the events on standard input, a JSON array, are not what Elastic's own list of fields says.
// Prints one line each. Objects named as arguments are ours, and ECS says nothing of them.
const net = require("node:net");
const { EcsFlat } = require("@elastic/ecs");

const own = new Set(process.argv.slice(2));
const complaints = new Set();
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

const isOfType = {
  keyword: (value) => typeof value === "string",
  constant_keyword: (value) => typeof value === "string",
  wildcard: (value) => typeof value === "string",
  match_only_text: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  long: (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 63,
  float: (value) => typeof value === "number" && Number.isFinite(Math.fround(value)),
  date: (value) => typeof value === "string" && DATE.test(value) && !Number.isNaN(Date.parse(value)),
  // `labels` alone, which holds keywords.
  object: (value) => value?.constructor === Object && Object.values(value).every((each) => typeof each === "string"),
  ip: (value) => typeof value === "string" && net.isIP(value) > 0 && !value.includes("%"),
};

function check(path, value) {
  const field = EcsFlat[path];
  if (field === undefined) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) complaints.add(`${path} is no field`);
    else for (const name of Object.keys(value)) check(`${path}.${name}`, value[name]);
    return;
  }
  const isList = field.normalize.includes("array");
  if (isList !== Array.isArray(value)) complaints.add(`${path} is ${isList ? "no" : "a"} list`);
  const names = (field.allowed_values ?? []).map((allowed) => allowed.name).concat(field.expected_values ?? []);
  for (const item of Array.isArray(value) ? value : [value]) {
    if (!isOfType[field.type]?.(item)) complaints.add(`${path}: ${JSON.stringify(item)} is no ${field.type}`);
    if (names.length > 0 && !names.includes(item)) complaints.add(`${path}: ${JSON.stringify(item)} is not allowed`);
  }
}

for (const event of JSON.parse(require("node:fs").readFileSync(0, "utf8"))) {
  for (const [path, field] of Object.entries(EcsFlat)) {
    if (field.required && path.split(".").reduce((inner, name) => inner?.[name], event) === undefined)
      complaints.add(`${path} is missing`);
  }
  for (const name of Object.keys(event)) if (!own.has(name)) check(name, event[name]);
}
for (const complaint of complaints) console.log(complaint);
