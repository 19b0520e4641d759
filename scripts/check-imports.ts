/**
 * The tree is the architecture: a folder of `src/` imports only what its line names, and only through that folder's
 * `index.ts`. Prints each violation with file and line; exits 1 where there is one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  attestation: ['core'],
  session: ['core'],
  log: ['core', 'store'],
  chain: ['core'],
  store: ['core'],
  worker: ['core', 'attestation', 'session'],
  router: ['core', 'attestation', 'session', 'log', 'chain', 'store'],
  client: ['core', 'attestation', 'session', 'log', 'chain'],
  audit: ['core', 'attestation', 'session', 'log', 'chain'],
  image: ['core', 'attestation'],
  rpc: ['core', 'attestation', 'session', 'log', 'chain', 'store', 'worker', 'router', 'client', 'audit'],
  sdk: ['core', 'attestation', 'log', 'client', 'rpc'],
  cli: [
    'core',
    'attestation',
    'session',
    'log',
    'chain',
    'store',
    'worker',
    'router',
    'client',
    'audit',
    'image',
    'rpc',
  ],
};

/** Runs in a browser as well: no Node module, no network. Paths are relative to `src/`. */
const PORTABLE = [
  ...['core/', 'attestation/', 'session/', 'log/', 'audit/', 'client/', 'rpc/web/', 'sdk/', 'chain/signed/'],
  ...['cli/verify/', 'cli/log-check/'],
];
const NOT_PORTABLE = [
  'core/crypto/node',
  'attestation/collateral/',
  'attestation/simulate/',
  'log/writer/',
  'log/witness/',
];

/** Globals that only Node has, as code uses them. */
const NODE_GLOBAL = /^(?!\s*(?:\*|\/\/|\/\*)).*\b(Buffer|process|setImmediate|__dirname)\b[.(]/;

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const problems: string[] = [];

for (const file of files) {
  const from = file.split('/')[0] as string;
  if (!(from in ALLOWED)) problems.push(`src/${file}: folder ${from} has no line in scripts/check-imports.ts`);
  const portable = PORTABLE.some((p) => file.startsWith(p)) && !NOT_PORTABLE.some((p) => file.startsWith(p));
  readFileSync(join(root, file), 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const global = portable ? NODE_GLOBAL.exec(line)?.[1] : undefined;
      if (global !== undefined)
        problems.push(`src/${file}:${index + 1}: ${global} in a folder that also runs in a browser`);
      const specifier = /(?:\bfrom\s+|\bimport\s+|\bimport\()'([^']+)'/.exec(line)?.[1];
      if (specifier === undefined) return;
      const at = `src/${file}:${index + 1}`;
      if (specifier.startsWith('node:') && portable)
        problems.push(`${at}: ${specifier} in a folder that also runs in a browser`);
      if (specifier === '#crypto' || !specifier.startsWith('.')) return;
      const target = relative(root, resolve(root, dirname(file), specifier));
      // The committed code of contracts is data beside src/.
      if (from === 'chain' && /^\.\.\/contracts\/compiled\/[a-z-]+\.json$/.test(target)) return;
      const to = target.split('/')[0] as string;
      if (to === from) {
        if (file.startsWith('rpc/web/') && !target.startsWith('rpc/web/'))
          problems.push(`${at}: a page's way to a router may not reach gRPC`);
        if (from !== 'attestation' && from !== 'core' && target.includes('simulate/'))
          problems.push(`${at}: reaches the simulator`);
        if (/^log\/(writer|witness)\//.test(target) && !/^log\/(writer|witness)\//.test(file))
          problems.push(`${at}: the verification half of the log may not reach its writer or witness`);
        return;
      }
      if (!(ALLOWED[from] ?? []).includes(to)) problems.push(`${at}: ${from}/ may not import ${to}/`);
      else if (
        target !== `${to}/index.ts` &&
        !/^(attestation\/(simulate|collateral)|log\/(writer|witness)|rpc\/(web|enclave)|chain\/signed)\/index\.ts$/.test(
          target,
        )
      ) {
        problems.push(`${at}: import ${to}/ through its index.ts, not ${target}`);
      }
      if (from === 'log' && to === 'store' && !file.startsWith('log/writer/'))
        problems.push(`${at}: only the writer of a log may import store/`);
      if (/^log\/(writer|witness)\//.test(target) && from !== 'cli' && from !== 'router')
        problems.push(`${at}: only cli/ and router/ may hold a log's writer or witness`);
      if (target.startsWith('attestation/simulate/') && from !== 'cli') {
        problems.push(`${at}: only cli/ may compose the simulator`);
      }
    });
}

for (const problem of problems) console.error(problem);
console.log(`check-imports: ${files.length} files, ${problems.length} problems`);
process.exit(files.length === 0 || problems.length > 0 ? 1 : 0);
