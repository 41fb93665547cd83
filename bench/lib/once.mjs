// One run of tools/files_client.c: each file of a set is asked once.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { FOLDER, SETS } from '../contenders/folder.mjs';
import { Failure } from './failure.mjs';
import { filesClient } from './paths.mjs';

const exec = promisify(execFile);

/** Its arguments for a load and a set; those of `isOnDisk` are dropped from memory first. */
export function onceArgs({ connections, isOnDisk = false }, { url, request }, set) {
  const port = /:(\d+)/.exec(url)?.[1] ?? 'PORT';
  const folder = isOnDisk ? [`${FOLDER}/set-${set}`] : [];
  return [port, connections, `${request}-${set}`, ...folder].map(String);
}

/** Runs it with the server's next set and returns its figures in the shape of those of `wrk`. */
export async function once(load, target) {
  target.set = ((target.set ?? -1) + 1) % SETS;
  let figures;
  try {
    const { stdout } = await exec(filesClient, onceArgs(load, target, target.set));
    figures = JSON.parse(stdout);
  } catch (error) {
    throw new Failure(`files_client failed: ${error.stderr || error.message}`);
  }
  return {
    ...figures,
    rate: figures.requests / figures.seconds,
    errors: Object.values(figures.errors).reduce((sum, count) => sum + count, 0),
    errorKinds: figures.errors,
  };
}
