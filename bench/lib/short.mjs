// One run of tools/short_client.c: connections that end after a given number of requests.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from './failure.mjs';
import { shortClient } from './paths.mjs';

const exec = promisify(execFile);

/** Its arguments for a load; of the target, the port and the files of both requests. */
export function shortArgs({ connections, requests }, { url, request, closing }, seconds) {
  const port = /:(\d+)/.exec(url)?.[1] ?? 'PORT';
  return [port, connections, requests, seconds, request, closing].map(String);
}

/** Runs it and returns its figures in the shape of those of `wrk`. */
export async function short(load, target, seconds) {
  let figures;
  try {
    const { stdout } = await exec(shortClient, shortArgs(load, target, seconds));
    figures = JSON.parse(stdout);
  } catch (error) {
    throw new Failure(`short_client failed: ${error.stderr || error.message}`);
  }
  return {
    ...figures,
    rate: figures.requests / figures.seconds,
    errors: Object.values(figures.errors).reduce((sum, count) => sum + count, 0),
    errorKinds: figures.errors,
  };
}
