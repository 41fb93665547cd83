// What a result depends on besides the code: commit, machine, versions.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

function say(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    return error.stdout || null; // wrk -v exits with 1
  }
}

function firstLine(text) {
  return text?.split('\n', 1)[0].trim() || null;
}

export function commit() {
  return {
    commit: firstLine(say('git', 'rev-parse', 'HEAD')),
    // Earlier results lying about do not change what is measured.
    dirty: Boolean(say('git', 'status', '--porcelain', '--', ':!bench/results')?.trim()),
  };
}

export function machine() {
  const os = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  return {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    os: os ?? null,
    loadAtStart: loadavg()[0],
  };
}

export function versions() {
  return {
    wrk: firstLine(say('wrk', '-v'))?.split(' Copyright')[0] ?? null,
    h2load: firstLine(say('h2load', '--version')),
    node: process.version,
    gcc: firstLine(say('gcc', '--version')),
    rustc: firstLine(say('rustc', '--version')),
  };
}

/** All of it, taken at the start of a run. */
export function environment() {
  return { date: new Date().toISOString(), ...commit(), machine: machine(), versions: versions() };
}
