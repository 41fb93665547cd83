// A folder beside the project with clients and servers of gRPC, and a copy of examples/grpc, which finds
// them and this package as any project would.

import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HERE, run, skip } from './lib.mjs';

const ROOT = join(HERE, '..', '..', '..');
const PACKAGES = {
  '@bufbuild/protobuf': '2.17.0',
  '@connectrpc/connect': '2.3.0',
  '@grpc/grpc-js': '1.14.7',
  '@grpc/proto-loader': '0.8.1',
};

/** The folder with the clients and a copy of the example; null if npm cannot install them. */
export async function grpcFolder() {
  const list = JSON.stringify({ private: true, type: 'module', dependencies: PACKAGES }, null, 2);
  const key = createHash('sha256').update(list).digest('hex').slice(0, 12);
  const path = join(tmpdir(), `reactor-grpc-${key}`);
  if (!existsSync(path)) {
    const fresh = `${path}-${process.pid}`;
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'package.json'), list);
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', fresh];
    const { code, out } = await run('npm', args, { seconds: 300 });
    if (code !== 0) {
      rmSync(fresh, { recursive: true });
      skip(`npm could not install ${Object.keys(PACKAGES).join(', ')}: ${firstError(out)}`);
      return null;
    }
    renameSync(fresh, path);
  }
  const own = join(path, 'node_modules', 'reactor-rs');
  rmSync(own, { recursive: true, force: true });
  symlinkSync(ROOT, own);
  for (const [from, to] of [
    [join(ROOT, 'examples', 'grpc'), 'example'],
    [join(HERE, 'grpc'), 'trial'],
  ]) {
    rmSync(join(path, to), { recursive: true, force: true });
    cpSync(from, join(path, to), { recursive: true });
  }
  return path;
}

function firstError(out) {
  return /^npm error (.*)$/m.exec(out)?.[1] ?? 'it said nothing';
}
