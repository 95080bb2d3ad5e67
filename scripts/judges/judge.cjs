// Reads batch files with node-hl7-client; says what it does not read as meant.
//
//     node judge.cjs MODULES BATCH EXPECTED
//
// MODULES is the folder that npm installed into; the rest is as in judge.py.
"use strict";

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const [modules, batch, expectedFile] = process.argv.slice(2);
const { FileBatch } = createRequire(path.resolve(modules) + "/")("node-hl7-client");
const text = fs.readFileSync(batch, "utf8");
const expected = JSON.parse(fs.readFileSync(expectedFile, "utf8"));
const messages = new FileBatch({ text }).messages();
const wrong = [];
const count = text.split("\r").filter((segment) => segment.startsWith("MSH|")).length;
if (messages.length !== count) wrong.push(["messages", messages.length, count]);
for (const [number, segment, field, component, value] of expected.values) {
  let read;
  try {
    // Of a field that repeats, the first repetition.
    let node = messages[number].get(`${segment}.${field}`);
    if (node.exists(`${component}`) || component > 1) node = node.get(`${component}`);
    read = node.isEmpty() ? "" : node.toString();
  } catch (err) {
    read = String(err);
  }
  // It trims every segment of what JavaScript takes for blanks (U+2029, U+3000 ...).
  const trimmed = text.includes(value + "\r") && read === value.trimEnd();
  if (read !== value && !trimmed) wrong.push([number, segment, field, component, read, value]);
}
console.log(JSON.stringify(wrong));
