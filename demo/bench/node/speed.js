// Megabytes a second of the parser: node speed.js FILE MILLISECONDS
'use strict';

const fs = require('node:fs');
const { parse } = require('./parser');

const bytes = fs.readFileSync(process.argv[2]);
const run = (length) => {
  const began = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - began) / 1e6;
  let times = 0;
  while (times === 0 || elapsed() < length) {
    parse(bytes);
    times += 1;
  }
  return (bytes.length * times) / 1e6 / (elapsed() / 1e3);
};
// Once to warm up: V8 compiles what is hot.
run(Number(process.argv[3]) / 4);
console.log(run(Number(process.argv[3])));
