// Loaded into Azurite before its own code, in a durable stack.
//
// Azurite keeps what it knows of its blobs in two LokiJS databases and saves
// them every five seconds, so a kill -9 takes back what it has answered. Azure
// does not. Here no answer leaves before all that it may rest on is saved: not
// that of a write, and not that of a listing or a refusal that has seen one.
"use strict";
const { rename, writeFile } = require("node:fs/promises");
const { createRequire } = require("node:module");
const { ServerResponse } = require("node:http");

const Loki = createRequire(process.argv[1])("lokijs");
const databases = [];

// Called by LokiJS for each database that is to be saved; the timer that it
// would start is not wanted.
Loki.prototype.autosaveEnable = function () {
  this.autosave = true;
  databases.push(this);
};

let running = null; // the save under way
let waiting = null; // the one after it, which will hold all that is known by then

// saved resolves when everything that is known now is saved; null: it is.
function saved() {
  if (waiting) return waiting;
  if (!running && !databases.some((db) => db.autosaveDirty())) return null;
  waiting = (running ?? Promise.resolve()).then(() => {
    running = waiting;
    waiting = null;
    return save();
  });
  return waiting;
}

// save takes all databases in one moment, so that they fit each other, and
// writes what is referred to first.
async function save() {
  const copies = databases.map((db) => {
    db.autosaveClearFlags();
    return { file: db.filename, text: db.serialize() };
  });
  copies.sort((a, b) => b.file.includes("extent") - a.file.includes("extent"));
  try {
    for (const { file, text } of copies) {
      await writeFile(file + "~", text);
      await rename(file + "~", file);
    }
  } catch (error) {
    console.error("cannot save:", error);
    process.exit(1); // nothing that is not saved may be answered
  }
  running = null;
}

// An answer's first write or end waits, and what follows waits behind it.
for (const name of ["write", "end"]) {
  const original = ServerResponse.prototype[name];
  ServerResponse.prototype[name] = function (...args) {
    if (this.durableQueue) {
      this.durableQueue.push(() => original.apply(this, args));
      return name === "write" ? true : this;
    }
    const wait = this.durable ? null : saved();
    this.durable = true;
    if (!wait) return original.apply(this, args);
    this.durableQueue = [() => original.apply(this, args)];
    wait.then(() => {
      const queue = this.durableQueue;
      this.durableQueue = null;
      for (const call of queue) call();
    });
    return name === "write" ? true : this;
  };
}
