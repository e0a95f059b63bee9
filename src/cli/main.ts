#!/usr/bin/env node
import { run } from './run.js';

process.exitCode = await run(process.argv.slice(2), {
  write: (text) => void process.stdout.write(text),
  fail: (text) => void process.stderr.write(text),
  width: process.stdout.columns ?? 80,
});
