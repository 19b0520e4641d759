/** Writes src/rpc/wire/ from proto/: the types of every message. Run after changing a .proto file; a test compares. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';

const out = process.argv[2] ?? 'src/rpc/wire';
const files = readdirSync('proto/chrysalis/v1')
  .filter((file) => file.endsWith('.proto'))
  .sort();
rmSync(out, { recursive: true, force: true });
const { status } = spawnSync(
  'proto-loader-gen-types',
  [
    '--longs=String',
    '--enums=String',
    '--bytes=Buffer',
    '--defaults',
    '--oneofs',
    '--grpcLib=@grpc/grpc-js',
    '--targetFileExtension=.ts',
    '--importFileExtension=.ts',
    '-I',
    'proto',
    '-O',
    out,
    ...files.map((file) => `chrysalis/v1/${file}`),
  ],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
