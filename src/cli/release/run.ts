import { createWriteStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { loadPolicy, policyDigest } from '../../attestation/index.ts';
import { CodedError, fromHex, toHex } from '../../core/index.ts';
import { connectToKeyReleaseAdministration, type SecretReport } from '../../rpc/index.ts';
import { modelDigest, modelFolderOnDisk, sealModel } from '../../worker/index.ts';
import { aborted, announce, stopSignal } from '../child.ts';
import { readText, systemRandomness } from '../compose/files.ts';
import { keyIn, openStandaloneRelease, type StandaloneOptions } from '../compose/release.ts';
import { engineWithin } from '../compose/worker.ts';
import { codedFromSystem, printable, table } from '../output.ts';
import { approvalsPath } from '../policy/documents.ts';
import { addressesOf, serveRelease } from './serving.ts';

type Json = Readonly<{ json?: boolean }>;

const print = ({ json }: Json, document: unknown, text: string): void =>
  void process.stdout.write(json === true ? `${JSON.stringify(document)}\n` : `${printable(text)}\n`);

export type ServeOptions = StandaloneOptions &
  Json &
  Readonly<{ host: string; port: string; adminPort: string; supervised?: boolean }>;

/** `chrysalis release serve`. */
export async function serve(options: ServeOptions): Promise<void> {
  const stop = stopSignal(options);
  await mkdir(options.data, { recursive: true, mode: 0o700 }).catch((thrown: unknown) => {
    throw codedFromSystem(thrown);
  });
  const release = await openStandaloneRelease(options);
  const served = await serveRelease(release, options);
  const { url, admin } = addressesOf(served);
  if (options.json === true) announce({ event: 'ready', url, admin });
  else console.log(`key release   ${url}   for owners ${admin}`);
  await aborted(stop);
  await served.close();
  await release.close();
  if (options.json === true) announce({ event: 'stopped' });
}

export type RegisterOptions = Json &
  Readonly<{ admin: string; owner: string; policy: string; approvals?: string; keyFile: string }>;

/** `chrysalis release register`. */
export async function register(name: string, options: RegisterOptions): Promise<void> {
  const { owner, policy, approvals = approvalsPath(policy) } = options;
  const secret = keyIn(options.keyFile);
  const registration = { name, owner, secret, policyText: readText(policy), approvals: readText(approvals) };
  const state = await administration(options.admin, (to) => to.register(registration)).finally(() => secret.fill(0));
  const under = `${state.policyId} #${state.policyNumber}`;
  print(options, state, `${state.name} is released under ${under}, log entry ${state.logIndex}`);
}

export type RevokeOptions = Json & Readonly<{ admin: string; policy?: string }>;

/** `chrysalis release revoke`: one secret, or all under a policy. @throws CodedError USAGE_INVALID */
export async function revoke(name: string | undefined, options: RevokeOptions): Promise<void> {
  if ((name === undefined) === (options.policy === undefined)) {
    throw new CodedError('USAGE_INVALID', 'name either a secret or, with --policy, a policy');
  }
  const what = name === undefined ? { policyDigest: digestOf(options.policy as string) } : { name };
  const revoked = await administration(options.admin, (to) => to.revoke(what));
  const text =
    revoked.length === 0 ? 'no secret was registered under it; none will be' : `revoked: ${revoked.join(', ')}`;
  print(options, { revoked }, text);
}

/** A policy's file, or its digest. */
function digestOf(policy: string): Uint8Array {
  return /^[0-9a-f]{64}$/.test(policy) ? fromHex(policy, 'policy') : policyDigest(loadPolicy(readText(policy)));
}

/** `chrysalis release list`. */
export async function list(options: Json & Readonly<{ admin: string }>): Promise<void> {
  const secrets = await administration(options.admin, (to) => to.list());
  const rows = secrets.map((one: SecretReport) => [
    one.name,
    one.owner,
    one.state,
    `${one.policyId} #${one.policyNumber}`,
    `${one.released} released, ${one.refused} refused since it started`,
  ]);
  print(options, { secrets }, rows.length === 0 ? 'no secret is registered' : table(rows, 120, 0));
}

async function administration<T>(
  address: string,
  use: (to: ReturnType<typeof connectToKeyReleaseAdministration>) => Promise<T>,
): Promise<T> {
  const to = connectToKeyReleaseAdministration(address, Date.now);
  try {
    return await use(to);
  } catch (thrown) {
    if (!(thrown instanceof CodedError) || thrown.code !== 'ROUTER_UNREACHABLE') throw thrown;
    const todo = 'start it (chrysalis release serve), or name its owners’ address with --admin';
    throw new CodedError('PEER_UNREACHABLE', `no release service answers at ${address}`, { todo }, { cause: thrown });
  } finally {
    to.close();
  }
}

export type SealOptions = Json & Readonly<{ out: string; secret: string; keyFile: string }>;

/** `chrysalis release seal`: a model's folder, encrypted; the key is drawn where its file does not exist. */
export async function seal(model: string, options: SealOptions): Promise<void> {
  const { out, secret } = options;
  const folder = modelFolderOnDisk(model);
  // Loaded once as a worker would: the digest covers the engine and its flags too.
  const engine = await engineWithin(folder);
  const digest = modelDigest(engine.manifest);
  await engine.close();
  const key = keyIn(options.keyFile);
  try {
    await mkdir(out, { recursive: true });
    if ((await readdir(out)).length > 0) throw new CodedError('USAGE_INVALID', `${out} is not empty`, { field: 'out' });
    for (const { name, chunks } of await sealModel(folder, { secret, key, modelDigest: digest }, systemRandomness)) {
      await pipeline(Readable.from(chunks, { objectMode: true }), createWriteStream(join(out, name), { flags: 'wx' }));
    }
  } catch (thrown) {
    throw codedFromSystem(thrown);
  } finally {
    key.fill(0);
  }
  const hex = toHex(digest);
  print(options, { out, secret, modelDigest: hex }, `${out}: sealed for the secret ${secret}, model digest ${hex}`);
}
