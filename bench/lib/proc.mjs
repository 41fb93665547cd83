// What /proc knows about a process and about the machine.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** The fields of /proc/PID/stat from the third on; the second, the name, may hold spaces. */
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/**
 * CPU seconds of all threads of a process so far. Linux keeps the sum of both
 * in nanoseconds and rounds to ticks (usually 10 ms) only here, so over seconds
 * the difference of two readings is good to a fraction of a percent.
 */
export function cpuSeconds(pid) {
  const fields = stat(pid);
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** CPU time of each thread of a process so far, in nanoseconds, by its id. */
export function cpuByThread(pid) {
  const times = new Map();
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [time] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ');
      times.set(tid, Number(time));
    } catch {
      // It ended meanwhile.
    }
  }
  return times;
}

/** CPU seconds between two readings of `cpuByThread`; of threads that have ended none. */
export function cpuBetween(before, after) {
  let sum = 0;
  for (const [tid, time] of after) sum += time - (before.get(tid) ?? 0);
  return sum / 1e9;
}

/** CPU seconds of the children that this process has waited for. */
export function childrenCpuSeconds() {
  const fields = stat('self');
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

/** CPU seconds of the whole machine so far: at work, and taken away by the hypervisor. */
export function machineCpuSeconds() {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0];
  const [user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).slice(1).map(Number);
  const busy = user + nice + system + irq + softirq;
  return { busy: busy / ticksPerSecond, steal: steal / ticksPerSecond };
}

function numbers(path, names) {
  const text = readFileSync(`/proc/${path}`, 'utf8');
  return names.map((name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)[1]));
}

/**
 * Resident memory in bytes, as VmRSS and RssAnon of /proc/PID/status name it, but
 * from smaps_rollup: the kernel batches the counters behind status per CPU, which
 * may hide some hundred KiB.
 */
export function memory(pid) {
  const [rss, anonymous] = numbers(`${pid}/smaps_rollup`, ['Rss', 'Anonymous']);
  return { rss: rss * 1024, anonymous: anonymous * 1024 };
}

/** The most resident memory that a process has had, in bytes. */
export function peakMemory(pid) {
  const [kib] = numbers(`${pid}/status`, ['VmHWM']);
  return kib * 1024;
}

/** Context switches of all threads so far. /proc/PID/status alone covers one thread. */
export function contextSwitches(pid) {
  const sum = { voluntary: 0, involuntary: 0 };
  for (const { tid } of threads(pid)) {
    const names = ['voluntary_ctxt_switches', 'nonvoluntary_ctxt_switches'];
    const [voluntary, involuntary] = numbers(`${pid}/task/${tid}/status`, names);
    sum.voluntary += voluntary;
    sum.involuntary += involuntary;
  }
  return sum;
}

/** Thread ids and names, in order of creation. */
export function threads(pid) {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    return { tid: Number(tid), name: readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim() };
  });
}

export function openFiles(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The process that listens on a TCP port: `root` or one of its descendants; else null. */
export function listenerOf(root, port) {
  const sockets = listeningSockets(port);
  if (sockets.size === 0) return null;
  return family(root).find((pid) => files(pid).some((file) => sockets.has(file))) ?? null;
}

function listeningSockets(port) {
  const found = new Set();
  for (const table of ['tcp', 'tcp6']) {
    let text = '';
    try {
      text = readFileSync(`/proc/net/${table}`, 'utf8');
    } catch {
      // A kernel without IPv6 has no tcp6.
    }
    for (const line of text.split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const listening = state === '0A' && parseInt(local.split(':')[1], 16) === port;
      if (listening) found.add(`socket:[${inode}]`);
    }
  }
  return found;
}

/** A process and all its descendants. */
function family(root) {
  const children = new Map();
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    try {
      const parent = Number(stat(pid)[1]);
      children.set(parent, [...(children.get(parent) ?? []), pid]);
    } catch {
      // It ended meanwhile.
    }
  }
  const all = [root];
  for (const pid of all) all.push(...(children.get(pid) ?? []));
  return all;
}

function files(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  } catch {
    return [];
  }
}
